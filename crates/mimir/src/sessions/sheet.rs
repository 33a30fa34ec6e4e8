use std::io::{self, Write};

use anstyle::Style;
use mimir_commands::{Theme, printable_block, wrap};

/// Lines of a window, with a mark before those that a compaction put away.
pub(super) struct Sheet<'a> {
    out: &'a mut dyn Write,
    width: usize,
    /// Whether what is written now was put away.
    pub(super) is_put_away: bool,
    /// Whether a free line must come before what is written next.
    needs_space: bool,
}

/// What stands before something that was put away.
pub(super) const GUTTER: &str = "┆";

impl<'a> Sheet<'a> {
    pub(super) fn new(out: &'a mut dyn Write, width: usize) -> Self {
        Self { out, width, is_put_away: false, needs_space: false }
    }

    /// Columns that a line has.
    pub(super) fn width(&self) -> usize {
        self.width - if self.is_put_away { 2 } else { 0 }
    }

    /// A line of at most [`width`](Self::width) columns.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        let (dim, gutter) = (Theme::DIM, if self.is_put_away { GUTTER } else { "" });
        match (self.is_put_away, line.is_empty()) {
            (true, true) => writeln!(self.out, "{dim}{gutter}{dim:#}"),
            (true, false) => writeln!(self.out, "{dim}{gutter}{dim:#} {line}"),
            (false, _) => writeln!(self.out, "{line}"),
        }
    }

    /// A free line, if something stands above that one must follow.
    pub(super) fn space(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.needs_space) {
            true => self.line(""),
            false => Ok(()),
        }
    }

    pub(super) fn needs_space(&mut self) {
        self.needs_space = true;
    }

    /// Text that somebody else wrote, in lines that begin with `mark` and are broken at words; indentation stays.
    pub(super) fn text(&mut self, mark: (&str, Style), style: Style, text: &str) -> io::Result<()> {
        let (mark, mark_style) = mark;
        let room = self.width().saturating_sub(2);
        for line in lines(text, room) {
            match (line.is_empty(), mark.trim().is_empty()) {
                (true, true) => self.line("")?,
                (true, false) => self.line(&format!("{mark_style}{mark}{mark_style:#}"))?,
                (false, _) => self.line(&format!("{mark_style}{mark}{mark_style:#} {style}{line}{style:#}"))?,
            }
        }
        Ok(())
    }

    /// Something that is told in a sentence, behind a mark.
    pub(super) fn remark(&mut self, indent: usize, mark: (&str, Style), text: &str) -> io::Result<()> {
        let (mark, style) = mark;
        let room = self.width().saturating_sub(indent + 2);
        for (index, line) in lines(text, room).iter().enumerate() {
            match index {
                0 => self.line(&format!("{:indent$}{style}{mark}{style:#} {line}", ""))?,
                _ if line.is_empty() => self.line("")?,
                _ => self.line(&format!("{:indent$}  {line}", ""))?,
            }
        }
        Ok(())
    }
}

/// Text without anything that steers a terminal, in lines of at most `width` columns, without free lines around it.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    let text = printable_block(text.trim_end());
    let lines = text.lines().skip_while(|line| line.trim().is_empty());
    let broken = lines.flat_map(|line| {
        let indent = line.len() - line.trim_start_matches(' ').len();
        // Of a window that is all indentation nothing would be left
        let indent = if indent * 2 > width { 0 } else { indent };
        wrap(line, width - indent).into_iter().map(move |line| format!("{:indent$}{line}", "").trim_end().to_owned())
    });
    broken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_shape() {
        let cases: [(&str, &[&str]); 5] = [
            ("one two three", &["one two", "three"]),
            ("\n\nfn a() {\n    b()\n}\n\n", &["fn a() {", "    b()", "}"]),
            ("    aaaa bbbb", &["    aaaa", "    bbbb"]),
            ("a\u{1b}[2Jb", &["a␛[2Jb"]),
            ("\n", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(lines(text, 9), expected, "{text:?}");
        }
    }
}
