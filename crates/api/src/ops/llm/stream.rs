use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use mimir_shared_config::PluginId;
use mimir_shared_providers::{ChatEvent, ChatRequest, ChatStream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;

use super::{ChatArgs, failed, failure, models, request, reserve, settled};
use crate::call::Call;
use crate::context::Shared;
use crate::ledger::Charge;
use crate::{ApiError, Effects, ErrorCode};

/// How many answers a plugin may have open. Each holds what it reserved.
const OPEN: usize = 8;

/// Answers of models that plugins are reading.
#[derive(Default)]
pub(crate) struct Chats {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<(PluginId, u64), Arc<AsyncMutex<OpenChat>>>,
}

/// An answer that is under way. Dropped before its end, it counts as the most that it may have cost; the call's line in
/// the audit log is written when it ends.
struct OpenChat {
    stream: ChatStream,
    charge: Option<Charge>,
    request: ChatRequest,
    call: Arc<Call>,
}

#[derive(Deserialize)]
struct ReadArgs {
    stream: u64,
}

impl Chats {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, plugin: &PluginId, id: u64) {
        let closed = self.state().open.remove(&(plugin.clone(), id));
        // Not under the lock: a line in the audit log is written
        drop(closed);
    }

    /// Gives up everything of a plugin.
    pub(crate) fn forget(&self, plugin: &PluginId) {
        let forgotten = self.state().open.extract_if(|(owner, _), _| owner == plugin).collect::<Vec<_>>();
        drop(forgotten);
    }
}

/// Asks for an answer piece by piece; gives a number to read it by.
pub(crate) async fn stream(call: &Arc<Call>) -> Result<Value, ApiError> {
    let args: ChatArgs = call.args()?;
    let (mut request, asked) = request(call, args)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    let models = models(call)?;
    let plugin = &call.plugin.id;
    let chats = &call.shared.chats;
    let _turn = call.wait(call.turn.model()).await?;
    if chats.state().open.keys().filter(|(owner, _)| owner == plugin).count() >= OPEN {
        return Err(ApiError::limit(format!("more than {OPEN} answers of models are open at once")));
    }
    let mut charge = reserve(call, models, &mut request, asked).await?;
    charge.sent();
    let stream = match models.provider.stream(&request).await {
        Ok(stream) => stream,
        Err(error) => return Err(failed(charge, &error)),
    };
    let open = OpenChat { stream, charge: Some(charge), request, call: Arc::clone(call) };
    let mut state = chats.state();
    state.next += 1;
    let id = state.next;
    state.open.insert((plugin.clone(), id), Arc::new(AsyncMutex::new(open)));
    Ok(json!({ "stream": id }))
}

/// The next piece of an answer: `{text}`, or at its end `{answer}`.
pub(crate) async fn read(shared: &Shared, plugin: &PluginId, args: &str) -> Result<Value, ApiError> {
    let id = number(args)?;
    if let Effects::Recorded(recording) = &shared.effects {
        let missing = || Err(ApiError::new(ErrorCode::NotRecorded, "this part of the answer is not in the recording"));
        return recording.answer(plugin, "llm.read", &json!({ "stream": id })).unwrap_or_else(missing);
    }
    let open = shared.chats.state().open.get(&(plugin.clone(), id)).cloned();
    let Some(open) = open else {
        return Err(ApiError::new(ErrorCode::NotFound, "this answer has ended, or was given up"));
    };
    let mut open = open.lock().await;
    let OpenChat { stream, charge, request, call } = &mut *open;
    let result = loop {
        break match stream.next().await {
            // A plugin is told of calls with the whole answer
            Some(Ok(ChatEvent::ToolCall { .. })) => continue,
            Some(Ok(ChatEvent::Text(text))) => return Ok(json!({ "text": text })),
            Some(Ok(ChatEvent::Done(response))) => match (charge.take(), &shared.ports.models) {
                (Some(charge), Some(models)) => {
                    Ok(json!({ "answer": settled(call, models, request, charge, &response) }))
                }
                _ => Err(ApiError::new(ErrorCode::Io, "this answer has ended")),
            },
            Some(Err(error)) => Err(charge.take().map_or_else(|| failure(&error), |charge| failed(charge, &error))),
            None => Err(ApiError::new(ErrorCode::Io, "the answer broke off")),
        };
    };
    shared.chats.close(plugin, id);
    result
}

/// Gives an answer up.
pub(crate) fn cancel(shared: &Shared, plugin: &PluginId, args: &str) -> Result<Value, ApiError> {
    shared.chats.close(plugin, number(args)?);
    Ok(Value::Null)
}

fn number(args: &str) -> Result<u64, ApiError> {
    let args: Result<ReadArgs, _> = serde_json::from_str(args);
    args.map(|args| args.stream).map_err(|error| ApiError::invalid(format!("llm.read: {error}")))
}
