//! Lines whose continuation stands beneath what they say, not beneath its name.

use mimir_commands::{display_width, wrap};

/// The least that is left for the text beside a name, in columns.
const LEAST: usize = 20;

/// Breaks a line of `name   text` so that the text goes on beneath the text. What stands in front of a line stays.
pub(super) fn hanging(line: &str, width: usize) -> Vec<String> {
    if display_width(line) <= width {
        return vec![line.to_owned()];
    }
    let begin = line.len() - line.trim_start().len();
    let gap = line[begin..].find("  ").map(|at| begin + at);
    let text = gap.map_or(begin, |gap| line.len() - line[gap..].trim_start().len());
    let text = if display_width(&line[..text]) + LEAST <= width { text } else { 0 };
    let (head, text) = line.split_at(text);
    let indent = display_width(head);
    let lines = wrap(text, width.saturating_sub(indent));
    let lines = lines.into_iter().enumerate();
    lines.map(|(at, line)| if at == 0 { format!("{head}{line}") } else { format!("{:indent$}{line}", "") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, width: usize, expected: &[&str]) {
        assert_eq!(hanging(line, width), expected, "{line:?} in {width}");
    }

    #[test]
    fn a_text_goes_on_beneath_itself() {
        check("/cost  Shows it.", 40, &["/cost  Shows it."]);
        check(
            "/cost  Shows what was spent, or raises it.",
            30,
            &["/cost  Shows what was spent,", "       or raises it."],
        );
        check("  - words that go on and on here", 24, &["  - words that go on and", "  on here"]);
        check("/a-very-long-name-of-it  text that follows", 30, &["/a-very-long-name-of-it text", "that follows"]);
        check("one  ", 40, &["one  "]);
        check("", 40, &[""]);
        check("宽宽宽宽  宽宽宽宽宽宽宽宽宽宽宽宽宽宽", 32, &["宽宽宽宽  宽宽宽宽宽宽宽宽宽宽宽", "          宽宽宽"]);
    }
}
