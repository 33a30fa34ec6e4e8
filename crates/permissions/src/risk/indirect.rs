//! Programs that only read as long as their arguments are not taken for files to write, programs to run, or names that a
//! shell reads once more.

use mimir_shared_config::Risk;

use super::files::Touch;
use super::programs::Look;
use crate::shell::{Line, Simple, Word, interpreter, is_shell};

/// Looks at one command.
pub(super) fn one(look: &mut Look<'_>, name: &str) {
    let texts = look.simple.arguments().iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let says = |options: &[&str]| {
        texts.iter().any(|text| options.iter().any(|option| text == option || is_attached(text, option)))
    };
    match name {
        // What comes second is written
        "uniq" | "xxd" => {
            if let Some(word) = look.operands().get(1).map(|word| (*word).clone()) {
                look.touch(&word, Touch::Write);
            }
        }
        "tree" | "time" | "gtime" | "less" | "info" | "cloc" | "scc" | "ack"
            if says(&["-o", "-O", "--output", "--log-file", "--LOG-FILE", "--out", "--report-file"]) =>
        {
            look.reasons.add(Risk::High, "writes a file");
        }
        "history" if says(&["-a", "-w", "-s", "-p"]) => look.reasons.add(Risk::High, "writes a file"),
        "file" if says(&["-C", "--compile"]) => look.reasons.add(Risk::Medium, "writes a file"),
        "awk" | "gawk" | "mawk" | "nawk"
            if says(&["-f", "--file", "-E", "--exec", "-i", "--include", "-l", "--load"]) =>
        {
            look.reasons.add(Risk::Medium, "a file says what it does");
        }
        "ps" if shows_environment(&texts) => {
            look.reasons.add(Risk::Critical, "shows the variables of other programs, among them keys");
        }
        "jq" | "yq" | "gojq"
            if texts.iter().any(|text| text.contains("$ENV") || text.contains("$__prog") || has_word(text, "env")) =>
        {
            look.reasons.add(Risk::High, "shows variables, among them keys");
        }
        "grep" | "egrep" | "fgrep" if look.has(&["-R", "--dereference-recursive"]) => follows(look),
        "rg" | "fd" | "fdfind" if look.has(&["-L", "--follow"]) => follows(look),
        "find" | "gfind" if says(&["-L", "-follow"]) => follows(look),
        "ag" | "ack" if says(&["-f", "--follow"]) => follows(look),
        "hash" if look.has(&["-p"]) => {
            look.reasons.add(Risk::High, "decides which program runs under a name");
        }
        "dc" if texts.iter().any(|text| text.contains('!')) || look.simple.reads_from.is_some() => {
            look.reasons.add(Risk::High, "`dc` would run programs");
        }
        "man" if says(&["-P", "--pager", "-H", "--html", "-C", "--config-file"]) => {
            look.reasons.add(Risk::High, "says which program shows the page");
        }
        _ => {}
    }
    names(look, name);
    processes(look);
}

fn follows(look: &mut Look<'_>) {
    look.reasons.add(Risk::Medium, "follows links, which may lead out of the project");
}

fn is_attached(text: &str, option: &str) -> bool {
    let Some(rest) = text.strip_prefix(option) else { return false };
    if option.starts_with("--") { rest.starts_with('=') } else { option.len() == 2 && !rest.is_empty() }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '"'))).any(|part| part == word)
}

/// `ps e`, `ps axe`: options without a dash. Behind some with one stands a value.
fn shows_environment(texts: &[String]) -> bool {
    let mut is_value = false;
    texts.iter().any(|text| {
        let was_value = std::mem::replace(
            &mut is_value,
            matches!(text.as_str(), "-o" | "-C" | "-u" | "-U" | "-g" | "-G" | "-t" | "-p"),
        );
        text == "-E"
            || !was_value
                && !text.starts_with('-')
                && text.contains('e')
                && text.bytes().all(|b| b.is_ascii_alphabetic())
    })
}

/// Files of processes hold their variables and memory.
fn processes(look: &mut Look<'_>) {
    let words = look.simple.arguments().iter().chain(look.simple.redirects.iter().map(|redirect| &redirect.target));
    let of_processes = words.filter(|word| {
        let first = word.text.trim_start_matches('/').split('/').next().unwrap_or_default();
        let is_proc = first == "proc" || first.contains(['*', '?', '[']) && first.len() < 12;
        word.text.starts_with('/') && is_proc
    });
    let mut risk = None;
    for word in of_processes {
        let tells = ["environ", "mem", "auxv", "fd", "root", "cwd"]
            .iter()
            .any(|name| word.text.split('/').any(|part| part == *name));
        if tells && !word.text.starts_with("/proc/self/fd") {
            risk = Some(Risk::Critical);
        } else if !word.is_literal() || look.leaves {
            risk = risk.max(Some(Risk::High));
        }
    }
    if let Some(risk) = risk {
        look.reasons.add(risk, "looks into other programs, which hold keys");
    }
}

const HIDES: &str = "hides a command where a shell may read it as one";

