//! A lane on the calling thread, without a socket: what the inner wall costs by itself. For benchmarks.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::image::{CallKind, PluginImage};
use crate::isolate::{compile_for_cache, engine};
use crate::lane::Lane;
use crate::message::{Inbox, Load, Message};
use crate::page::Page;
use crate::watchdog::{Alarm, LaneWatch};

/// Everything that a lane does, driven by hand.
pub struct OnThisThread {
    lane: Lane,
    inbox: Inbox,
    next_call: u64,
}

impl Default for OnThisThread {
    fn default() -> Self {
        Self::new()
    }
}

impl OnThisThread {
    /// A lane without plugins; starts V8.
    ///
    /// # Panics
    ///
    /// If the operating system refuses a page of memory or a descriptor.
    pub fn new() -> Self {
        engine::initialize();
        let page = Arc::new(Page::create().expect("a page"));
        let alarm = Alarm::new().expect("an event descriptor");
        let (socket, _) = UnixStream::pair().expect("a socket");
        let lane = Lane::new(socket, LaneWatch::of_this_thread(0, page, alarm));
        Self { lane, inbox: Inbox::default(), next_call: 0 }
    }

    /// V8's code cache for a module.
    pub fn code_cache(&self, image: &PluginImage) -> Vec<u8> {
        compile_for_cache(image.id.as_str(), &image.code).unwrap_or_default()
    }

    /// Starts a plugin under a number of the caller's choice.
    pub fn load(&mut self, plugin: u32, image: &PluginImage, code_cache: Option<&[u8]>) {
        self.lane.handle(&Message::Load(Load {
            plugin,
            name: image.id.as_str(),
            code: &image.code,
            code_cache,
            context: &image.context,
            limits: image.limits.clone(),
            wasm: image.wasm,
            restarted: false,
            guards: true,
        }));
    }

    /// Delivers an event; gives the answer, if there is one at once.
    pub fn event(&mut self, plugin: u32, name: &str, payload: &str) -> Option<String> {
        self.next_call += 1;
        let call = self.next_call;
        self.lane.handle(&Message::Call {
            plugin,
            call,
            kind: CallKind::Event,
            name,
            session: "",
            payload,
            wall_ms: 5_000,
        });
        self.lane.take_outgoing(self.inbox.buffer());
        let mut answer = None;
        while let Ok(Some(message)) = self.inbox.next() {
            if let Message::Result { call: answered, result: Ok(json), .. } = message
                && answered == call
            {
                answer = Some(json.to_owned());
            }
        }
        answer
    }

    /// Ends a plugin.
    pub fn dispose(&mut self, plugin: u32) {
        self.lane.handle(&Message::Dispose { plugin });
        self.lane.take_outgoing(self.inbox.buffer());
        while let Ok(Some(_)) = self.inbox.next() {}
    }
}
