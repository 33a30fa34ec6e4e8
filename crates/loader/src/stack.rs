use oxc_sourcemap::OwnedSourceMap;

/// What every bundle's name starts with inside V8. The plugin's name follows.
pub(crate) const SCRIPT_PREFIX: &str = "mimir:plugin/";

/// Replaces every position in the plugin's bundle (`mimir:plugin/NAME:LINE:COLUMN`) by the one in its sources
/// (`src/index.ts:LINE:COLUMN`, relative to the plugin's folder). Positions that stand for no source stay as they are.
pub(crate) fn map_stack(stack: &str, id: &str, map: &OwnedSourceMap) -> String {
    let script = format!("{SCRIPT_PREFIX}{id}:");
    let table = map.generate_lookup_table();
    let mut mapped = String::with_capacity(stack.len());
    let mut rest = stack;
    while let Some(at) = rest.find(&script) {
        let (before, from_script) = rest.split_at(at);
        mapped.push_str(before);
        let after = &from_script[script.len()..];
        match position(after) {
            Some((line, column, length)) => {
                // V8 counts from 1, source maps from 0
                let token = map.lookup_token(&table, line.saturating_sub(1), column.saturating_sub(1));
                let source = token.and_then(|token| Some((token, map.get_source(token.get_source_id()?)?)));
                match source {
                    Some((token, source)) => mapped.push_str(&format!(
                        "{}:{}:{}",
                        source.trim_start_matches(['\0', '.', '/']).replace('\0', ""),
                        token.get_src_line() + 1,
                        token.get_src_col() + 1,
                    )),
                    None => mapped.push_str(&from_script[..script.len() + length]),
                }
                rest = &after[length..];
            }
            None => {
                mapped.push_str(&script);
                rest = after;
            }
        }
    }
    mapped.push_str(rest);
    mapped
}

/// The line, the column and the length of `LINE:COLUMN` at the start of a text.
fn position(text: &str) -> Option<(u32, u32, usize)> {
    let (line, rest) = text.split_once(':')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let column = &rest[..digits];
    Some((line.parse().ok()?, column.parse().ok()?, line.len() + 1 + digits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use oxc_sourcemap::OwnedSourceMap;

    use super::map_stack;

    /// The bundle's second line comes from line 5, column 3 of `src/a.ts`.
    const MAP: &str = r#"{"version":3,"sources":["src/a.ts"],"names":[],"mappings":";AAIE"}"#;

    #[test]
    fn positions_lead_to_the_sources() {
        let map = OwnedSourceMap::from_json_string(MAP).unwrap();
        let check = |stack: &str, expected: &str| assert_eq!(map_stack(stack, "@u/p", &map), expected);
        check("Error: no", "Error: no");
        check("    at f (mimir:plugin/@u/p:2:1)", "    at f (src/a.ts:5:3)");
        check("    at async mimir:plugin/@u/p:2:9\n  at x (y:1:1)", "    at async src/a.ts:5:3\n  at x (y:1:1)");
        check("at mimir:plugin/@u/p:1:1", "at mimir:plugin/@u/p:1:1");
        check("at mimir:plugin/@u/p:x", "at mimir:plugin/@u/p:x");
        check("at mimir:plugin/other:2:1", "at mimir:plugin/other:2:1");
        check("mimir:plugin/@u/p:", "mimir:plugin/@u/p:");
    }
}
