use std::str::FromStr;

use super::time::day_ms;

/// Since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So many milliseconds before now.
    Ago(u64),
    /// Milliseconds since 1970.
    At(u64),
}

const FORMS: &str = "write 30s, 15m, 2h, 7d or 4w, or a date (2026-11-01), or a time (2026-11-01T09:30:00Z)";

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        ago(text).or_else(|| at(text)).ok_or_else(|| FORMS.to_owned())
    }
}

fn ago(text: &str) -> Option<Since> {
    let unit = text.chars().last()?;
    let number = number(&text[..text.len() - unit.len_utf8()])?;
    let ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Since::Ago)
}

/// A date, or a date and a time by RFC 3339. Without a zone it is in UTC.
fn at(text: &str) -> Option<Since> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let midnight = day_ms(number(year)?, number(month)?, number(day)?)?;
    let Some(time) = time else { return Some(Since::At(midnight)) };
    let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (&time[..at], &time[at..]),
        None => (time, "Z"),
    };
    let ms = midnight + clock(time)?;
    let ms = match zone.as_bytes().first()? {
        b'+' => ms.checked_sub(clock(&zone[1..])?)?,
        b'-' => ms + clock(&zone[1..])?,
        _ if zone.len() == 1 => ms,
        _ => return None,
    };
    Some(Since::At(ms))
}

/// Milliseconds of `09:30`, `09:30:00` or `09:30:00.5`.
fn clock(text: &str) -> Option<u64> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<_> = text.split(':').map(|part| (part.len() == 2).then(|| number(part)).flatten()).collect();
    let (hour, minute, second) = match parts[..] {
        [Some(hour), Some(minute)] => (hour, minute, 0),
        [Some(hour), Some(minute), Some(second)] => (hour, minute, second),
        _ => return None,
    };
    let digits: String = fraction.chars().chain("00".chars()).take(3).collect();
    let is_time = hour < 24 && minute < 60 && second <= 60 && number(fraction).is_some();
    is_time.then_some(((hour * 60 + minute) * 60 + second) * 1_000 + number(&digits)?)
}

fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_times_in_many_ways() {
        const DAY: u64 = 1_793_491_200_000;
        let cases = [
            ("30s", Some(Since::Ago(30_000))),
            ("2h", Some(Since::Ago(7_200_000))),
            ("4w", Some(Since::Ago(2_419_200_000))),
            ("2026-11-01", Some(Since::At(DAY))),
            ("2026-11-01T09:30:00Z", Some(Since::At(DAY + 34_200_000))),
            ("2026-11-01 09:30", Some(Since::At(DAY + 34_200_000))),
            ("2026-11-01T09:30:00.25+02:00", Some(Since::At(DAY + 27_000_250))),
            ("2026-11-01T09:30:00-01:30", Some(Since::At(DAY + 39_600_000))),
            ("", None),
            ("h", None),
            ("-2h", None),
            ("+2h", None),
            ("99999999999999999999h", None),
            ("2026-02-30", None),
            ("2026-1-1", None),
            ("2026-11-01T25:00", None),
            ("2026-11-01T09:30Zz", None),
            ("2026-11-01T", None),
            ("1970-01-01T00:00+01:00", None),
            ("yesterday", None),
            ("5ü", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
