//! Text that comes in pieces, broken at words as it comes.

use std::io::{self, Write};

use mimir_commands::{display_width, printable_block};

/// Breaks a stream of text into lines of a window. A word is held back until it is whole.
#[derive(Debug)]
pub(crate) struct Prose {
    width: usize,
    indent: usize,
    column: usize,
    /// Spaces that were not written, since the next word may go to the next line.
    spaces: usize,
    word: String,
    is_empty: bool,
}

impl Prose {
    /// Lines of at most `width` columns, `indent` of them empty.
    pub(crate) fn new(width: usize, indent: usize) -> Self {
        Self { width: width.max(indent + 20), indent, column: 0, spaces: 0, word: String::new(), is_empty: true }
    }

    /// Breaks at another width from here on.
    pub(crate) fn resize(&mut self, width: usize) {
        self.width = width.max(self.indent + 20);
    }

    /// Whether nothing was written since the beginning or the last [`Prose::end`].
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Writes a piece, made safe for the terminal.
    pub(crate) fn write(&mut self, out: &mut dyn Write, piece: &str) -> io::Result<()> {
        for c in printable_block(piece).chars() {
            match c {
                '\n' => {
                    self.flush_word(out)?;
                    // Nothing is shown before the first word
                    if !self.is_empty {
                        writeln!(out)?;
                    }
                    (self.column, self.spaces) = (0, 0);
                }
                ' ' => {
                    self.flush_word(out)?;
                    self.spaces += 1;
                }
                c => {
                    self.word.push(c);
                    // What has no spaces would never be shown
                    if display_width(&self.word) >= self.width - self.indent {
                        self.flush_word(out)?;
                    }
                }
            }
        }
        out.flush()
    }

    /// Ends the text and its last line.
    pub(crate) fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.flush_word(out)?;
        if self.column > 0 {
            writeln!(out)?;
        }
        (self.column, self.spaces, self.is_empty) = (0, 0, true);
        out.flush()
    }

    fn flush_word(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.word.is_empty() {
            return Ok(());
        }
        let width = display_width(&self.word);
        if self.column > 0 && self.column + self.spaces + width > self.width {
            writeln!(out)?;
            (self.column, self.spaces) = (0, 0);
        }
        if self.column == 0 {
            write!(out, "{:1$}", "", self.indent)?;
            self.column = self.indent;
        }
        write!(out, "{:1$}{2}", "", self.spaces, self.word)?;
        self.column += self.spaces + width;
        (self.spaces, self.is_empty) = (0, false);
        self.word.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    fn check(pieces: &[&str], expected: &str) {
        let mut out = Vec::new();
        let mut prose = Prose::new(24, 2);
        for piece in pieces {
            prose.write(&mut out, piece).unwrap();
        }
        prose.end(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{pieces:?}");
    }

    #[test]
    fn breaks_at_words_wherever_the_pieces_end() {
        let expected = "  one two three four\n  five six\n";
        check(&["one two three four five six"], expected);
        check(&["one tw", "o thr", "ee four ", "five", " six"], expected);
        check(&["one two three four five six\n"], expected);
        check(&["a\n\nb"], "  a\n\n  b\n");
        check(&["\n\na"], "  a\n");
        check(&["list:\n  - x\n  - y"], "  list:\n    - x\n    - y\n");
        check(&[""], "");
        check(&["x\u{1b}[2Jy"], "  x␛[2Jy\n");
        check(&["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "  aaaaaaaaaaaaaaaaaaaaaa\n  aaaaaaaaaa\n");
    }

    #[test]
    fn a_window_that_changes_is_heeded_at_once() {
        let (mut prose, mut out) = (Prose::new(30, 2), Vec::new());
        prose.write(&mut out, "one two three four five six seven ").unwrap();
        prose.resize(42);
        prose.write(&mut out, "eight nine ten eleven twelve thirteen fourteen").unwrap();
        prose.end(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  one two three four five six\n  seven eight nine ten eleven twelve\n  thirteen fourteen\n");
    }
}
