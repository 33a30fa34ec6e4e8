use mimir_shared_config::Risk;

use super::code;
use super::files::{self, Touch};
use super::indirect;
use super::programs::{self, Look};
use super::{Reasons, rows, table};
use crate::paths::{Place, Project};
use crate::rules::Glob;
use crate::shell::{Line, Simple, Word, base_name, interpreter, is_shell};

/// Variables that make other programs run, load or trust something.
const DANGEROUS_VARIABLES: [&str; 36] = [
    "BASH_ALIASES",
    "BASH_CMDS",
    "PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "PS4",
    "IFS",
    "SHELLOPTS",
    "BASHOPTS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_EDITOR",
    "GIT_ASKPASS",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_PARAMETERS",
    "GIT_EXEC_PATH",
    "GIT_DIR",
    "PAGER",
    "EDITOR",
    "VISUAL",
    "BROWSER",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
];

/// Assesses a command line that was taken apart.
pub(super) fn assess(
    text: &str,
    line: &Line,
    project: &Project,
    reasons: &mut Reasons,
    touches: &mut Vec<(Touch, Place)>,
) {
    if line.is_opaque {
        reasons.add(Risk::High, "the line can't be taken apart, so it can't be told what it does");
    }
    if !line.foreign.is_empty() && !line.is_opaque {
        reasons.add(Risk::Medium, "it runs code that stands in the line");
    }
    foreign(&line.foreign, reasons);
    if is_fork_bomb(text) {
        reasons.add(Risk::Critical, "it starts itself again and again until nothing else can run");
    }
    let leaves = leaves_project(line, project);
    for simple in &line.commands {
        let mut look = Look { simple, line, project, leaves, reasons, touches };
        one(&mut look);
    }
    if indirect::counts(text, line) {
        reasons.add(Risk::Medium, "a shell counts with what it reads, and runs what stands in brackets there");
    }
    if text.contains("@P}") {
        reasons.add(Risk::High, "a shell reads what a variable holds once more");
    }
    exfiltration(line, reasons);
    fetched(line, reasons);
    if reasons.risk().is_none() {
        reasons.add(Risk::Low, "it does nothing");
    }
}

fn one(look: &mut Look<'_>) {
    variables(look);
    indirect::assigned(look);
    redirects(look);
    let simple = look.simple;
    let Some(program) = simple.words.first() else { return };
    if program.is_unknown || program.has_glob || program.has_braces {
        look.reasons.add(Risk::High, "which program runs is only known to the shell");
        return;
    }
    if program.is_disguised {
        look.reasons.add(Risk::Medium, format!("`{}` is written so that its name can't be read", program.text));
    }
    // A program by a path is somebody's file, whatever it is called
    let name = simple.name();
    let is_path = simple.program().contains(['/', '\\']);
    let is_usual = ["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/", "/opt/homebrew/bin/"]
        .iter()
        .any(|base| simple.program().strip_prefix(base).is_some_and(|rest| !rest.contains('/')));
    if is_path && !is_usual {
        let place = look.project.place(simple.program());
        let (risk, why) = match place.inside {
            Some(_) => (Risk::Medium, format!("runs `{}`, a file of the project", simple.program())),
            None => (Risk::High, format!("runs `{}`, a file outside of the project", simple.program())),
        };
        look.reasons.add(risk, why);
    }
    if is_shell(name) {
        code::shell(look);
        return;
    }
    let base = table::look_up(simple);
    match &base {
        Some((risk, why)) if !is_path || is_usual => look.reasons.add(*risk, *why),
        Some((risk, why)) => look.reasons.add((*risk).max(Risk::Medium), *why),
        // What it runs is looked at
        None if interpreter(name).is_some() => {}
        None => look.reasons.add(Risk::Medium, format!("it is not known what `{name}` does")),
    }
    let is_reader = base.is_some_and(|(risk, _)| risk == Risk::Low);
    programs::special(look, name);
    let shows_key = simple.arguments().iter().filter(|word| word.is_unknown).any(|word| names_key(&word.text));
    if shows_key {
        look.reasons.add(Risk::High, "uses a variable whose name says that it holds a key");
    }
    // Words of which only the shell knows what they are
    if is_reader
        && !programs::has_operands_of_its_own(name)
        && simple.arguments().iter().any(|word| word.is_unknown && simple.fed_by.is_empty() && is_path_like(word))
    {
        look.reasons.add(Risk::Medium, "a variable decides which files it is about");
    }
    if !programs::has_operands_of_its_own(name) {
        arguments(look, is_reader);
    }
}

