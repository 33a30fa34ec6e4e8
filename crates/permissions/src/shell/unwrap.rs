//! Programs that run others: what would they run?

use super::Word;
use super::parse::{Simple, assignment, base_name};

/// What a command runs in turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// A program with its arguments.
    Arguments(Vec<Word>),
    /// A script for a shell.
    Script(String),
    /// A program in another language.
    Foreign(String),
    /// Something that can't be told.
    Unknown,
}

/// Programs that run what stands behind their options. The letters are options that take a value.
const WRAPPERS: [(&str, &str, &[&str]); 27] = [
    (
        "sudo",
        "ugpCrtUThDR",
        &["--user", "--group", "--prompt", "--chdir", "--host", "--close-from", "--role", "--type"],
    ),
    ("doas", "uC", &[]),
    ("pkexec", "", &["--user"]),
    ("env", "uC", &["--unset", "--chdir"]),
    ("nohup", "", &[]),
    ("nice", "n", &["--adjustment"]),
    ("ionice", "cnp", &["--class", "--classdata"]),
    ("setsid", "", &[]),
    ("stdbuf", "ioe", &["--input", "--output", "--error"]),
    ("command", "", &[]),
    ("builtin", "", &[]),
    ("exec", "a", &[]),
    ("time", "fo", &["--format", "--output"]),
    ("gtime", "fo", &["--format", "--output"]),
    ("xargs", "IinPdLsEa", &["--replace", "--max-args", "--max-procs", "--delimiter", "--max-lines", "--arg-file"]),
    ("strace", "oepsPEu", &[]),
    ("ltrace", "oepsu", &[]),
    ("caffeinate", "tw", &[]),
    ("chronic", "", &[]),
    ("unbuffer", "", &[]),
    ("busybox", "", &[]),
    ("toybox", "", &[]),
    ("catchsegv", "", &[]),
    ("unshare", "SG", &[]),
    ("systemd-run", "puEM", &["--unit", "--property", "--setenv", "--uid", "--gid"]),
    ("dbus-run-session", "", &["--config-file"]),
    ("proot", "rbw", &[]),
];

/// Programs like those with so many words of their own before what they run.
const WRAPPERS_WITH_WORDS: [(&str, &str, usize); 5] =
    [("timeout", "ks", 1), ("chroot", "", 1), ("flock", "wE", 1), ("taskset", "", 1), ("chrt", "", 1)];

/// Programs of which a command of their own runs what stands behind it.
const RUNNERS: [(&str, &str); 12] = [
    ("uv", "run"),
    ("poetry", "run"),
    ("pipenv", "run"),
    ("pdm", "run"),
    ("hatch", "run"),
    ("rye", "run"),
    ("bundle", "exec"),
    ("mise", "exec"),
    ("asdf", "exec"),
    ("npm", "exec"),
    ("pnpm", "exec"),
    ("yarn", "exec"),
];

const SHELLS: [&str; 11] = ["sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "rbash", "mksh", "csh", "tcsh"];

/// Whether a program is a shell.
pub(crate) fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// Programs that run code in a language of their own, and the options before it.
const INTERPRETERS: [(&str, &[&str]); 14] = [
    ("python", &["-c"]),
    ("perl", &["-e", "-E"]),
    ("ruby", &["-e"]),
    ("node", &["-e", "-p", "--eval", "--print"]),
    ("nodejs", &["-e", "-p", "--eval", "--print"]),
    ("deno", &["eval"]),
    ("bun", &["-e", "--eval"]),
    ("php", &["-r"]),
    ("lua", &["-e"]),
    ("osascript", &["-e"]),
    ("Rscript", &["-e"]),
    ("pwsh", &["-c", "-Command", "-EncodedCommand"]),
    ("powershell", &["-c", "-Command", "-EncodedCommand"]),
    ("tclsh", &["-c"]),
];

/// The options of an interpreter before code, if the program is one: `python3.12` is `python`.
pub(crate) fn interpreter(name: &str) -> Option<&'static [&'static str]> {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.iter().find(|(known, _)| *known == name || *known == base).map(|(_, options)| *options)
}

