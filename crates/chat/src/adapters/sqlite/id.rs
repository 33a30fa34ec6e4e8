//! Names that people can type.

/// No vowels, so that no word comes out, and nothing that looks like something else.
const LETTERS: &[u8; 28] = b"23456789bcdfghjkmnpqrstvwxyz";
/// So many of [`LETTERS`] make 57 bits: two of a person's sessions never get the same.
const LENGTH: usize = 12;

/// A new id.
pub(super) fn new_id() -> Result<String, getrandom::Error> {
    let mut id = String::with_capacity(LENGTH);
    let mut bytes = [0; 2 * LENGTH];
    loop {
        getrandom::fill(&mut bytes)?;
        // The largest multiple of 28 in a byte: above it, some letters would come more often than others
        for byte in bytes.iter().filter(|byte| **byte < 252) {
            id.push(char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
            if id.len() == LENGTH {
                return Ok(id);
            }
        }
    }
}

/// What somebody typed, if an id may begin so: capital letters are as good as small ones.
pub(super) fn typed(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let is_beginning = (1..=LENGTH).contains(&text.len()) && text.bytes().all(|byte| LETTERS.contains(&byte));
    is_beginning.then_some(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_can_be_typed_and_differ() {
        let ids: HashSet<_> = (0..2_000).map(|_| new_id().expect("the system has random bytes")).collect();
        assert_eq!(ids.len(), 2_000);
        for id in &ids {
            assert_eq!(typed(id).as_ref(), Some(id));
        }
        let used: HashSet<_> = ids.iter().flat_map(|id| id.bytes()).collect();
        assert_eq!(used.len(), LETTERS.len());
    }

    #[test]
    fn what_is_no_beginning_of_an_id() {
        let cases = [
            (" K3F \n", Some("k3f")),
            ("2", Some("2")),
            ("", None),
            ("   ", None),
            ("a", None),
            ("k3f%", None),
            ("k3_", None),
            ("../k3", None),
            ("2222222222222", None),
            ("ü", None),
        ];
        for (text, expected) in cases {
            assert_eq!(typed(text).as_deref(), expected, "{text:?}");
        }
    }
}
