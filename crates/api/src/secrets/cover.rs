use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::REDACTED;
use super::handles::SecretValue;

/// The shortest form of a secret that is looked for.
const SHORTEST: usize = 6;

/// Takes secrets out of what a server answers, in the forms in which servers repeat what they got: as it is, escaped for
/// URLs, JSON and HTML, in hexadecimal and in base64. A form that it does not know gets through, so a host that a secret
/// may be sent to has to be one that does not tell the plugin.
pub(crate) struct Cover {
    /// Longer ones first, so that what is found is the whole of it.
    forms: Vec<Vec<u8>>,
    starts: [bool; 256],
    /// The end of what came so far, as far as it may be the beginning of a secret.
    held: Vec<u8>,
}

impl Cover {
    pub(crate) fn new(secrets: &[SecretValue]) -> Self {
        let mut forms: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| forms(secret.as_str())).collect();
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        let mut starts = [false; 256];
        for form in &forms {
            starts[usize::from(form[0])] = true;
        }
        Self { forms, starts, held: Vec::new() }
    }

    /// A text without the secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        let (shown, _) = self.covered(text.as_bytes(), true);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Whether a secret stands in a text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.forms.iter().any(|form| text.windows(form.len()).any(|part| part == form))
    }

    /// The next bytes of a body. What may be the beginning of a secret is held back until more is there.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(chunk);
        let (shown, held) = self.covered(&bytes, false);
        self.held = bytes.split_off(held);
        shown
    }

    /// The end of a body.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.covered(&held, true).0
    }

    /// The bytes without the secrets, and from where on they are held back.
    fn covered(&self, bytes: &[u8], is_end: bool) -> (Vec<u8>, usize) {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            // A longer form that may still become whole counts before a shorter one that is
            let is_here = |form: &&Vec<u8>| rest.starts_with(form) || (!is_end && form.starts_with(rest));
            let may_begin = self.starts[usize::from(rest[0])];
            match self.forms.iter().find(|form| may_begin && is_here(form)) {
                Some(form) if rest.len() >= form.len() => {
                    shown.extend_from_slice(REDACTED.as_bytes());
                    at += form.len();
                }
                Some(_) => return (shown, at),
                None => {
                    shown.push(rest[0]);
                    at += 1;
                }
            }
        }
        (shown, at)
    }
}

fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let escaped = |hex: fn(u8) -> String| -> String {
        let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        bytes.iter().map(|b| if keep(*b) { char::from(*b).to_string() } else { format!("%{}", hex(*b)) }).collect()
    };
    let json = serde_json::Value::from(secret).to_string();
    let json = &json[1..json.len() - 1];
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        escaped(|b| format!("{b:02X}")),
        escaped(|b| format!("{b:02x}")),
        json.to_owned(),
        json.replace('/', "\\/"),
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        hex.to_uppercase(),
        hex,
        secret.to_lowercase(),
        secret.to_uppercase(),
    ];
    // In the middle of something longer, base64 has three ways to write it; the digits at its edges belong to others too
    for before in 0..3 {
        let shifted = [&[0; 2][..before], bytes].concat();
        let (skipped, whole) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.push(text[skipped..whole].to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t/\"value\"+42";

    fn cover() -> Cover {
        Cover::new(&[SecretValue::new(SECRET)])
    }

    #[test]
    fn covers_what_servers_repeat() {
        let check = |text: &str, expected: &str| assert_eq!(cover().text(text), expected);
        check("", "");
        check("plain", "plain");
        check(SECRET, "[removed]");
        check(&format!("a {SECRET} b {SECRET}"), "a [removed] b [removed]");
        check(&serde_json::json!({ "a": format!("Bearer {SECRET}") }).to_string(), r#"{"a":"Bearer [removed]"}"#);
        check("?t=s3cr3t%2F%22value%22%2B42&x", "?t=[removed]&x");
        check("?t=s3cr3t%2f%22value%22%2b42&x", "?t=[removed]&x");
        check("<b>s3cr3t/&quot;value&quot;+42</b>", "<b>[removed]</b>");
        check("S3CR3T/\"VALUE\"+42", "[removed]");
        let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
        check(&format!("0x{hex}"), "0x[removed]");
        for before in ["", "u", "us", "user:", "somebody:"] {
            let shown = cover().text(&STANDARD_NO_PAD.encode(format!("{before}{SECRET}")));
            assert!(shown.contains(REDACTED) && shown.len() < REDACTED.len() + 18, "{before}: {shown}");
        }
        assert!(cover().is_in(&format!("https://a.test/?{SECRET}")) && !cover().is_in("https://a.test/"));
    }

    #[test]
    fn covers_across_the_edges_of_chunks() {
        let text = format!("s3 s3cr3t {SECRET}{SECRET} s3cr3t/\"value\"+4");
        let expected = "s3 s3cr3t [removed][removed] s3cr3t/\"value\"+4";
        for size in 1..text.len() {
            let mut cover = cover();
            let mut shown = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                shown.extend(cover.push(chunk));
            }
            shown.extend(cover.finish());
            assert_eq!(String::from_utf8_lossy(&shown), expected, "{size}");
        }
    }

    #[test]
    fn holds_nothing_back_without_need() {
        assert_eq!(cover().push(b"data: 1\n\n"), b"data: 1\n\n");
        assert_eq!(cover().push(b"data: s3c"), b"data: ");
        let mut one_in_the_other = Cover::new(&[SecretValue::new("abcdefgh"), SecretValue::new("abcdefghijkl")]);
        assert_eq!(one_in_the_other.push(b"abcdefghij"), b"");
        assert_eq!(one_in_the_other.finish(), b"[removed]ij");
    }
}
