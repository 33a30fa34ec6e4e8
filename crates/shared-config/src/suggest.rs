/// The one of `known` that was probably meant, if one is spelt like it.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(written);
    let candidates = known.into_iter().filter_map(|name| {
        let distance = strsim::damerau_levenshtein(&folded, &fold(name));
        // A third of a word may be wrong, as long as one letter of short ones
        (distance <= (written.chars().count() / 3).max(1)).then_some((distance, name))
    });
    candidates.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// "did you mean `x`?", or else what there is to choose from, if that is short enough to read.
pub(crate) fn help(written: &str, known: &[&str]) -> Option<String> {
    const MAX_SHOWN: usize = 12;
    if let Some(name) = nearest(written, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let list = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    (!known.is_empty() && known.len() <= MAX_SHOWN).then(|| format!("known here: {}", list()))
}

/// Case and separators are not what a person gets wrong on purpose.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let check = |written: &str, expected: Option<&str>| {
            let known = ["capabilities", "events", "name", "maxCost", "tool.execute.before", "tool.execute.after"];
            assert_eq!(nearest(written, known), expected, "{written}");
        };
        check("capabilites", Some("capabilities"));
        check("event", Some("events"));
        check("max_cost", Some("maxCost"));
        check("Name", Some("name"));
        check("tool.execute.befor", Some("tool.execute.before"));
        check("tool_execute_after", Some("tool.execute.after"));
        check("colour", None);
        check("x", None);
        check("", None);
    }
}
