//! The agent's end of one lane: frames out, frames in.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::error::ProtocolError;
use crate::message::{Inbox, Message};

/// How much is read at once.
const READ_CHUNK: usize = 64 << 10;

/// One lane's socket.
pub(crate) struct Link {
    stream: UnixStream,
    /// What the kernel did not take yet.
    unsent: Mutex<Unsent>,
}

#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// Whether a task is waiting to send them.
    is_flushing: bool,
}

impl Link {
    /// Takes over a socket. Must be called inside a tokio runtime.
    pub(crate) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Arc<Self>> {
        stream.set_nonblocking(true)?;
        Ok(Arc::new(Self { stream: UnixStream::from_std(stream)?, unsent: Mutex::default() }))
    }

    /// Sends a message, in the order of the calls. It is written at once where the kernel takes it, from the calling
    /// thread; a peer that went away is noticed by the reader.
    pub(crate) fn send(self: &Arc<Self>, message: &Message<'_>) {
        let mut unsent = self.unsent.lock();
        message.encode(&mut unsent.bytes);
        if unsent.is_flushing {
            return;
        }
        match write(&self.stream, &mut unsent.bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                unsent.is_flushing = true;
                let link = Arc::clone(self);
                tokio::spawn(async move { link.flush().await });
            }
            Err(_) => unsent.bytes.clear(),
        }
    }

    async fn flush(&self) {
        loop {
            if self.stream.writable().await.is_err() {
                return;
            }
            let attempt = self.stream.try_io(Interest::WRITABLE, || {
                let mut unsent = self.unsent.lock();
                write(&self.stream, &mut unsent.bytes)?;
                unsent.is_flushing = false;
                Ok(())
            });
            match attempt {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Reads until the other side ends, and hands every message to `handle`.
    pub(crate) async fn receive(&self, mut handle: impl FnMut(Message<'_>)) -> Result<(), ProtocolError> {
        let mut inbox = Inbox::default();
        loop {
            if self.stream.readable().await.is_err() {
                return Ok(());
            }
            let buffer = inbox.buffer();
            buffer.reserve(READ_CHUNK);
            match self.stream.try_read_buf(buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    while let Some(message) = inbox.next()? {
                        handle(message);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

/// Writes from the front of `bytes` what the kernel takes.
fn write(stream: &UnixStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut written = 0;
    let result = loop {
        if written == bytes.len() {
            break Ok(());
        }
        match rustix::net::send(stream, &bytes[written..], rustix::net::SendFlags::NOSIGNAL) {
            Ok(count) => written += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => break Err(error.into()),
        }
    };
    bytes.drain(..written);
    bytes.shrink_to(1 << 20);
    result
}
