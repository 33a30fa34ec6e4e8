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
    /// What has arrived. Whoever holds it handles the messages, so that they are handled in their order.
    inbox: Mutex<Inbox>,
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
        Ok(Arc::new(Self { stream: UnixStream::from_std(stream)?, unsent: Mutex::default(), inbox: Mutex::default() }))
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
        loop {
            if self.stream.readable().await.is_err() {
                return Ok(());
            }
            let attempt = self.stream.try_io(Interest::READABLE, || {
                let mut inbox = self.inbox.lock();
                let read = read(&self.stream, &mut inbox)?;
                Ok((read, handle_all(&mut inbox, &mut handle)))
            });
            match attempt {
                Ok((0, _)) => return Ok(()),
                Ok((_, handled)) => handled?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// Handles what has arrived by now, on the calling thread, without waiting for the runtime to notice. The end of the
    /// stream and nonsense are left to [`Self::receive`].
    pub(crate) fn receive_now(&self, mut handle: impl FnMut(Message<'_>)) {
        if let Some(mut inbox) = self.inbox.try_lock()
            && read(&self.stream, &mut inbox).is_ok_and(|read| read > 0)
        {
            // The inbox stays at the frame that could not be read, where the reader finds it.
            let _ = handle_all(&mut inbox, &mut handle);
        }
    }
}

/// Reads once, without waiting.
fn read(stream: &UnixStream, inbox: &mut Inbox) -> io::Result<usize> {
    let buffer = inbox.buffer();
    buffer.reserve(READ_CHUNK);
    let read = rustix::net::recv(stream, rustix::buffer::spare_capacity(buffer), rustix::net::RecvFlags::DONTWAIT)?;
    Ok(read.0)
}

fn handle_all(inbox: &mut Inbox, handle: &mut impl FnMut(Message<'_>)) -> Result<(), ProtocolError> {
    while let Some(message) = inbox.next()? {
        handle(message);
    }
    Ok(())
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
