use crate::context::clipped;

/// The same in one line, without control characters and not endless: it comes from a plugin, a file or a model.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|it| !it.is_empty()).collect();
    clipped(&words.join(" "), 400).into_owned()
}

/// A number that people can read: `12,345`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount of US dollars: `$0.0123`, `$12.30`.
pub(super) fn dollars(amount: f64) -> String {
    if amount != 0.0 && amount.abs() < 1.0 { format!("${amount:.4}") } else { format!("${amount:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        for (input, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(input), expected);
        }
        for (input, expected) in [(0.0, "$0.00"), (0.012_34, "$0.0123"), (12.3, "$12.30")] {
            assert_eq!(dollars(input), expected);
        }
        assert_eq!(one_line("a\u{1b}[31m b\n\nc"), "a [31m b c");
    }
}
