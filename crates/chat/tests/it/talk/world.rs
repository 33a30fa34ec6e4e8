//! A conversation with everything around it played by hand.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use mimir_chat::{
    Begins, Chat, ChatPorts, ChatSettings, CommandOutcome, Commands, Conversation, Models, Parent, PluginLine, Screen,
    SessionStore, Shown, SlashCommand, Sleeper, SubTask, ToolCall, ToolOutcome, Toolbox, WeakChat,
};
use mimir_plugins::events::{Emit, Emitted, Outcome, Raised};
use mimir_plugins::{EventName, Hooks, LlmProvider, Message, PluginId};
use mimir_shared_platform::Clock;
use mimir_shared_providers::{
    ChatEvent, ChatRequest, ChatResponse, ChatStream, Content, KnownPart, Part, Price, PriceTable, ProviderError, Role,
    StopReason, ToolDefinition, Usage,
};
use serde_json::{Map, Value, json};

use super::memory::MemoryStore;

/// What a model does when it is asked.
pub(crate) enum Answer {
    /// It says this, in these pieces, and asks for these calls: id, tool, arguments.
    Says(Vec<&'static str>, Vec<(String, String, Value)>),
    /// It is done for another reason than usual.
    Stops(&'static str, StopReason),
    /// It can't be asked.
    Fails(ProviderError),
    /// It begins and breaks off.
    Breaks(&'static str),
    /// It begins and never goes on.
    Hangs(&'static str),
}

impl Answer {
    pub(crate) fn text(text: &'static str) -> Self {
        Self::Says(vec![text], Vec::new())
    }

    pub(crate) fn call(id: &str, tool: &str, args: Value) -> Self {
        Self::Says(Vec::new(), vec![(id.to_owned(), tool.to_owned(), args)])
    }
}

type Plays = dyn Fn(&ChatRequest, usize) -> Answer + Send + Sync;

/// Answers as it is told. What it says costs 10 tokens for each message that it read, and 5 for the answer.
pub(crate) struct Model {
    plays: Box<Plays>,
    pub(crate) requests: Mutex<Vec<ChatRequest>>,
    /// What `count_tokens` says, by the number of messages.
    pub(crate) tokens_a_message: AtomicU64,
}

#[async_trait]
impl LlmProvider for Model {
    fn name(&self) -> &str {
        "fake"
    }

    async fn complete(&self, _: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        panic!("conversations are streamed")
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        check_order(&request.messages);
        let number = {
            let mut requests = self.requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        tokio::task::yield_now().await;
        let (pieces, calls, stop) = match (self.plays)(request, number) {
            Answer::Fails(error) => return Err(error),
            Answer::Breaks(piece) => {
                let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                let broken = ProviderError::Transport { provider: "fake".to_owned(), source: broken.into() };
                return Ok(stream::iter([Ok(ChatEvent::Text(piece.to_owned())), Err(broken)]).boxed());
            }
            Answer::Hangs(piece) => {
                return Ok(stream::iter([Ok(ChatEvent::Text(piece.to_owned()))]).chain(stream::pending()).boxed());
            }
            Answer::Stops(text, stop) => (vec![text], Vec::new(), stop),
            Answer::Says(pieces, calls) if calls.is_empty() => (pieces, calls, StopReason::End),
            Answer::Says(pieces, calls) => (pieces, calls, StopReason::ToolCalls),
        };
        let text = pieces.concat();
        let content = if calls.is_empty() {
            Content::Text(text)
        } else {
            let said = (!text.is_empty()).then(|| KnownPart::Text { text, extra: Map::new() });
            let asks =
                calls.into_iter().map(|(id, name, args)| KnownPart::ToolCall { id, name, args, extra: Map::new() });
            Content::Parts(said.into_iter().chain(asks).map(Part::Known).collect())
        };
        let message = Message { content, ..Message::text(Role::Assistant, "") };
        let usage = Usage::new(request.messages.len() as u64 * self.tokens_a_message.load(Ordering::Relaxed), 5);
        let done = ChatEvent::Done(Box::new(ChatResponse::new(message, stop, usage, request.model.clone())));
        let pieces: Vec<_> = pieces.into_iter().map(|piece| ChatEvent::Text(piece.to_owned())).chain([done]).collect();
        let pieces = stream::iter(pieces).then(|piece| async {
            tokio::task::yield_now().await;
            Ok(piece)
        });
        Ok(pieces.boxed())
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        Ok(request.messages.len() as u64 * self.tokens_a_message.load(Ordering::Relaxed))
    }
}

/// What every model's API insists on.
fn check_order(messages: &[Message]) {
    let mut open: Vec<String> = Vec::new();
    let mut seen = false;
    for message in messages {
        if message.role == Role::Tool {
            let id = answers(message);
            assert_eq!(open.first(), Some(&id), "results stand in the order of their calls: {messages:#?}");
            open.remove(0);
            continue;
        }
        assert!(open.is_empty(), "the calls {open:?} have no result: {messages:#?}");
        assert!(message.role == Role::System || message.role == Role::User || seen, "a person speaks first");
        seen |= message.role != Role::System;
        open = asks(message);
    }
    assert!(open.is_empty(), "the calls {open:?} have no result");
}

/// The ids of the calls that a message asks for.
pub(crate) fn asks(message: &Message) -> Vec<String> {
    let Content::Parts(parts) = &message.content else { return Vec::new() };
    let ids = parts.iter().filter_map(|part| match part {
        Part::Known(KnownPart::ToolCall { id, .. }) => Some(id.clone()),
        _ => None,
    });
    ids.collect()
}

/// The id of the call that a message answers.
pub(crate) fn answers(message: &Message) -> String {
    match &message.content {
        Content::Parts(parts) => match parts.as_slice() {
            [Part::Known(KnownPart::ToolResult { call_id, .. })] => call_id.clone(),
            _ => panic!("one result a message"),
        },
        Content::Text(_) => panic!("a result is no text"),
    }
}

/// What a message says, in a line.
pub(crate) fn line(message: &Message) -> String {
    let mut line = match &message.role {
        Role::System => "system:",
        Role::User => "user:",
        Role::Assistant => "assistant:",
        Role::Tool => "tool:",
        Role::Other(_) => "other:",
    }
    .to_owned();
    match &message.content {
        Content::Text(text) => write!(line, " {text}").unwrap(),
        Content::Parts(parts) => {
            for part in parts {
                match part {
                    Part::Known(KnownPart::Text { text, .. }) => write!(line, " {text}").unwrap(),
                    Part::Known(KnownPart::ToolCall { id, name, .. }) => write!(line, " {name}({id})").unwrap(),
                    Part::Known(KnownPart::ToolResult { call_id, result, is_error, .. }) => {
                        let failed = if *is_error { "!" } else { "" };
                        let result = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
                        write!(line, " {call_id}{failed}={result}").unwrap();
                    }
                    Part::Other(_) => line.push_str(" ?"),
                }
            }
        }
    }
    line
}

/// The tools: `read` and `list` only read, `bash` does not, `hang` never ends, `task` starts a sub-agent. The permission for
/// `ask` is never given, that for `forbidden` is refused.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) runs: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    chat: Mutex<Option<WeakChat>>,
    pub(crate) result: Mutex<Option<Value>>,
}

#[async_trait]
impl Toolbox for Tools {
    async fn definitions<'a>(&self, _: Option<&'a str>) -> Vec<ToolDefinition> {
        let names = ["read", "list", "bash", "hang", "task", "ask", "forbidden"];
        let definition = |name: &str| ToolDefinition {
            name: name.to_owned(),
            description: String::new(),
            input_schema: json!({"type": "object"}),
        };
        names.map(definition).into()
    }

    fn only_reads(&self, tool: &str) -> bool {
        matches!(tool, "read" | "list")
    }

    async fn run<'a>(
        &self,
        session_id: &'a str,
        agent_id: Option<&'a str>,
        call: &'a ToolCall,
        begins: Begins<'a>,
    ) -> ToolOutcome {
        let refused = |why: &str| ToolOutcome {
            result: Value::from(why),
            is_error: true,
            args: Map::new(),
            duration_ms: 0,
            remarks: Vec::new(),
        };
        tokio::task::yield_now().await;
        match call.name.as_str() {
            "ask" => std::future::pending().await,
            "forbidden" => return refused("not allowed"),
            _ => {}
        }
        if let Err(why) = begins.await {
            return refused(&why);
        }
        self.runs.lock().unwrap().push(call.id.clone());
        let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        let result = match call.name.as_str() {
            "hang" => std::future::pending().await,
            "task" => {
                let chat = self.chat.lock().unwrap().as_ref().and_then(WeakChat::upgrade).unwrap();
                let parent = Parent {
                    session_id: session_id.to_owned(),
                    agent_id: agent_id.map(str::to_owned),
                    cause: Vec::new(),
                };
                let word = |key: &str| call.args[key].as_str().unwrap_or_default().to_owned();
                let task = SubTask { role: word("role"), description: "a task".to_owned(), prompt: word("prompt") };
                chat.run_agent(parent, task).await.map_err(Value::from)
            }
            name => {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                Ok(self.result.lock().unwrap().clone().unwrap_or_else(|| Value::from(format!("{name} ran"))))
            }
        };
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        let is_error = result.is_err();
        let result = result.unwrap_or_else(|error| error);
        ToolOutcome { result, is_error, args: Map::new(), duration_ms: 1, remarks: Vec::new() }
    }
}

type Replies = dyn Fn(EventName, &Value) -> Option<Reply> + Send + Sync;

/// What the plugins say to an event.
pub(crate) enum Reply {
    Blocks(&'static str),
    Changes(Value),
    /// No answer, ever.
    Hangs,
}

/// The plugins.
#[derive(Default)]
pub(crate) struct Plugins {
    pub(crate) seen: Mutex<Vec<(EventName, Value)>>,
    pub(crate) replies: Mutex<Option<Arc<Replies>>>,
}

#[async_trait]
impl Emit for Plugins {
    async fn emit(&self, event: Raised) -> Emitted {
        let payload: Value = serde_json::from_str(&event.payload).unwrap();
        self.seen.lock().unwrap().push((event.event, payload.clone()));
        tokio::task::yield_now().await;
        let replies = self.replies.lock().unwrap().clone();
        let reply = replies.and_then(|replies| replies(event.event, &payload));
        let guard = PluginId::new("guard").ok();
        match reply {
            None => Emitted {
                outcome: Outcome::Passed,
                by: None,
                changed_by: Vec::new(),
                reason: None,
                payload: event.payload,
            },
            Some(Reply::Blocks(reason)) => Emitted {
                outcome: Outcome::Blocked,
                by: guard,
                changed_by: Vec::new(),
                reason: Some(reason.to_owned()),
                payload: event.payload,
            },
            Some(Reply::Changes(new)) => Emitted {
                outcome: Outcome::Changed,
                by: guard.clone(),
                changed_by: guard.into_iter().collect(),
                reason: None,
                payload: new.to_string().into(),
            },
            Some(Reply::Hangs) => std::future::pending().await,
        }
    }

    fn emit_background(&self, event: Raised) {
        self.seen.lock().unwrap().push((event.event, serde_json::from_str(&event.payload).unwrap()));
    }
}

/// The screen: a line for everything.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<String>>);

impl Screen for Lines {
    fn show(&self, shown: Shown<'_>) {
        let by = |agent: Option<&str>| if agent.is_some() { "agent " } else { "" };
        let line = match shown {
            Shown::Opened { is_resumed, messages, .. } => format!("opened {is_resumed} {messages}"),
            Shown::OutcomeUnknown { call } => format!("unknown {}", call.id),
            Shown::NotRun { call } => format!("not run {}", call.id),
            Shown::User { text } => format!("user {text}"),
            Shown::Asking { agent_id, model } => format!("{}asking {model}", by(agent_id)),
            Shown::Text { agent_id, piece } => format!("{}text {piece}", by(agent_id)),
            Shown::Answered { agent_id, text } => format!("{}answered {text}", by(agent_id)),
            Shown::Retry { attempt, wait, why } => format!("retry {attempt} after {} ms: {why}", wait.as_millis()),
            Shown::Blocked { reason, .. } => format!("blocked {reason}"),
            Shown::ToolStarted { agent_id, call } => format!("{}started {}", by(agent_id), call.id),
            Shown::ToolEnded { agent_id, call, .. } => format!("{}ended {}", by(agent_id), call.id),
            Shown::AgentStarted { agent } => format!("agent begins: {}", agent.role),
            Shown::AgentEnded { error, .. } => format!("agent ends: {}", error.unwrap_or("done")),
            Shown::Compacting { .. } => "compacting".to_owned(),
            Shown::Compacted { before, after } => format!("compacted {before} {after}"),
            Shown::Cost { cost, totals } => format!("cost {cost:.3} {:.3}", totals.session),
            Shown::Budget { limit, total, stops, .. } => format!("budget {limit:.3} {total:.3} {stops}"),
            Shown::Said { command, text, is_error } => format!("/{command}{} {text}", if is_error { "!" } else { "" }),
            Shown::Notice { text } => format!("notice {text}"),
            Shown::Interrupted => "interrupted".to_owned(),
            Shown::Failed { error } => format!("failed {error}"),
        };
        self.0.lock().unwrap().push(line);
    }
}

/// Models can be asked if they are fake.
struct Known;

impl Models for Known {
    fn check(&self, model: &str) -> Result<(), String> {
        if model.starts_with("fake/") {
            Ok(())
        } else {
            Err(format!("there is no {model}: did you mean fake/{model}?"))
        }
    }
}

/// Slash commands from outside: `review` and `note`.
pub(crate) struct Outside;

#[async_trait]
impl Commands for Outside {
    async fn list(&self) -> Vec<SlashCommand> {
        let command = |name: &str, aliases: &[&str]| SlashCommand {
            name: name.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            description: format!("Does {name}"),
            usage: None,
            origin: "the plugin guard".to_owned(),
        };
        vec![command("review", &["rv"]), command("note", &[]), command("undo", &[])]
    }

    async fn run(&self, _: &str, name: &str, arguments: &str) -> Option<Result<CommandOutcome, String>> {
        match name {
            "review" | "rv" => Some(Ok(CommandOutcome::Prompt(format!("review {arguments} well")))),
            "note" if arguments.is_empty() => Some(Err("what?".to_owned())),
            "note" => Some(Ok(CommandOutcome::Say(format!("noted {arguments}")))),
            "slow" => std::future::pending().await,
            _ => None,
        }
    }

    async fn plugins(&self) -> Vec<PluginLine> {
        let plugin = |did: &[&str]| PluginLine {
            name: "guard".to_owned(),
            version: Some("1.0.0".to_owned()),
            state: "active".to_owned(),
            did: did.iter().map(|&did| did.to_owned()).collect(),
        };
        vec![plugin(&["blocked 2 calls"]), plugin(&[])]
    }
}

#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Default)]
pub(crate) struct Waits(pub(crate) Mutex<Vec<Duration>>);

#[async_trait]
impl Sleeper for Waits {
    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
        if duration > Duration::from_secs(100) {
            std::future::pending::<()>().await;
        }
    }
}

/// Everything around a conversation.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) model: Arc<Model>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) screen: Arc<Lines>,
    pub(crate) waits: Arc<Waits>,
    pub(crate) settings: ChatSettings,
    clock: Arc<Ticks>,
}

impl World {
    /// A world whose model answers by `plays`, which gets the request and how many came before.
    pub(crate) fn new(plays: impl Fn(&ChatRequest, usize) -> Answer + Send + Sync + 'static) -> Self {
        let model = Model { plays: Box::new(plays), requests: Mutex::default(), tokens_a_message: AtomicU64::new(10) };
        Self {
            store: Arc::default(),
            model: Arc::new(model),
            tools: Arc::default(),
            plugins: Arc::default(),
            screen: Arc::default(),
            waits: Arc::default(),
            settings: ChatSettings { model: "fake/m".to_owned(), ..ChatSettings::default() },
            clock: Arc::default(),
        }
    }