/// What a command runs in turn.
pub(super) fn unwrap(simple: &Simple) -> Vec<Nested> {
    let Some((program, arguments)) = simple.words.split_first() else { return Vec::new() };
    if !program.is_literal() {
        return vec![Nested::Unknown];
    }
    let name = base_name(&program.text);
    let mut found = Vec::new();
    if name == "env" {
        found.extend(split_string(arguments));
    }
    if let Some((_, short, long)) = WRAPPERS.iter().find(|(known, ..)| *known == name) {
        let rest = behind_options(arguments, short, long);
        // `env A=b c` and `sudo A=b c`
        if rest.iter().any(|word| assignment(word).is_none()) {
            found.push(Nested::Arguments(rest.to_vec()));
        }
    }
    if let Some((_, short, own)) = WRAPPERS_WITH_WORDS.iter().find(|(known, ..)| *known == name) {
        let rest = behind_options(arguments, short, &[]);
        if let Some(rest) = rest.get(*own..).filter(|rest| !rest.is_empty()) {
            found.push(Nested::Arguments(rest.to_vec()));
        }
        // `flock file -c script`
        if let Some(script) = behind(arguments, &["-c"]) {
            found.push(text_of(script));
        }
    }
    if let Some((_, word)) = RUNNERS.iter().find(|(known, _)| *known == name) {
        let at = arguments.iter().position(|argument| argument.text == *word);
        if let Some(rest) = at.and_then(|at| arguments.get(at + 1..)) {
            let rest = behind_options(rest, "p", &["--with", "--python", "--package", "--from"]);
            found.push(Nested::Arguments(rest.to_vec()));
        }
    }
    match name {
        name if is_shell(name) => found.extend(of_shell(simple, arguments)),
        "eval" => found.push(joined(arguments)),
        "su" | "runuser" => found.extend(behind(arguments, &["-c", "--command"]).map(text_of)),
        "watch" => found.push(joined(behind_options(arguments, "n", &["--interval"]))),
        "script" => found.extend(behind(arguments, &["-c", "--command"]).map(text_of)),
        "nix-shell" | "nix" => found.extend(behind(arguments, &["--run", "--command", "-c"]).map(text_of)),
        "trap" => found.extend(arguments.iter().find(|word| !word.text.starts_with('-')).map(text_of)),
        "alias" => {
            let values = arguments.iter().filter_map(assignment).map(|(_, value)| text_of(&value));
            found.extend(values);
        }
        "parallel" => found.push(joined(behind_options(arguments, "jnNdIaS", &["--jobs", "--colsep", "--joblog"]))),
        "entr" => found.push(Nested::Arguments(behind_options(arguments, "", &[]).to_vec())),
        "find" | "gfind" => found.extend(of_find(arguments)),
        "fd" | "fdfind" => {
            let at = arguments.iter().position(|w| matches!(&*w.text, "-x" | "-X" | "--exec" | "--exec-batch"));
            let rest = at.and_then(|at| arguments.get(at + 1..));
            found.extend(rest.map(|rest| Nested::Arguments(rest.to_vec())));
        }
        "awk" | "gawk" | "mawk" | "nawk" => {
            let is_code = |word: &&Word| ["system", "|", ">", "getline"].iter().any(|part| word.text.contains(part));
            found.extend(arguments.iter().filter(is_code).map(|word| Nested::Foreign(word.text.clone())));
        }
        _ => {}
    }
    if let Some(options) = interpreter(name) {
        let code = arguments
            .iter()
            .zip(arguments.iter().skip(1))
            .filter(|(option, _)| options.contains(&option.text.as_str()) || is_cluster(&option.text, options));
        found.extend(code.map(|(_, code)| Nested::Foreign(code.text.clone())));
        let attached = arguments.iter().filter(|word| {
            options.iter().any(|option| option.len() == 2 && word.text.len() > 2 && word.text.starts_with(option))
        });
        found.extend(attached.map(|word| Nested::Foreign(word.text.clone())));
        found.extend(simple.input.iter().map(|input| Nested::Foreign(input.text.clone())));
    }
    found.retain(|nested| !matches!(nested, Nested::Arguments(words) if words.is_empty()));
    found
}

