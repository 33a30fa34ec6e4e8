//! What comes out of a sandbox process: a size of chunks, and the bytes.

use super::{Inbox, Message};

/// Bytes are the same messages, and the same error, however they are torn; and a message is written as it is read.
pub(crate) fn check(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let whole = messages(bytes, bytes.len());
    let torn = messages(bytes, usize::from(*size));
    assert_eq!(whole, torn, "in chunks of {size}");
}

fn messages(bytes: &[u8], size: usize) -> (Vec<String>, Option<String>) {
    let mut inbox = Inbox::default();
    let mut found = Vec::new();
    for chunk in bytes.chunks(size.max(1)) {
        inbox.buffer().extend_from_slice(chunk);
        loop {
            match inbox.next() {
                Ok(Some(message)) => {
                    let shown = format!("{message:?}");
                    assert_eq!(again(&message), shown);
                    found.push(shown);
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }
    (found, None)
}

fn again(message: &Message<'_>) -> String {
    let mut inbox = Inbox::default();
    message.encode(inbox.buffer());
    let copy = inbox.next().expect("what was written can be read").expect("a frame is whole");
    format!("{copy:?}")
}
