//! Numbers for people.

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let numbers = [0, 7, 999, 1_000, 12_345, 1_000_000];
        assert_eq!(numbers.map(grouped), ["0", "7", "999", "1,000", "12,345", "1,000,000"]);
    }
}