    /// A world whose model gives these answers, one after the other.
    pub(crate) fn playing(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Option<Answer>> = answers.into_iter().map(Some).collect();
        let answers = Mutex::new(answers);
        Self::new(move |_, number| {
            let answer = answers.lock().unwrap().get_mut(number).and_then(Option::take);
            answer.unwrap_or_else(|| panic!("the model is asked {number} times"))
        })
    }

    #[must_use]
    pub(crate) fn with(mut self, change: impl FnOnce(&mut ChatSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Plugins that answer events.
    pub(crate) fn on(&self, replies: impl Fn(EventName, &Value) -> Option<Reply> + Send + Sync + 'static) {
        *self.plugins.replies.lock().unwrap() = Some(Arc::new(replies));
    }

    /// A process: the store lasts, all else begins anew.
    pub(crate) fn chat(&self) -> Chat {
        self.store.restart();
        self.chat_on(Arc::clone(&self.store) as _)
    }

    /// The same over another store.
    pub(crate) fn chat_on(&self, store: Arc<dyn SessionStore>) -> Chat {
        // A million tokens cost a thousand dollars, so that one costs a tenth of a cent
        let mut prices = PriceTable::default();
        let price = Price { input: 1_000.0, output: 1_000.0, cache_read: None, cache_write: None, long_prompt: None };
        prices.insert("m", price);
        let ports = ChatPorts {
            store,
            provider: Arc::clone(&self.model) as _,
            models: Arc::new(Known),
            prices: Arc::new(prices),
            toolbox: Arc::clone(&self.tools) as _,
            commands: Arc::new(Outside),
            screen: Arc::clone(&self.screen) as _,
            hooks: Hooks::new(Arc::clone(&self.plugins) as _),
            clock: Arc::clone(&self.clock) as _,
            sleeper: Arc::clone(&self.waits) as _,
        };
        let chat = Chat::new(ports, self.settings.clone());
        *self.tools.chat.lock().unwrap() = Some(chat.downgrade());
        chat
    }

    pub(crate) async fn begin(&self) -> (Chat, Conversation) {
        let chat = self.chat();
        let conversation = chat.create("a test", None).await.unwrap();
        (chat, conversation)
    }

    /// The names of the events that plugins got, in their order.
    pub(crate) fn events(&self) -> Vec<String> {
        self.plugins.seen.lock().unwrap().iter().map(|(name, _)| name.to_string()).collect()
    }

    /// The payloads of an event.
    pub(crate) fn payloads(&self, event: EventName) -> Vec<Value> {
        let seen = self.plugins.seen.lock().unwrap();
        seen.iter().filter(|(name, _)| *name == event).map(|(_, payload)| payload.clone()).collect()
    }

    /// What was shown.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.screen.0.lock().unwrap().clone()
    }

    /// The main conversation as it is stored, a line a message.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.store.messages("s1", None).iter().map(line).collect()
    }

    /// What was sent with a request, a line a message.
    pub(crate) fn sent(&self, number: usize) -> Vec<String> {
        self.model.requests.lock().unwrap()[number].messages.iter().map(line).collect()
    }

    /// How often each call ran.
    pub(crate) fn runs(&self) -> HashMap<String, usize> {
        let mut runs = HashMap::new();
        for id in self.tools.runs.lock().unwrap().iter() {
            *runs.entry(id.clone()).or_default() += 1;
        }
        runs
    }
}
