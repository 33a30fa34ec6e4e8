//! Puts together what belongs together: several events are under way at once, calls end when they will, and what a plugin
//! does by itself belongs to no event.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mimir_api::{ErrorCode, RecordedCall, RecordedError, Redaction};
use mimir_registry::Envelope;
use mimir_shared_config::PluginId;
use parking_lot::Mutex;
use serde_json::Value;

use super::pieces::{Pieces, number};
use super::{RecordedEvent, Recorder, RecorderError};
use crate::report::{Report, Reports};

/// How many calls outside of any event are kept for a plugin's next one.
const LOOSE: usize = 256;

/// What is being recorded.
pub(crate) struct Tape {
    recorder: Arc<dyn Recorder>,
    redaction: Redaction,
    reports: Reports,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the next event that is to be handed over, less one.
    handed_over: u64,
    /// Events under way and those that wait for an earlier one.
    events: BTreeMap<u64, Event>,
    /// The events that each plugin has at hand.
    at_hand: HashMap<PluginId, Vec<u64>>,
    /// What each plugin did outside of any event.
    loose: HashMap<PluginId, Vec<Slot>>,
    next_slot: u64,
    is_broken: bool,
}

struct Event {
    recorded: RecordedEvent,
    slots: Vec<Slot>,
    is_over: bool,
}

/// A call, in the order in which they began.
struct Slot {
    number: u64,
    /// Nothing as long as it is under way.
    call: Option<RecordedCall>,
    /// The body of its answer, and the plugin's number of it.
    body: Option<(u64, Pieces)>,
}

/// Where a call has its place. Dropped without an answer, the call never got one.
pub(crate) struct Pending<'a> {
    tape: &'a Tape,
    slot: u64,
    call: Option<RecordedCall>,
}

impl Tape {
    pub(crate) fn new(recorder: Arc<dyn Recorder>, redaction: Redaction, reports: Reports) -> Self {
        Self { recorder, redaction, reports, state: Mutex::default() }
    }

    /// An event begins its way.
    pub(crate) fn begun(&self, envelope: &Envelope) {
        let payload = self.redaction.payload(&envelope.payload).map_or_else(|| envelope.payload.clone(), Into::into);
        let cause = envelope.cause.chain().to_vec();
        let recorded = RecordedEvent { event: envelope.name, payload, cause, calls: Vec::new() };
        self.state.lock().events.insert(envelope.number, Event { recorded, slots: Vec::new(), is_over: false });
    }

    /// It is through all plugins, or nobody waits for it any more.
    pub(crate) fn over(&self, envelope: &Envelope) {
        let mut state = self.state.lock();
        if let Some(event) = state.events.get_mut(&envelope.number) {
            event.is_over = true;
        }
        self.hand_over(&mut state, false);
    }