/// Whether a word has a variable that by its name is a secret: `$API_TOKEN`, `${DB_PASSWORD}`.
fn names_key(text: &str) -> bool {
    text.split('$').skip(1).any(|rest| {
        let name = rest.trim_start_matches('{').chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_');
        let name = name.collect::<String>().to_uppercase();
        ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL"]
            .iter()
            .any(|part| name.contains(part))
    })
}

fn is_path_like(word: &Word) -> bool {
    word.text.starts_with('$') || word.text.contains('/')
}

/// Whether a word may be a path, and not an option or a plain name.
fn may_be_path(text: &str) -> bool {
    text.contains('/') && !text.contains("://") || text.starts_with(['~', '.'])
}

/// The files that a program's words name. What it does to them is for the programs that are known; all may read them.
fn arguments(look: &mut Look<'_>, is_reader: bool) {
    let names = |word: &Word| {
        let text = word.text.as_str();
        // `--file=x`, `-d@x`, `of=x`, `-Ix`
        let value = text.split_once('=').map_or(text, |(_, value)| value);
        let value = value.trim_start_matches('@').to_owned();
        let attached = (text.starts_with('-') && !text.starts_with("--")).then(|| text.get(2..)).flatten();
        let attached = attached.map(|rest| rest.trim_start_matches('@').to_owned()).filter(|rest| may_be_path(rest));
        (!text.starts_with('-') || value.len() < text.len())
            .then_some(value)
            .into_iter()
            .chain(attached)
            .collect::<Vec<_>>()
    };
    let found = look.simple.arguments().iter().flat_map(names).collect::<Vec<_>>();
    for name in found.iter().flat_map(|name| alternatives(name)) {
        if name.is_empty() || name.contains("://") || name.len() > 4096 {
            continue;
        }
        let place = look.place(&name);
        let (risk, why) = files::risk(&place, Touch::Read);
        let is_named = may_be_path(&name) || is_reader;
        // A word of an unknown program may be no file at all, but a secret's name is seldom something else
        if risk >= Risk::High || is_named && is_reader && risk > Risk::Low {
            look.reasons.add(risk, why);
        }
        if is_named {
            look.touches.push((Touch::Read, place));
        }
    }
    let globs = look.simple.arguments().iter().filter(|word| word.has_glob).map(|word| word.text.clone());
    for name in globs.collect::<Vec<_>>() {
        if may_find_secrets(&name)
            || look.place(&name).home.is_some() && look.place(&name).inside.is_none() && name.contains("/.")
        {
            look.reasons.add(Risk::High, format!("`{name}` may find keys and other secrets"));
        }
    }
}

/// The names that a word may stand for: the variables that are known put in place, what stands behind one that is not, and
/// the pieces of braces.
fn alternatives(name: &str) -> Vec<String> {
    let known = [("${HOME}", "~"), ("$HOME", "~"), ("${PWD}", "."), ("$PWD", ".")];
    let known = known.iter().find_map(|(variable, path)| {
        let rest = name.strip_prefix(variable)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{path}{rest}"))
    });
    if let Some(known) = known {
        return vec![known];
    }
    let mut found = Vec::new();
    match name.rfind('$') {
        // `$X/.ssh/id_rsa`
        Some(at) => found.extend(name[at..].split_once('/').map(|(_, rest)| rest.to_owned())),
        None => found.push(name.to_owned()),
    }
    if name.contains('{') {
        found.extend(name.split(['{', '}', ',']).filter(|piece| !piece.contains('$')).map(str::to_owned));
    }
    found
}

/// Whether a wildcard finds files that usually hold secrets. Those that do not begin with a dot find none that do.
fn may_find_secrets(pattern: &str) -> bool {
    const NAMES: [&str; 8] = [".env", ".env.local", ".netrc", ".npmrc", ".ssh", ".aws", "id_rsa", "server.pem"];
    pattern.split('/').filter(|part| part.contains(['*', '?', '['])).any(|part| {
        let part = part.replace(['[', ']'], "?");
        NAMES
            .iter()
            .any(|name| name.starts_with('.') == part.starts_with('.') && part != "*" && Glob::new(&part).matches(name))
    })
}

