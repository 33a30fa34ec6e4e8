use mimir_commands::day_and_hour;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long ago something was; its day (UTC) if that is more than a week, or if the clock was set back since.
pub(super) fn ago(then: u64, now: u64) -> String {
    let several = |count: u64, what: &str| format!("{count} {what}{} ago", if count == 1 { "" } else { "s" });
    match now.checked_sub(then) {
        Some(ms) if ms < MINUTE => "just now".to_owned(),
        Some(ms) if ms < HOUR => several(ms / MINUTE, "minute"),
        Some(ms) if ms < DAY => several(ms / HOUR, "hour"),
        Some(ms) if ms < 7 * DAY => several(ms / DAY, "day"),
        _ => day_and_hour(then).0,
    }
}

/// The day and the minute, UTC.
pub(super) fn minute(ms: u64) -> String {
    let (day, hour) = day_and_hour(ms);
    format!("{day} {} UTC", &hour[..5])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        const NOW: u64 = 1_767_603_600_000;
        let cases = [
            (0, "just now"),
            (59_999, "just now"),
            (MINUTE, "1 minute ago"),
            (HOUR - 1, "59 minutes ago"),
            (3 * HOUR, "3 hours ago"),
            (DAY, "1 day ago"),
            (7 * DAY - 1, "6 days ago"),
            (7 * DAY, "2025-12-29"),
            (NOW, "1970-01-01"),
        ];
        for (before, expected) in cases {
            assert_eq!(ago(NOW - before, NOW), expected);
        }
        assert_eq!(ago(NOW + 1, NOW), "2026-01-05");
        assert_eq!(minute(NOW), "2026-01-05 09:00 UTC");
    }
}
