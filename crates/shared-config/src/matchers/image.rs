use super::Glob;

const HUB: &str = "docker.io";

/// The full name of an image, as `docker run` understands a short one: `node`, `node:latest` and
/// `docker.io/library/node:latest` are all the last. Nothing if the text is no name of an image.
///
/// After <https://github.com/distribution/reference>, but for the short names that the engine would take for an image's
/// identifier: those it never sees, since it is asked for the full name.
pub fn normal_image(text: &str) -> Option<String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (domain, path) = domain_and_path(rest);
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (path.as_str(), None),
    };
    let is_whole = is_domain(&domain)
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
        && text.len() <= 512;
    is_whole.then(|| match (tag, digest) {
        (None, None) => format!("{domain}/{path}:latest"),
        (Some(tag), None) => format!("{domain}/{path}:{tag}"),
        (None, Some(digest)) => format!("{domain}/{path}@{digest}"),
        (Some(tag), Some(digest)) => format!("{domain}/{path}:{tag}@{digest}"),
    })
}

/// A pattern for full names, from one that is written as short as an image's name may be. One that ends with `*` leaves
/// the tag open, and `*` alone is any image of any registry.
pub(crate) fn image_glob(pattern: &str) -> Glob {
    if pattern.chars().all(|c| c == '*') {
        return Glob::new(pattern);
    }
    let (domain, path) = domain_and_path(pattern);
    let last = path.rsplit('/').next().unwrap_or_default();
    let has_tag = last.contains([':', '@']) || last.ends_with('*');
    Glob::new(&format!("{domain}/{path}{}", if has_tag { "" } else { ":latest" }))
}

pub(crate) fn is_image_allowed(images: &[String], image: &str) -> bool {
    normal_image(image).is_some_and(|image| images.iter().any(|pattern| image_glob(pattern).matches(&image)))
}

/// What is before the first slash is a registry only if it cannot be a user of Docker Hub.
fn domain_and_path(text: &str) -> (String, String) {
    let (domain, path) = match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (HUB, text),
    };
    let domain = if domain == "index.docker.io" { HUB } else { domain };
    let path = if domain == HUB && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
    (domain.to_owned(), path)
}

fn is_domain(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Small letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let between = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.bytes().next().is_some_and(is_letter)
        && text.bytes().last().is_some_and(is_letter)
        && between.into_iter().all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
        && text.len() <= 128
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_becomes_a_full_one() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let check = |text: &str, expected: Option<&str>| assert_eq!(normal_image(text).as_deref(), expected, "{text}");
        check("node", Some("docker.io/library/node:latest"));
        check("node:22-alpine", Some("docker.io/library/node:22-alpine"));
        check("docker.io/node", Some("docker.io/library/node:latest"));
        check("index.docker.io/library/node:22", Some("docker.io/library/node:22"));
        check("user/tool", Some("docker.io/user/tool:latest"));
        check("ghcr.io/a/b/c:1", Some("ghcr.io/a/b/c:1"));
        check("localhost:5000/x", Some("localhost:5000/x:latest"));
        check("localhost/x", Some("localhost/x:latest"));
        check(&format!("node@{digest}"), Some(&format!("docker.io/library/node@{digest}")));
        check(&format!("node:22@{digest}"), Some(&format!("docker.io/library/node:22@{digest}")));
        for wrong in [
            "",
            " ",
            "Node",
            "node:",
            ":22",
            "node@",
            "node@sha256:12",
            "node@sha512:x",
            "-node",
            "node-",
            "no..de",
            "a/../b",
            "a//b",
            "/node",
            "node/",
            "node:2 2",
            "node\n",
            "node:22?x=1",
            "node:22#",
            "ex.com:port/x",
            "ex.com:99999/x",
            "*",
            "nodé",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_pattern_means_what_its_short_name_means() {
        let check = |pattern: &str, image: &str, expected: bool| {
            assert_eq!(is_image_allowed(&[pattern.to_owned()], image), expected, "{pattern} on {image}");
        };
        check("node", "docker.io/library/node:latest", true);
        check("docker.io/library/node:latest", "node", true);
        check("node", "node:22", false);
        check("node", "evil/node", false);
        check("node", "ghcr.io/library/node", false);
        check("node", "docker.io.evil.test/library/node", false);
        check("node:*", "node:22", true);
        check("node:*", "evil/node:22", false);
        check("node:*", "node.evil.test/x:22", false);
        check("node*", "nodeevil/x", false);
        check("node:22", &format!("node:22@sha256:{}", "0".repeat(64)), false);
        check("ghcr.io/example/*", "ghcr.io/example/tool:1", true);
        check("ghcr.io/example/*", "ghcr.io/example.evil/tool:1", false);
        check("example/*", "docker.io/example/tool:1", true);
        check("*/node", "evil/node", true);
        check("*/node", "ghcr.io/evil/node", false);
        check("*", "ghcr.io/evil/node:1", true);
        check("*", "no image", false);
    }
}