/// Whether an option is several letters of which the last is one of these: `perl -ne`.
fn is_cluster(option: &str, options: &[&str]) -> bool {
    let last = option.chars().last();
    option.starts_with('-')
        && !option.starts_with("--")
        && option.len() > 2
        && options.iter().any(|known| known.len() == 2 && known.chars().last() == last)
}

fn text_of(word: &Word) -> Nested {
    match word.is_unknown {
        // Its substitutions are looked at as such; what becomes of their output is not known
        true => Nested::Unknown,
        false => Nested::Script(word.text.clone()),
    }
}

fn joined(words: &[Word]) -> Nested {
    match words {
        [] => Nested::Arguments(Vec::new()),
        words if words.iter().all(Word::is_literal) => {
            Nested::Script(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "))
        }
        _ => Nested::Unknown,
    }
}

/// `env -S 'a b'`, which takes its words apart itself.
fn split_string(arguments: &[Word]) -> Option<Nested> {
    let at =
        arguments.iter().position(|word| word.text.starts_with("-S") || word.text.starts_with("--split-string"))?;
    let word = arguments.get(at)?;
    let attached = word.text.strip_prefix("--split-string=").or_else(|| word.text.strip_prefix("-S"));
    match attached.filter(|text| !text.is_empty() && *text != "plit-string") {
        Some(text) => Some(Nested::Script(text.to_owned())),
        None => arguments.get(at + 1).map(text_of),
    }
}

fn of_shell(simple: &Simple, arguments: &[Word]) -> Option<Nested> {
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if word.is_unknown && word.text.starts_with('$') {
            return Some(Nested::Unknown);
        }
        let is_option = word.text.starts_with(['-', '+']) && word.text.len() > 1;
        if is_option && !word.text.starts_with("--") && word.text.contains('c') {
            return rest.find(|word| !word.text.starts_with('-')).map(text_of).or(Some(Nested::Unknown));
        }
        if is_option && matches!(word.text.as_str(), "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file") {
            rest.next();
        } else if !is_option {
            // A file with a script, which the risk is about
            return None;
        }
    }
    simple.input.as_ref().map(text_of)
}

fn of_find(arguments: &[Word]) -> Vec<Nested> {
    let mut found = Vec::new();
    let mut rest = arguments;
    while let Some(at) = rest.iter().position(|w| matches!(&*w.text, "-exec" | "-execdir" | "-ok" | "-okdir")) {
        let behind = rest.get(at + 1..).unwrap_or_default();
        let end = behind.iter().position(|word| matches!(&*word.text, ";" | "+")).unwrap_or(behind.len());
        found.push(Nested::Arguments(behind.get(..end).unwrap_or_default().to_vec()));
        rest = behind.get(end..).unwrap_or_default();
    }
    found
}

/// The word behind one of these options.
fn behind<'a>(arguments: &'a [Word], options: &[&str]) -> Option<&'a Word> {
    let at = arguments.iter().position(|word| options.contains(&word.text.as_str()))?;
    arguments.get(at + 1)
}

/// What stands behind the options: `short` are those of one letter that take a value, `long` the others that do.
fn behind_options<'a>(arguments: &'a [Word], short: &str, long: &[&str]) -> &'a [Word] {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            at += 1;
            break;
        }
        if !text.starts_with('-') || text.len() < 2 {
            break;
        }
        let takes_next = match text.strip_prefix("--") {
            Some(_) => long.contains(&text),
            // A value may be attached: `-n1`
            None => text.len() == 2 && text.chars().last().is_some_and(|letter| short.contains(letter)),
        };
        at += if takes_next { 2 } else { 1 };
    }
    arguments.get(at.min(arguments.len())..).unwrap_or_default()
}
