use crate::number::grouped;

/// Dollars, with as many digits as say something.
pub(super) fn dollars(cost: f64) -> String {
    match cost {
        0.0 => "–".to_owned(),
        cost if cost < 1.0 => format!("${cost:.4}"),
        cost => format!("${cost:.2}"),
    }
}

/// A count of something, with its name.
pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// How long something took.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        #[allow(clippy::cast_precision_loss, reason = "one digit is shown")]
        ms => format!("{:.1} s", ms as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (cost, expected) in [(0.0, "–"), (0.000_21, "$0.0002"), (0.5, "$0.5000"), (12.345, "$12.35")] {
            assert_eq!(dollars(cost), expected);
        }
        for (number, expected) in [(0, "0 turns"), (1, "1 turn"), (1_234_567, "1,234,567 turns")] {
            assert_eq!(counted(number, "turn"), expected);
        }
        assert_eq!((duration(999), duration(1_500)), ("999 ms".to_owned(), "1.5 s".to_owned()));
    }
}