fn variables(look: &mut Look<'_>) {
    let of_export = matches!(look.simple.name(), "export" | "declare" | "typeset" | "readonly" | "local" | "setenv");
    let exported = look.simple.arguments().iter().filter(|_| of_export);
    let exported = exported.filter_map(|word| word.text.split_once('=').map(|(name, _)| name.to_owned()));
    let set = look.simple.assignments.iter().map(|(name, _)| name.clone());
    let names = set.chain(exported).chain(indirect::set_names(look.simple)).collect::<Vec<_>>();
    for name in names {
        let is_git_config = name.starts_with("GIT_CONFIG") || name.starts_with("npm_config");
        if DANGEROUS_VARIABLES.contains(&name.as_str()) || is_git_config {
            look.reasons.add(Risk::High, format!("`{name}` decides what other programs run or load"));
        }
    }
}

fn redirects(look: &mut Look<'_>) {
    for redirect in &look.simple.redirects {
        let target = redirect.target.text.as_str();
        let is_descriptor = matches!(redirect.operator, ">&" | "<&")
            && (target == "-" || target.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit()));
        if is_descriptor
            || matches!(target, "/dev/null" | "/dev/stdout" | "/dev/stderr" | "/dev/tty" | "/dev/fd/1" | "/dev/fd/2")
        {
            continue;
        }
        if target.starts_with("/dev/tcp/") || target.starts_with("/dev/udp/") {
            look.reasons.add(Risk::Critical, format!("`{target}` is a connection to another machine"));
            continue;
        }
        let touch = if matches!(redirect.operator, "<" | "<&") { Touch::Read } else { Touch::Write };
        let known = alternatives(target);
        let is_known = target.starts_with('$') && known.iter().any(|name| name.starts_with(['~', '.']));
        if !redirect.target.is_literal() && !is_known {
            let is_fed = !redirect.target.scripts.is_empty() && touch == Touch::Read;
            if !is_fed {
                let risk = if touch == Touch::Read { Risk::Medium } else { Risk::High };
                look.reasons.add(risk, "which file it writes or reads is only known to the shell");
            }
            continue;
        }
        let place = look.place(known.first().map_or(target, String::as_str));
        let (risk, why) = files::risk(&place, touch);
        if risk > Risk::Low {
            look.reasons.add(risk, why);
        }
        look.touches.push((touch, place));
    }
}

/// Whether the line goes to another folder, so that its relative paths may lie anywhere.
fn leaves_project(line: &Line, project: &Project) -> bool {
    line.commands.iter().filter(|simple| matches!(simple.name(), "cd" | "pushd" | "popd" | "chdir")).any(|simple| {
        match simple.arguments().iter().find(|word| !word.text.starts_with('-') || word.text == "-") {
            Some(word) => !word.is_literal() || word.text == "-" || project.place(&word.text).inside.is_none(),
            // `cd` alone goes home
            None => true,
        }
    })
}

/// Code in other languages is not read, but words that stand for the worst are found in it.
fn foreign(texts: &[String], reasons: &mut Reasons) {
    let tells: [(Risk, &str, &[&str]); 4] = [
        (
            Risk::Critical,
            "its code deletes whole folders",
            &["rmtree", "rm -rf", "rm -fr", "rimraf", "rmSync", "removeSync", "remove_dir_all", "FileUtils.rm_r"],
        ),
        (
            Risk::High,
            "its code starts other programs",
            &[
                "system(",
                "subprocess",
                "popen",
                "exec(",
                "execSync",
                "spawn",
                "child_process",
                "`",
                "shell_exec",
                "passthru",
                "Deno.Command",
                "eval(",
                "| \"",
                "|\"",
                "> \"",
                ">\"",
            ],
        ),
        (
            Risk::High,
            "its code uses the network",
            &["socket", "urllib", "requests.", "http.", "https", "fetch(", "Net::HTTP", "axios", "curl", "LWP"],
        ),
        (
            Risk::High,
            "its code removes or overwrites files",
            &[
                "unlink",
                "os.remove",
                "rmdir",
                "unlinkSync",
                "writeFile",
                "truncate",
                "open(",
                "File.write",
                "b64decode",
                "atob(",
                "decode(",
            ],
        ),
    ];
    for text in texts {
        for (risk, why, words) in tells {
            if words.iter().any(|word| text.contains(word)) {
                reasons.add(risk, why);
            }
        }
    }
}

