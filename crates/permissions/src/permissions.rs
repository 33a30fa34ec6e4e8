use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimir_plugins::Hooks;
use mimir_plugins::events::{PermissionAsk, PermissionDecision, PermissionReplied};
use mimir_shared_config::{Risk, SaidRule};
use mimir_shared_platform::{Clock, FileSystem};
use tokio::sync::OnceCell;

use crate::answers::{About, LASTING};
use crate::paths::Project;
use crate::risk::{self, Found};
use crate::{Answer, AnswerStore, Decider, Person, Prompt, Reply, Request, Scope, Settings, Verdict, rules};

/// How many answers are known to questions that may still be waiting.
const RECENT: usize = 32;

/// Decides whether actions may happen. One for all sessions of a process.
pub struct Permissions {
    settings: Settings,
    project: Project,
    hooks: Hooks,
    person: Arc<dyn Person>,
    answers: Arc<dyn AnswerStore>,
    clock: Arc<dyn Clock>,
    disk: Option<Arc<dyn FileSystem>>,
    /// Answers for as long as a session, and the risk up to which each counts.
    of_sessions: Mutex<HashMap<String, Vec<(Answer, Risk)>>>,
    /// Answers that last: read when the first is needed.
    lasting: OnceCell<Mutex<Vec<Answer>>>,
    /// Held while the person is asked, so that there is one question at a time.
    asking: tokio::sync::Mutex<Vec<Recent>>,
    /// Counts questions and answers, so that it can be told which came first.
    moments: AtomicU64,
    notices: Mutex<Vec<String>>,
}

/// An answer that was just given.
struct Recent {
    request: Request,
    reply: Option<Reply>,
    moment: u64,
}

impl Permissions {
    /// Wires it up. Nothing is read before the first request.
    pub fn new(
        settings: Settings,
        hooks: Hooks,
        person: Arc<dyn Person>,
        answers: Arc<dyn AnswerStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let project = Project { root: settings.project.clone(), home: settings.home.clone() };
        Self {
            settings,
            project,
            hooks,
            person,
            answers,
            clock,
            disk: None,
            of_sessions: Mutex::default(),
            lasting: OnceCell::new(),
            asking: tokio::sync::Mutex::default(),
            moments: AtomicU64::new(0),
            notices: Mutex::default(),
        }
    }

    /// Follows links on a disk. Without it a path in a command line is taken to lead where it says.
    #[must_use]
    pub fn following(mut self, disk: Arc<dyn FileSystem>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// Decides about an action: rules that block, rules that allow, what is harmless, what was answered before, plugins,
    /// `--yes`, the person. Plugins hear what came of it.
    pub async fn ask(&self, request: Request) -> Verdict {
        let found = self.found(&request).await;
        let verdict = self.decide(&request, &found).await;
        self.tell(&request, &verdict).await;
        verdict
    }

    /// What the person should know that stands in no prompt yet: answers that could not be read or kept. Each is told once.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut held(&self.notices))
    }

    /// Forgets what was answered for as long as a session.
    pub fn forget_session(&self, session_id: &str) {
        held(&self.of_sessions).remove(session_id);
    }

    async fn found(&self, request: &Request) -> Found {
        let mut found = risk::assess(request, &self.project);
        let Some(disk) = self.disk.clone().filter(|_| found.line.is_some()) else { return found };
        let project = self.project.clone();
        let follow = move || {
            risk::follow(&mut found, &project, &*disk);
            found
        };
        // A disk may be slow; what can't be looked at was looked at by nobody
        tokio::task::spawn_blocking(follow).await.unwrap_or_else(|_| risk::unseen(request, &self.project))
    }

