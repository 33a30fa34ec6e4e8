//! A bus with a policy whose answers are easy to write, and a reporter that remembers.

use std::sync::Arc;
use std::time::Duration;

use mimir_registry::{
    AnswerPolicy, ClosedEffect, Delivery, Emission, Envelope, EventBus, Failure, FailureKind, InMemoryStates,
    InvalidAnswer, Judgement, Mode, Notice, PluginRegistry, PluginState, Registration, Reply, Reporter, StateStore,
    Subscriber, Subscription, SubscriptionId, Verdict,
};
use mimir_shared_config::{EventName, PluginId};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub(crate) const BEFORE: EventName = EventName::ToolExecuteBefore;
pub(crate) const ASK: EventName = EventName::PermissionAsk;
pub(crate) const IDLE: EventName = EventName::SessionIdle;

pub(crate) fn id(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}

pub(crate) fn event(name: EventName, payload: &str) -> Envelope {
    Envelope::new(name, payload, "s1")
}

/// `"add x"` adds to the payload, `"block x"` blocks, `"allow"`, `"deny"`; anything else is a wrong answer.
struct Policy;

impl AnswerPolicy for Policy {
    fn mode(&self, event: EventName) -> Mode {
        if event == BEFORE { Mode::Sequential } else { Mode::Parallel }
    }

    fn waits(&self, event: EventName) -> bool {
        event != IDLE
    }

    fn on_closed_failure(&self, event: EventName) -> ClosedEffect {
        match event {
            BEFORE => ClosedEffect::Blocks,
            ASK => ClosedEffect::Denies,
            _ => ClosedEffect::Nothing,
        }
    }

    fn judge(&self, _: &PluginId, envelope: &Envelope, reply: Reply) -> Result<Judgement, InvalidAnswer> {
        let text = match reply {
            Reply::Returned { value: None, .. } => return Ok(Verdict::Passed.into()),
            Reply::Returned { value: Some(Value::String(text)), .. } => text,
            Reply::Returned { value: Some(other), .. } => return Err(InvalidAnswer::Wrong(format!("wrong: {other}"))),
            Reply::Threw { message, .. } => return Err(InvalidAnswer::Threw(format!("it threw: {message}"))),
        };
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let verdict = match word {
            "add" => Verdict::Changed { payload: format!("{}{rest}", envelope.payload).into(), reason: None },
            "block" => Verdict::Blocked { reason: rest.to_owned() },
            "allow" => Verdict::Approved { reason: None },
            "deny" => Verdict::Denied { reason: None },
            "overreach" => return Ok(Judgement { verdict: Verdict::Passed, notice: Some("not obeyed".to_owned()) }),
            _ => panic!("cannot judge {text}"),
        };
        Ok(verdict.into())
    }
}

/// Remembers what it is told, as text.
#[derive(Default)]
struct Told {
    notices: Mutex<Vec<String>>,
    emitted: Mutex<Vec<String>>,
    ways: Mutex<Vec<String>>,
}

impl Reporter for Told {
    fn notice(&self, notice: &Notice) {
        self.notices.lock().push(notice.to_string());
    }

    fn begun(&self, envelope: &Envelope) {
        self.ways.lock().push(format!("{} begun", envelope.number));
    }

    fn dropped(&self, envelope: &Envelope) {
        self.ways.lock().push(format!("{} dropped", envelope.number));
    }

    fn emitted(&self, envelope: &Envelope, emission: &Emission) {
        self.ways.lock().push(format!("{} over", envelope.number));
        self.emitted.lock().push(format!("{} {}", envelope.name, emission.outcome));
    }
}

