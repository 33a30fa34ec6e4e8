use super::Glob;

/// The command line that an allowlist's globs are matched against: the arguments joined by spaces, each quoted as a
/// POSIX shell would need it. So `["npm", "test"]` is `npm test`, but `["npm test"]` is `'npm test'`.
pub fn command_line(argv: &[String]) -> String {
    shell_words::join(argv)
}

pub(crate) fn is_command_allowed(allowlist: &[String], argv: &[String]) -> bool {
    let line = command_line(argv);
    !argv.is_empty() && allowlist.iter().any(|pattern| Glob::new(pattern).matches(&line))
}