    async fn decide(&self, request: &Request, found: &Found) -> Verdict {
        let risk = found.assessment.risk;
        let verdict = |allowed: bool, by: Decider, reason: Option<String>| Verdict { allowed, by, reason, risk };
        if let Some(rule) = rules::blocking(&self.settings.rules, request, found, &self.project) {
            return verdict(false, Decider::Policy, Some(by_rule("blocks", rule)));
        }
        if let Some(rule) = rules::allowing(&self.settings.rules, request, found, &self.project) {
            return verdict(true, Decider::Policy, Some(by_rule("allows", rule)));
        }
        let is_own = request.cause.is_empty();
        let is_asked = self.settings.always_ask.contains(&request.kind);
        if risk == Risk::Low && !is_asked && (is_own || self.settings.harmless_for_plugins) {
            return verdict(true, Decider::Harmless, None);
        }
        if let Some(answer) = self.remembered(request, found).await {
            return verdict(
                answer.allowed,
                Decider::Remembered,
                Some(format!("answered before ({})", answer.about.shown())),
            );
        }
        let arrived = self.moment();
        match self.ask_plugins(request, risk).await {
            PermissionDecision::Denied { by, reason } => return verdict(false, Decider::Plugin(by), reason),
            // Nobody gives himself a permission. Who gave it has to be known where a plugin could have been the one
            PermissionDecision::Allowed { by, .. }
                if !request.changed_by.is_empty() && by.as_ref().is_none_or(|by| request.changed_by.contains(by)) => {}
            PermissionDecision::Allowed { by, reason }
                if is_own || by.as_ref().is_some_and(|by| !request.cause.contains(by)) =>
            {
                return verdict(true, Decider::Plugin(by), reason);
            }
            PermissionDecision::Allowed { .. } | PermissionDecision::AskUser => {}
        }
        if self.settings.yes && risk <= Risk::Medium && is_own {
            return verdict(true, Decider::Yes, Some("--yes".to_owned()));
        }
        self.ask_person(request, found, arrived).await
    }

    async fn ask_plugins(&self, request: &Request, risk: Risk) -> PermissionDecision {
        let hooks = self.hooks.caused_by(request.cause.iter().cloned());
        hooks.permissions().ask(self.event(request, risk)).await
    }

    fn event(&self, request: &Request, risk: Risk) -> PermissionAsk {
        PermissionAsk {
            timestamp: self.clock.now_ms(),
            session_id: request.session_id.clone(),
            kind: request.kind.clone(),
            command: request.command.clone(),
            path: request.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            tool: request.tool.clone(),
            risk,
            extra: serde_json::Map::new(),
        }
    }

    async fn ask_person(&self, request: &Request, found: &Found, arrived: u64) -> Verdict {
        let risk = found.assessment.risk;
        let mut recent = self.asking.lock().await;
        // Somebody else's question may have been answered meanwhile, with an answer to this one
        if let Some(answer) = self.remembered(request, found).await {
            let reason = Some(format!("answered before ({})", answer.about.shown()));
            return Verdict { allowed: answer.allowed, by: Decider::Remembered, reason, risk };
        }
        let same = recent.iter().find(|other| other.moment > arrived && other.request == *request);
        let same = same.map(|other| other.reply.clone());
        // What is critical is agreed to each time
        let same = same.filter(|reply| risk < Risk::Critical || reply.as_ref().is_none_or(|reply| !reply.allowed));
        let reply = match same {
            Some(reply) => reply,
            None => {
                let prompt = self.prompt(request, found);
                let reply = self.person.ask(&prompt).await;
                if let Some(reply) = &reply {
                    self.keep(request, found, &prompt, reply).await;
                }
                recent.push(Recent { request: request.clone(), reply: reply.clone(), moment: self.moment() });
                let surplus = recent.len().saturating_sub(RECENT);
                recent.drain(..surplus);
                reply
            }
        };
        match reply {
            Some(Reply { allowed, reason, .. }) => Verdict { allowed, by: Decider::User, reason, risk },
            None => Verdict { allowed: false, by: Decider::Nobody, reason: Some(self.nobody(request, found)), risk },
        }
    }

    fn prompt(&self, request: &Request, found: &Found) -> Prompt {
        let may_last = found.assessment.risk <= LASTING && request.cause.is_empty();
        let rule = may_last.then(|| About::narrow(request, found, &self.project).shown());
        Prompt { request: request.clone(), assessment: found.assessment.clone(), rule, notices: self.take_notices() }
    }

