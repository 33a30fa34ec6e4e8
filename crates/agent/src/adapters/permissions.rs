use std::sync::Arc;

use async_trait::async_trait;
use mimir_permissions::{Decider, Request, Verdict};
use mimir_tools::{CallContext, Need, Permission, Permissions};

/// The tools' permissions over the feature that decides about them.
pub(crate) struct AskedPermissions(pub(crate) Arc<mimir_permissions::Permissions>);

#[async_trait]
impl Permissions for AskedPermissions {
    async fn ask(&self, need: &Need, context: &CallContext) -> Permission {
        let Need { kind, command, path, tool, least_risk } = need.clone();
        let request = Request {
            session_id: context.session_id.clone(),
            kind,
            command,
            path,
            tool: Some(tool),
            least_risk,
            cause: context.cause.clone(),
            changed_by: context.changed_by.clone(),
        };
        let Verdict { allowed, by, reason, .. } = self.0.ask(request).await;
        let plugin = match &by {
            Decider::Plugin(plugin) => plugin.clone(),
            _ => None,
        };
        Permission { allowed, by: words(&by), plugin, reason }
    }
}

fn words(by: &Decider) -> String {
    match by {
        // Nobody wants to hear of each file that is read
        Decider::Harmless => Permission::RULE.to_owned(),
        Decider::Policy => "a rule of the configuration".to_owned(),
        Decider::Remembered => "an earlier answer".to_owned(),
        Decider::Plugin(Some(plugin)) => plugin.to_string(),
        Decider::Plugin(None) => "a plugin".to_owned(),
        Decider::User => "you".to_owned(),
        Decider::Yes => "--yes".to_owned(),
        Decider::Nobody => "nobody, since nobody is there to ask".to_owned(),
    }
}
