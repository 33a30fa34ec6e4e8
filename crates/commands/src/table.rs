use anstyle::Style;

use crate::Theme;
use crate::text::{char_width, display_width, printable};

/// A table without lines: a heading, two spaces between columns, and never wider than the window.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// One column of a [`Table`].
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Where its text stands.
    pub align: Align,
    /// What happens where the window is too narrow.
    pub fit: Fit,
}

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// At the right, as numbers do.
    Right,
}

/// What happens to a column where the window is too narrow. Columns that wrap give way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It keeps its width as long as anything else can give way.
    Keep,
    /// It is cut, with an ellipsis, down to this many columns.
    Cut(usize),
    /// It goes on in the next line, down to this many columns.
    Wrap(usize),
}

/// One cell of a [`Table`]: one line of text, made printable, in one style.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in the default style.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, Theme::PLAIN)
    }

    /// A cell in this style.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: printable(text.as_ref()), style }
    }
}

/// Spaces between two columns.
const GAP: usize = 2;
/// No column is made narrower than this.
const NARROWEST: usize = 3;

impl Table {
    /// A table without rows.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; it must have as many cells as there are columns.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The table's lines, each ended, at most `width` columns wide (as far as three columns a cell allow).
    pub fn render(&self, width: usize) -> String {
        let widths = self.widths(width);
        let mut out = String::new();
        let heading: Vec<_> = self.columns.iter().map(|column| Cell::styled(column.title, Theme::DIM)).collect();
        self.line(&mut out, &heading, &widths);
        for row in &self.rows {
            self.line(&mut out, row, &widths);
        }
        out
    }

    fn widths(&self, width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|index| {
                let cells = self.rows.iter().map(|row| display_width(&row[index].text));
                cells.max().unwrap_or(0).max(display_width(self.columns[index].title))
            })
            .collect();
        let gaps = GAP * self.columns.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        let natural = widths.clone();
        let floors: [&dyn Fn(usize, Fit) -> usize; 3] = [
            &|_, fit| if let Fit::Wrap(least) = fit { least } else { usize::MAX },
            &|_, fit| match fit {
                Fit::Wrap(least) | Fit::Cut(least) => least,
                Fit::Keep => usize::MAX,
            },
            &|_, _| NARROWEST,
        ];
        for floor in floors {
            while excess > 0 {
                let widest = (0..widths.len())
                    .filter(|&index| widths[index] > floor(natural[index], self.columns[index].fit).min(natural[index]))
                    .max_by_key(|&index| widths[index]);
                let Some(index) = widest else { break };
                widths[index] -= 1;
                excess -= 1;
            }
        }
        widths
    }

    fn line(&self, out: &mut String, cells: &[Cell], widths: &[usize]) {
        let wrapped: Vec<Vec<String>> = cells
            .iter()
            .zip(&self.columns)
            .zip(widths)
            .map(|((cell, column), &width)| match column.fit {
                Fit::Wrap(_) => wrap(&cell.text, width),
                _ => vec![cut(&cell.text, width)],
            })
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for index in 0..height {
            let mut line = String::new();
            let mut pending = 0;
            for (column, (lines, &width)) in wrapped.iter().zip(widths).enumerate() {
                let text = lines.get(index).map_or("", String::as_str);
                let pad = width.saturating_sub(display_width(text));
                if self.columns[column].align == Align::Right {
                    pending += pad;
                }
                if !text.is_empty() {
                    let style = cells[column].style;
                    line.push_str(&format!("{:pending$}{style}{text}{style:#}", ""));
                    pending = 0;
                }
                pending += if self.columns[column].align == Align::Left { pad } else { 0 } + GAP;
            }
            out.push_str(&line);
            out.push('\n');
        }
    }
}

/// The text, at most `width` columns wide, with an ellipsis where it was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        if used + char_width(c) + 1 > width {
            break;
        }
        used += char_width(c);
        out.push(c);
    }
    out.push('…');
    out
}

/// The text in lines of at most `width` columns, broken at spaces where there are any, but not at no-break spaces.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word_width = display_width(word);
        if used > 0 && used + 1 + word_width > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used > 0 && used + char_width(c) > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += char_width(c);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    // It has done its work, and would not do it where it is pasted
    lines.into_iter().map(|line| line.replace('\u{a0}', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &Table, width: usize) -> String {
        let styled = table.render(width);
        let mut out = String::new();
        let mut chars = styled.chars();
        while let Some(c) = chars.next() {
            if c == '\u{1b}' {
                for c in chars.by_ref() {
                    if c.is_ascii_alphabetic() {
                        break;
                    }
                }
            } else {
                out.push(c);
            }
        }
        out
    }

    fn sample() -> Table {
        let mut table = Table::new([
            Column { title: "NAME", align: Align::Left, fit: Fit::Keep },
            Column { title: "N", align: Align::Right, fit: Fit::Keep },
            Column { title: "PATH", align: Align::Left, fit: Fit::Cut(6) },
            Column { title: "NEEDS", align: Align::Left, fit: Fit::Wrap(8) },
        ]);
        table.row([Cell::new("audit"), Cell::new("12"), Cell::new("a/b/c/d/e/f/g"), Cell::new("read files, run git")]);
        table.row([Cell::new("漢字"), Cell::new("1"), Cell::new("x"), Cell::new("")]);
        table
    }

    #[test]
    fn it_fits_the_window() {
        for width in 22..60 {
            for line in plain(&sample(), width).lines() {
                assert!(display_width(line) <= width, "{width}: {line:?}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn narrow_windows_wrap_then_cut() {
        insta::assert_snapshot!(plain(&sample(), 80), @r"
        NAME    N  PATH           NEEDS
        audit  12  a/b/c/d/e/f/g  read files, run git
        漢字    1  x
        ");
        insta::assert_snapshot!(plain(&sample(), 30), @r"
        NAME    N  PATH       NEEDS
        audit  12  a/b/c/d/…  read
                              files,
                              run git
        漢字    1  x
        ");
    }
}