    /// Keeps an answer for as long as the person said, and no longer than the prompt offered.
    async fn keep(&self, request: &Request, found: &Found, prompt: &Prompt, reply: &Reply) {
        let offered = prompt.scopes();
        let scope = match reply.scope {
            Scope::Always if !offered.contains(&Scope::Always) => Scope::Session,
            scope => scope,
        };
        if scope == Scope::Once || !offered.contains(&scope) {
            return;
        }
        let risk = found.assessment.risk;
        // A no is about this action alone: nobody asked about others. So is a yes to what is dangerous
        let about = match reply.allowed && risk <= LASTING {
            true => About::narrow(request, found, &self.project),
            false => About::exact(request),
        };
        let answer = Answer { about, allowed: reply.allowed, given_ms: self.clock.now_ms() };
        if scope == Scope::Always {
            match self.answers.add(&answer).await {
                Ok(()) => {
                    held(self.lasting().await).push(answer);
                    return;
                }
                Err(error) => self.note(format!("your answer counts for this session only: {}", with_causes(&error))),
            }
        }
        held(&self.of_sessions).entry(request.session_id.clone()).or_default().push((answer, risk.max(LASTING)));
    }

    /// An answer that was given before. What a plugin's host call led to is asked anew.
    async fn remembered(&self, request: &Request, found: &Found) -> Option<Answer> {
        if !request.cause.is_empty() {
            return None;
        }
        let risk = found.assessment.risk;
        let counts = |answer: &Answer, up_to: Risk| {
            (!answer.allowed || risk <= up_to) && answer.about.means(request, found, &self.project)
        };
        let mut found = {
            let sessions = held(&self.of_sessions);
            let own = sessions.get(&request.session_id).into_iter().flatten();
            own.filter(|(answer, up_to)| counts(answer, *up_to)).map(|(answer, _)| answer.clone()).collect::<Vec<_>>()
        };
        found.extend(held(self.lasting().await).iter().filter(|answer| counts(answer, LASTING)).cloned());
        // A no is stronger than a yes, here as everywhere
        found.sort_by_key(|answer| answer.allowed);
        found.into_iter().next()
    }

    async fn lasting(&self) -> &Mutex<Vec<Answer>> {
        let load = async || match self.answers.load().await {
            Ok(answers) => Mutex::new(answers),
            Err(error) => {
                self.note(format!("answers that you gave before do not count: {}", with_causes(&error)));
                Mutex::default()
            }
        };
        self.lasting.get_or_init(load).await
    }

    /// Why it was refused where nobody could be asked, and what would help.
    fn nobody(&self, request: &Request, found: &Found) -> String {
        let risk = found.assessment.risk;
        let mut text = format!("nobody is there to be asked, and the risk is {risk}");
        if let Some(why) = found.assessment.reasons.first() {
            text.push_str(&format!(" ({why})"));
        }
        match About::narrow(request, found, &self.project) {
            _ if risk == Risk::Critical => {}
            About::Rule(rule) => {
                text.push_str(&format!("; `{rule}` under `permissions.allow` in ~/.mimir/config.yml would allow it"));
                if risk <= Risk::Medium && request.cause.is_empty() {
                    text.push_str(", and so would --yes");
                }
            }
            About::Exact { .. } if risk <= Risk::Medium && request.cause.is_empty() => {
                text.push_str("; --yes would allow it");
            }
            About::Exact { .. } => {}
        }
        text
    }

    async fn tell(&self, request: &Request, verdict: &Verdict) {
        let by = match &verdict.by {
            Decider::Harmless | Decider::Policy | Decider::Nobody | Decider::Plugin(None) => "policy".to_owned(),
            Decider::Remembered | Decider::User | Decider::Yes => "user".to_owned(),
            Decider::Plugin(Some(plugin)) => plugin.to_string(),
        };
        let event = PermissionReplied {
            timestamp: self.clock.now_ms(),
            session_id: request.session_id.clone(),
            request: self.event(request, verdict.risk).into(),
            allowed: verdict.allowed,
            by,
            reason: verdict.reason.clone(),
            extra: serde_json::Map::new(),
        };
        self.hooks.caused_by(request.cause.iter().cloned()).permissions().replied(event).await;
    }

    fn note(&self, text: String) {
        held(&self.notices).push(text);
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }
}

/// Nothing that holds one of these can panic halfway through a change.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn by_rule(does: &str, said: &SaidRule) -> String {
    format!("the rule `{}` in {} {does} it", said.rule, said.origin)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