    /// A plugin gets an event now. What it did outside of any belongs to this one: a replay starts it here.
    pub(crate) fn delivered(&self, plugin: &PluginId, event: u64) -> AtHand<'_> {
        let mut state = self.state.lock();
        let loose = state.loose.remove(plugin).unwrap_or_default();
        if let Some(event) = state.events.get_mut(&event) {
            event.slots.extend(loose);
        }
        state.at_hand.entry(plugin.clone()).or_default().push(event);
        AtHand { tape: self, plugin: plugin.clone(), event }
    }

    /// A call begins. `event` is the number of that for which it is made: nothing if the plugin made it by itself, 0 if it
    /// was made for something else than an event, which no replay does.
    pub(crate) fn call(&self, plugin: &PluginId, event: Option<u64>, op: &str, args: &str) -> Option<Pending<'_>> {
        // What is said to the user is no answer of anything's
        if event == Some(0) || op == "log" {
            return None;
        }
        let args: Value = serde_json::from_str(args).ok()?;
        let call = RecordedCall { plugin: plugin.clone(), op: op.to_owned(), args, result: None, error: None };
        let mut state = self.state.lock();
        if state.is_broken {
            return None;
        }
        state.next_slot += 1;
        let number = state.next_slot;
        let slot = Slot { number, call: None, body: None };
        let at_hand = state.at_hand.get(plugin).and_then(|events| events.last()).copied();
        // An event that has been handed over takes no more
        let known = [event, at_hand].into_iter().flatten().find(|event| state.events.contains_key(event));
        match known.and_then(|event| state.events.get_mut(&event)) {
            Some(event) => event.slots.push(slot),
            None => {
                let loose = state.loose.entry(plugin.clone()).or_default();
                if loose.len() < LOOSE {
                    loose.push(slot);
                }
            }
        }
        Some(Pending { tape: self, slot: number, call: Some(call) })
    }

    /// Hands over what is left.
    pub(crate) fn finish(&self) {
        self.hand_over(&mut self.state.lock(), true);
    }

    fn ended(&self, slot: u64, call: Option<RecordedCall>) {
        let mut state = self.state.lock();
        match call {
            Some(call) if call.op == "fetch.read" || call.op == "fetch.cancel" => {
                let id = number(&call.op, &call.args);
                let is_it = |slot: &&mut Slot| {
                    let is_plugins = slot.call.as_ref().is_some_and(|fetch| fetch.plugin == call.plugin);
                    is_plugins && slot.body.as_ref().is_some_and(|(number, _)| Some(*number) == id)
                };
                // The latest, since numbers begin anew with an isolate
                let fetch = state.all_slots().filter(is_it).max_by_key(|slot| slot.number);
                if let (Some((_, pieces)), Some(piece)) = (fetch.and_then(|fetch| fetch.body.as_mut()), &call.result) {
                    pieces.add(piece);
                }
                state.forget(slot);
            }
            Some(call) => {
                let body = Pieces::are_to_come(&call).then(|| number(&call.op, &call.args)).flatten();
                if let Some(slot) = state.all_slots().find(|found| found.number == slot) {
                    slot.body = body.map(|number| (number, Pieces::default()));
                    slot.call = Some(call);
                }
            }
            None => state.forget(slot),
        }
        self.hand_over(&mut state, false);
    }

    /// Hands over what is complete, in order; all of it if it is the end.
    fn hand_over(&self, state: &mut State, is_end: bool) {
        while let Some(first) = state.events.first_entry() {
            let (is_next, event) = (*first.key() == state.handed_over + 1, first.get());
            let is_complete = event.is_over && event.slots.iter().all(|slot| slot.call.is_some());
            if !(is_end || (is_next && is_complete)) {
                return;
            }
            state.handed_over = *first.key();
            let Event { mut recorded, slots, .. } = first.remove();
            if state.is_broken {
                continue;
            }
            let calls = slots.into_iter().filter_map(|Slot { call, body, .. }| {
                let mut call = call?;
                if let Some((_, pieces)) = body {
                    pieces.put_into(&mut call);
                }
                Some(self.redaction.call(call))
            });
            recorded.calls = calls.collect();
            if let Err(error) = self.recorder.event(recorded) {
                state.is_broken = true;
                self.broken(&error);
            }
        }
    }

    fn broken(&self, error: &RecorderError) {
        self.reports.push(Report::not_recorded(error));
    }
}

impl State {
    fn all_slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        let in_events = self.events.values_mut().flat_map(|event| event.slots.iter_mut());
        in_events.chain(self.loose.values_mut().flatten())
    }

    fn forget(&mut self, number: u64) {
        self.events.values_mut().for_each(|event| event.slots.retain(|slot| slot.number != number));
        self.loose.values_mut().for_each(|slots| slots.retain(|slot| slot.number != number));
    }
}

/// A plugin has an event at hand until this is dropped.
pub(crate) struct AtHand<'a> {
    tape: &'a Tape,
    plugin: PluginId,
    event: u64,
}

impl Drop for AtHand<'_> {
    fn drop(&mut self) {
        let mut state = self.tape.state.lock();
        if let Some(events) = state.at_hand.get_mut(&self.plugin) {
            events.retain(|event| *event != self.event);
        }
    }
}

impl Pending<'_> {
    /// The answer, JSON text.
    pub(crate) fn answered(mut self, result: &Value) {
        if let Some(call) = self.call.take() {
            self.tape.ended(self.slot, Some(RecordedCall { result: Some(result.clone()), ..call }));
        }
    }

    /// Why there is none.
    pub(crate) fn failed(mut self, code: ErrorCode, message: &str) {
        if let Some(call) = self.call.take() {
            let error = Some(RecordedError { code, message: message.to_owned() });
            self.tape.ended(self.slot, Some(RecordedCall { error, ..call }));
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.call.is_some() {
            self.tape.ended(self.slot, None);
        }
    }
}