/// Reading secrets is bad, sending files away too, both in one line is how it is done.
fn exfiltration(line: &Line, reasons: &mut Reasons) {
    let sends = line.commands.iter().any(|simple| {
        matches!(
            simple.name(),
            "curl"
                | "wget"
                | "nc"
                | "ncat"
                | "netcat"
                | "socat"
                | "scp"
                | "rsync"
                | "sftp"
                | "ftp"
                | "telnet"
                | "ssh"
                | "http"
                | "https"
                | "xh"
                | "mail"
                | "sendmail"
                | "rclone"
                | "aws"
                | "gsutil"
                | "dig"
                | "nslookup"
                | "host"
                | "openssl"
        )
    });
    let reads_secrets =
        reasons.0.iter().any(|(risk, why)| *risk >= Risk::High && (why.contains("secret") || why.contains("keys")));
    if sends && reads_secrets {
        reasons.add(Risk::Critical, "what it reads there could be sent to another machine");
    }
}

/// What was fetched by one command and is run by another.
fn fetched(line: &Line, reasons: &mut Reasons) {
    let fetches = |simple: &Simple| {
        downloads(simple) || simple.name() == "git" && simple.arguments().iter().any(|word| word.text == "clone")
    };
    let Some(first) = line.commands.iter().position(fetches) else { return };
    let files = line.commands.iter().filter(|simple| downloads(simple)).flat_map(|simple| {
        let redirects = simple.redirects.iter().map(|redirect| redirect.target.text.clone());
        // `-o name`, and the end of an address
        let words = simple.arguments().iter().map(|word| base_name(word.text.trim_end_matches('/')).to_owned());
        redirects.chain(words).map(|name| base_name(&name).to_owned()).collect::<Vec<_>>()
    });
    let files = files.filter(|name| !name.is_empty() && !name.starts_with('-')).collect::<Vec<_>>();
    for simple in line.commands.iter().skip(first + 1) {
        let name = simple.name();
        let runs_file = is_shell(name) || interpreter(name).is_some() || matches!(name, "source" | "." | "chmod");
        let given = simple.arguments().iter().find(|word| !word.text.starts_with('-') && !word.text.starts_with('+'));
        let run = if simple.program().contains('/') {
            Some(simple.program())
        } else {
            given.filter(|_| runs_file).map(|w| &*w.text)
        };
        if run.is_some_and(|run| files.iter().any(|file| file == base_name(run))) && name != "chmod" {
            reasons.add(Risk::Critical, "runs what comes from another machine, unread");
        } else if run.is_some() || matches!(table::look_up(simple), Some((Risk::Medium, rows::BUILDS))) {
            reasons.add(Risk::High, "runs something in a line that fetches from another machine");
        }
    }
}

/// A function that calls itself twice, once in the background: `:(){ :|:& };:`.
fn is_fork_bomb(text: &str) -> bool {
    let packed = text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    packed.match_indices("(){").any(|(at, _)| {
        let before = packed.get(..at).unwrap_or_default();
        let start = before.rfind([';', '&', '|', '}', '"', '\'', '(']).map_or(0, |at| at + 1);
        let name = before.get(start..).unwrap_or_default();
        let name = name.strip_prefix("function").unwrap_or(name);
        !name.is_empty() && packed.contains(&format!("{name}|{name}"))
    })
}

/// Whether a command brings something from another machine.
pub(super) fn downloads(simple: &Simple) -> bool {
    matches!(
        simple.name(),
        "curl"
            | "wget"
            | "fetch"
            | "http"
            | "https"
            | "xh"
            | "aria2c"
            | "nc"
            | "ncat"
            | "netcat"
            | "socat"
            | "scp"
            | "ftp"
            | "lynx"
            | "GET"
            | "ssh"
    )
}
