/// The deepest place of brackets in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deepest {
    pub(crate) depth: u32,
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in UTF-16 units.
    pub(crate) column: u32,
}

/// Where `source` is nested most deeply. It knows nothing of strings and comments, so that it can't be led astray by
/// them and can't recurse; what it says is only used to explain a crash of the parser, never to refuse a plugin.
pub(crate) fn deepest(source: &str) -> Deepest {
    let mut found = Deepest { depth: 0, line: 1, column: 1 };
    let (mut depth, mut line, mut column) = (0_u32, 1_u32, 1_u32);
    for character in source.chars() {
        match character {
            '(' | '[' | '{' => {
                depth = depth.saturating_add(1);
                if depth > found.depth {
                    found = Deepest { depth, line, column };
                }
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character == '\n' {
            line = line.saturating_add(1);
            column = 1;
        } else {
            column = column.saturating_add(u32::try_from(character.len_utf16()).unwrap_or(1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Deepest, deepest};

    fn check(source: &str, depth: u32, line: u32, column: u32) {
        assert_eq!(deepest(source), Deepest { depth, line, column }, "{source}");
    }

    #[test]
    fn finds_the_deepest_bracket() {
        check("", 0, 1, 1);
        check("a\nb(c[d])", 2, 2, 4);
        check(")))(", 1, 1, 4);
        check("'😀'({", 2, 1, 6);
    }
}
