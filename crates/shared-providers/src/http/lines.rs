//! The lines of a stream of events, bounded, so that what reads the events never holds more than one of them.

use futures::stream::{self, BoxStream, Stream, StreamExt as _};

use crate::TransportError;

/// Why the lines can't be read on.
#[derive(Debug)]
pub(crate) enum Broken {
    Transport(TransportError),
    /// An event has more bytes than that.
    TooLong(usize),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::TooLong(limit) => write!(f, "an event has more than {limit} bytes"),
        }
    }
}

pub(crate) type Bytes = BoxStream<'static, Result<Vec<u8>, TransportError>>;

struct Lines {
    body: Bytes,
    buffer: Vec<u8>,
    /// Where the line that is being read begins.
    start: usize,
    /// How far it was looked through.
    seen: usize,
    /// Whether the last line ended in CR, to which a LF belongs.
    after_cr: bool,
    is_first: bool,
    is_over: bool,
    /// Bytes of the event so far.
    event: usize,
    limit: usize,
}

/// The lines of `body`, each ending in one LF: whichever line ending was sent, wherever the pieces were cut. Bytes that are
/// no UTF-8 are replaced, as the format demands, and byte order marks in front are left out. A last line without an end
/// is left out unless it says that the stream is over; then follows an empty one, which ends the last event.
pub(crate) fn lines(body: Bytes, limit: usize) -> impl Stream<Item = Result<String, Broken>> + Send {
    let lines = Lines {
        body,
        buffer: Vec::new(),
        start: 0,
        seen: 0,
        after_cr: false,
        is_first: true,
        is_over: false,
        event: 0,
        limit,
    };
    stream::unfold(lines, |mut lines| async move { lines.next().await.map(|line| (line, lines)) })
}

impl Lines {
    async fn next(&mut self) -> Option<Result<String, Broken>> {
        loop {
            if self.is_over {
                return None;
            }
            if self.after_cr && self.start < self.buffer.len() {
                self.after_cr = false;
                if self.buffer[self.start] == b'\n' {
                    self.start += 1;
                    self.seen = self.start;
                }
            }
            if let Some(at) = self.buffer[self.seen..].iter().position(|b| matches!(b, b'\n' | b'\r')) {
                let end = self.seen + at;
                return Some(self.line(end));
            }
            self.seen = self.buffer.len();
            if self.event + self.seen - self.start > self.limit {
                return Some(self.too_long());
            }
            match self.body.next().await {
                Some(Ok(piece)) => {
                    self.buffer.drain(..self.start);
                    self.seen -= self.start;
                    self.start = 0;
                    self.buffer.extend_from_slice(&piece);
                }
                Some(Err(error)) => {
                    self.is_over = true;
                    return Some(Err(Broken::Transport(error)));
                }
                None => {
                    self.is_over = true;
                    let rest = self.buffer[self.start..].trim_ascii();
                    let is_end = rest.strip_prefix(b"data:").is_some_and(|data| data.trim_ascii() == b"[DONE]");
                    return Some(Ok(if is_end { "data: [DONE]\n\n" } else { "\n" }.to_owned()));
                }
            }
        }
    }

    fn line(&mut self, end: usize) -> Result<String, Broken> {
        let mut bytes = &self.buffer[self.start..end];
        if self.is_first {
            while let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
                bytes = rest;
            }
            self.is_first = false;
        }
        self.event = if bytes.is_empty() { 0 } else { self.event + bytes.len() + 1 };
        let line = String::from_utf8_lossy(bytes).into_owned() + "\n";
        self.after_cr = self.buffer[end] == b'\r';
        self.start = end + 1;
        self.seen = self.start;
        if self.event > self.limit { self.too_long() } else { Ok(line) }
    }

    fn too_long(&mut self) -> Result<String, Broken> {
        self.is_over = true;
        Err(Broken::TooLong(self.limit))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use futures::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: Vec<Vec<u8>>, limit: usize) -> Result<Vec<String>, Broken> {
        let body = stream::iter(pieces.into_iter().map(Ok)).boxed();
        let all = lines(body, limit).collect::<Vec<_>>().now_or_never().unwrap();
        all.into_iter().collect()
    }

    fn check(text: &[u8], expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).chain(["\n".to_owned()]).collect();
        assert_eq!(read(vec![text.to_vec()], 100).unwrap(), expected);
        for at in 0..text.len() {
            let (a, b) = text.split_at(at);
            assert_eq!(read(vec![a.to_vec(), b.to_vec()], 100).unwrap(), expected, "cut at {at}");
        }
    }

    #[test]
    fn lines_end_in_one_way() {
        check(b"a\nb\r\nc\rd\n\r\ne", &["a\n", "b\n", "c\n", "d\n", "\n"]);
        check(b"\xef\xbb\xbf\xef\xbb\xbfdata: \xc3\xa9\xff\n\n", &["data: é\u{fffd}\n", "\n"]);
        check(b"\r\r\n\n", &["\n", "\n", "\n"]);
        check(b"", &[]);
        assert_eq!(read(vec![b"data: [DONE]".to_vec()], 100).unwrap(), ["data: [DONE]\n\n"]);
    }

    #[test]
    fn an_event_has_an_end() {
        let too_long = |text: &[u8]| assert!(matches!(read(vec![text.to_vec()], 10), Err(Broken::TooLong(10))));
        too_long(b"12345678901");
        too_long(b"12345678901\n");
        too_long(b"1234\n1234\n1234\n");
        assert!(read(vec![b"1234\n\n1234\n\n1234\n\n".to_vec()], 10).is_ok());
    }

    proptest! {
        #[test]
        fn where_it_is_cut_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0xc3), any::<u8>()], 0..60),
            size in 1_usize..9,
        ) {
            let whole = read(vec![bytes.clone()], 1_000).unwrap();
            prop_assert_eq!(read(bytes.chunks(size).map(<[u8]>::to_vec).collect(), 1_000).unwrap(), whole);
        }
    }
}