/// A bus, its registry, and what was reported.
pub(crate) struct Setup {
    pub(crate) bus: EventBus,
    pub(crate) registry: Arc<PluginRegistry>,
    told: Arc<Told>,
    quarantine_after: u32,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with_states(Arc::new(InMemoryStates::default()))
    }

    pub(crate) fn with_states(states: Arc<dyn StateStore>) -> Self {
        Self::with(states, 3)
    }

    pub(crate) fn with(states: Arc<dyn StateStore>, quarantine_after: u32) -> Self {
        let told = Arc::new(Told::default());
        let reporter: Arc<dyn Reporter> = told.clone();
        let registry = Arc::new(PluginRegistry::new(states, Arc::clone(&reporter)));
        Self { bus: EventBus::new(Arc::new(Policy), Arc::clone(&registry), reporter), registry, told, quarantine_after }
    }

    /// Registers an active plugin and subscribes it to everything.
    pub(crate) async fn plugin(&self, name: &str, subscriber: Arc<dyn Subscriber>) -> SubscriptionId {
        self.subscribed(Subscription::plugin(id(name), EventName::ALL), subscriber).await
    }

    /// Registers an active plugin with a subscription of its own.
    pub(crate) async fn subscribed(&self, plugin: Subscription, subscriber: Arc<dyn Subscriber>) -> SubscriptionId {
        let registration = Registration {
            name: plugin.name.clone(),
            version: "1.0.0".to_owned(),
            state: PluginState::Active,
            quarantine_after: self.quarantine_after,
        };
        self.registry.register(registration).await.unwrap();
        self.bus.subscribe(plugin, subscriber)
    }

    /// Emits and gives the outcome with its reason, the answers and the payload, as text.
    pub(crate) async fn emit(&self, event: Envelope) -> String {
        text(&self.bus.emit(event).await)
    }

    /// The notices since the last call.
    pub(crate) fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.told.notices.lock())
    }

    /// How each emission went on since the last call.
    pub(crate) fn ways(&self) -> Vec<String> {
        std::mem::take(&mut self.told.ways.lock())
    }

    /// The emissions that were reported since the last call.
    pub(crate) fn emitted(&self) -> Vec<String> {
        std::mem::take(&mut self.told.emitted.lock())
    }
}

/// `outcome by plugin (reason): a passed, b blocked = payload`.
pub(crate) fn text(emission: &Emission) -> String {
    let mut text = emission.outcome.to_string();
    if let Some(by) = &emission.by {
        text += &format!(" by {by}");
    }
    if let Some(reason) = &emission.reason {
        text += &format!(" ({reason})");
    }
    let answers: Vec<_> =
        emission.answers.iter().map(|answer| format!("{} {}", answer.plugin, answer.outcome)).collect();
    format!("{text}: {} = {}", answers.join(", "), emission.payload)
}

/// Answers every event the same way: what the policy reads, `nothing`, `throw x`, or the name of a failure.
pub(crate) fn says(answer: &'static str) -> Arc<dyn Subscriber> {
    mimir_registry::subscriber_fn(move |_| async move { reply(answer) })
}

/// Gives these answers, one an event, then nothing.
pub(crate) fn says_in_turn(answers: &[&'static str]) -> Arc<dyn Subscriber> {
    let answers = Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>());
    mimir_registry::subscriber_fn(move |_| {
        let answer = answers.lock().pop().unwrap_or("nothing");
        async move { reply(answer) }
    })
}

fn reply(answer: &'static str) -> Result<Reply, Failure> {
    let failed = |kind, message: &str| Err(Failure::new(kind, message));
    match answer {
        "nothing" => Ok(Reply::NOTHING),
        "number" => Ok(Reply::value(json!(5))),
        "cpu" => failed(FailureKind::Cpu, "it used more than 100 ms of CPU time"),
        "crashed" => failed(FailureKind::Crashed, "it brought its process down"),
        "lost" => failed(FailureKind::Lost, "its process was killed"),
        "interrupted" => failed(FailureKind::Interrupted, "interrupted"),
        "panic" => panic!("a bug"),
        _ => match answer.strip_prefix("throw ") {
            Some(message) => Ok(Reply::Threw { message: message.to_owned(), stack: None }),
            None => Ok(Reply::value(json!(answer))),
        },
    }
}

/// Never answers.
pub(crate) fn hangs() -> Arc<dyn Subscriber> {
    mimir_registry::subscriber_fn(|_| std::future::pending())
}

/// A measured answer.
pub(crate) struct Measured;

#[async_trait::async_trait]
impl Subscriber for Measured {
    async fn deliver(&self, _: &Envelope) -> Delivery {
        let (elapsed, cpu) = (Duration::from_millis(7), Duration::from_millis(2));
        Delivery { reply: Ok(Reply::NOTHING), elapsed, cpu, heap_peak: 1 << 20 }
    }
}
