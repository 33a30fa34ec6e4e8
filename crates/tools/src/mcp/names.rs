/// What a name may have, in bytes, for the models.
const LONGEST: usize = 64;

/// How a model calls a tool of a server: `mcp__server__tool`, of letters, digits, `_` and `-` alone. Where that took
/// something away, or where `is_taken` says so, the name ends in a number made of the whole.
pub(super) fn model_name(server: &str, tool: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let whole = format!("mcp__{}__{}", cleaned(server), cleaned(tool));
    if whole.len() <= LONGEST && !is_taken(&whole) {
        return whole;
    }
    let ending = format!("_{:08x}", number(&format!("{server}\0{tool}")));
    let kept = &whole[..whole.len().min(LONGEST - ending.len())];
    format!("{kept}{ending}")
}

fn cleaned(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect()
}

/// FNV-1a: the same number today and in ten years, since permissions are remembered by name.
fn number(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_every_model() {
        let check = |server: &str, tool: &str, expected: &str| {
            let name = model_name(server, tool, |name| name == "mcp__a__taken");
            assert_eq!(name, expected);
            assert!(name.len() <= LONGEST);
        };
        check("files", "read_file", "mcp__files__read_file");
        check("my server", "größe/x.y", "mcp__my_server__gr__e_x_y");
        check("a", "taken", "mcp__a__taken_e7d42a8b");
        check("a", &"x".repeat(80), &format!("mcp__a__{}_3f683f44", "x".repeat(47)));
        check("a", "\u{1b}[2J\n", "mcp__a____2J_");
    }
}
