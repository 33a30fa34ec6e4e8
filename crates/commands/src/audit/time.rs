//! Dates of the proleptic Gregorian calendar, in UTC: what a log needs of a calendar is too little for a library.

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// `2026-11-01` and `17:41:03.123`, in UTC, of a time in milliseconds since 1970.
pub fn day_and_hour(ms: u64) -> (String, String) {
    let (year, month, day) = civil(ms / DAY_MS);
    let (rest, second_ms) = (ms % DAY_MS / 1_000, ms % 1_000);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}.{second_ms:03}"))
}

/// Year, month and day of a day since 1970. Years begin in March here, so that the day that leaps is the last.
fn civil(day: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01; 400 years have 146,097 days
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let is_next_year = u64::from(month >= 10);
    (era * 400 + year + is_next_year, if month < 10 { month + 3 } else { month - 9 }, of_month)
}

/// Milliseconds since 1970 of the beginning of a day; nothing if there is no such day, or it is before 1970.
pub(super) fn day_ms(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)?;
    (civil(days) == (year, month, day)).then_some(days * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let mut before = (1970, 1, 0);
        for day in 0..200_000 {
            let date = civil(day);
            let (year, month, of_month) = before;
            let follows = date == (year, month, of_month + 1)
                || (date.2 == 1 && (date.0, date.1) == if month == 12 { (year + 1, 1) } else { (year, month + 1) });
            assert!(follows, "{before:?} {date:?}");
            assert_eq!(day_ms(date.0, date.1, date.2), Some(day * DAY_MS));
            before = date;
        }
        assert_eq!(day_and_hour(1_767_603_600_123), ("2026-01-05".to_owned(), "09:00:00.123".to_owned()));
        assert_eq!(day_and_hour(u64::MAX).1.len(), 12);
        for none in [(2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (1969, 12, 31)] {
            assert_eq!(day_ms(none.0, none.1, none.2), None);
        }
        assert!(day_ms(2028, 2, 29).is_some());
    }
}