/// Commands of the shell that read a name once more: what stands in the brackets of `a[$(x)]` runs.
const NAMES: [&str; 16] = [
    "test",
    "[",
    "[[",
    "let",
    "printf",
    "read",
    "unset",
    "declare",
    "typeset",
    "local",
    "export",
    "readonly",
    "wait",
    "getopts",
    "mapfile",
    "readarray",
];

fn names(look: &mut Look<'_>, name: &str) {
    let runs = NAMES.contains(&name)
        && (name != "printf" || look.has(&["-v"]))
        && look.simple.arguments().iter().any(hides_command);
    if runs {
        look.reasons.add(Risk::High, HIDES);
    }
}

/// Looks at the variables that a command sets.
pub(super) fn assigned(look: &mut Look<'_>) {
    if look.simple.assignments.iter().any(|(_, value)| hides_command(value)) {
        look.reasons.add(Risk::High, HIDES);
    }
}

/// A substitution that is none yet, since it stands in quotes.
fn hides_command(word: &Word) -> bool {
    word.text.replace("$()", "").contains("$(") || word.text.contains('`') || word.text.contains("@P}")
}

/// The names of variables that a command sets in other ways than by `=`.
pub(super) fn set_names(simple: &Simple) -> Vec<String> {
    let arguments = simple.arguments();
    match simple.name() {
        "read" | "mapfile" | "readarray" | "getopts" => arguments.iter().map(|word| word.text.clone()).collect(),
        "printf" | "wait" => {
            let pairs = arguments.iter().zip(arguments.iter().skip(1));
            pairs
                .filter(|(option, _)| matches!(&*option.text, "-v" | "-p"))
                .map(|(_, word)| word.text.clone())
                .collect()
        }
        _ => Vec::new(),
    }
}

/// What a shell counts with it reads as names once more: `$((x))`, where `x` came from a file.
pub(super) fn counts(text: &str, line: &Line) -> bool {
    let compares = |simple: &Simple| {
        simple.name() == "[["
            && simple
                .arguments()
                .iter()
                .any(|word| matches!(&*word.text, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge"))
    };
    let is_integer = |simple: &Simple| {
        simple.name() == "let"
            || matches!(simple.name(), "declare" | "typeset" | "local")
                && simple.arguments().iter().any(|word| word.text.starts_with('-') && word.text.contains('i'))
    };
    let counts = text.contains("((") || line.commands.iter().any(|simple| compares(simple) || is_integer(simple));
    let is_told = |simple: &Simple| {
        !simple.fed_by.is_empty() || matches!(simple.name(), "read" | "mapfile" | "readarray" | "for" | "select")
    };
    counts && line.commands.iter().any(is_told)
}

/// `xargs` gives its program words that stand in no line.
pub(super) fn given_by_xargs(look: &mut Look<'_>) {
    const LISTS: [&str; 8] = ["find", "gfind", "fd", "fdfind", "rg", "grep", "git", "ls"];
    const SHOWS: [&str; 14] = [
        "cat",
        "head",
        "tail",
        "wc",
        "grep",
        "egrep",
        "fgrep",
        "ls",
        "stat",
        "md5sum",
        "sha256sum",
        "echo",
        "basename",
        "dirname",
    ];
    let index = look.line.commands.iter().position(|simple| std::ptr::eq(simple, look.simple));
    let inner = look.line.commands.iter().find(|simple| simple.parent == index && index.is_some());
    let Some(name) = inner.map(Simple::name) else { return };
    let runs = matches!(
        name,
        "env"
            | "nice"
            | "ionice"
            | "time"
            | "gtime"
            | "timeout"
            | "command"
            | "builtin"
            | "exec"
            | "nohup"
            | "stdbuf"
            | "setsid"
            | "sudo"
            | "doas"
            | "watch"
            | "xargs"
            | "find"
            | "gfind"
            | "fd"
            | "fdfind"
            | "rg"
            | "awk"
            | "gawk"
            | "mawk"
            | "nawk"
            | "sed"
            | "gsed"
            | "sort"
            | "git"
            | "tar"
            | "busybox"
            | "toybox"
            | "man"
            | "dc"
            | "eval"
    ) || is_shell(name)
        || interpreter(name).is_some();
    let source = look.simple.reads_from.and_then(|at| look.line.commands.get(at));
    let lists = source.is_some_and(|source| {
        LISTS.contains(&source.name())
            && source.reads_from.is_none()
            && (source.name() != "git"
                || source.arguments().iter().any(|word| matches!(&*word.text, "ls-files" | "diff")))
            && (!matches!(source.name(), "grep" | "rg")
                || source.arguments().iter().any(|word| {
                    word.text.starts_with("--files")
                        || word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains(['l', 'L'])
                }))
    });
    match (runs, lists && SHOWS.contains(&name)) {
        (true, _) => look.reasons.add(Risk::High, format!("what another program prints decides what `{name}` does")),
        (false, true) => {}
        (false, false) => look.reasons.add(Risk::Medium, "what another program prints decides which files it is about"),
    }
}
