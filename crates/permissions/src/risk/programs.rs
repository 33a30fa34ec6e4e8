//! Programs of which the arguments decide how dangerous they are.

use mimir_shared_config::{Risk, dangerous_options};

use super::Reasons;
use super::code;
use super::files::{self, Touch};
use super::git;
use super::indirect;
use super::sed;
use super::table::has_option;
use crate::paths::{Place, Project};
use crate::shell::{Line, Simple, Word, interpreter, is_shell};

/// A command that is looked at, and what was found about its line so far.
pub(super) struct Look<'a> {
    pub(super) simple: &'a Simple,
    pub(super) line: &'a Line,
    pub(super) project: &'a Project,
    /// The line goes to other folders: relative paths lie anywhere.
    pub(super) leaves: bool,
    pub(super) reasons: &'a mut Reasons,
    pub(super) touches: &'a mut Vec<(Touch, Place)>,
}

impl Look<'_> {
    /// Where a word leads. A relative path lies anywhere if the line goes to other folders.
    pub(super) fn place(&self, written: &str) -> Place {
        let mut place = self.project.place(written);
        if self.leaves && !written.starts_with(['/', '~']) {
            (place.inside, place.is_unknown) = (None, true);
        }
        place
    }

    pub(super) fn has(&self, options: &[&str]) -> bool {
        options.iter().any(|option| has_option(self.simple.arguments(), option))
    }

    /// The arguments that are no options.
    pub(super) fn operands(&self) -> Vec<&Word> {
        let mut ends = false;
        let is_operand = |word: &&Word| {
            if ends {
                return true;
            }
            if word.text == "--" {
                ends = true;
                return false;
            }
            !(word.text.starts_with('-') && word.text.len() > 1)
        };
        self.simple.arguments().iter().filter(is_operand).collect()
    }

    /// Something is written to, or deleted from, where a word says.
    pub(super) fn touch(&mut self, word: &Word, touch: Touch) {
        if word.is_unknown || word.has_braces {
            let what = if touch == Touch::Delete { "deletes" } else { "changes" };
            self.reasons.add(Risk::High, format!("{what} what only the shell knows (`{}`)", word.text));
            return;
        }
        let text = word.text.trim_end_matches(['*', '?']);
        let place = self.place(if text.is_empty() && word.has_glob { "." } else { text });
        let (risk, why) = files::risk(&place, touch);
        self.reasons.add(risk, why);
        self.touches.push((touch, place));
    }
}

/// Programs whose arguments are looked at by [`special`] alone.
pub(super) fn has_operands_of_its_own(name: &str) -> bool {
    matches!(
        name,
        "echo"
            | "printf"
            | "rm"
            | "rmdir"
            | "unlink"
            | "shred"
            | "mkdir"
            | "touch"
            | "cd"
            | "pushd"
            | "test"
            | "["
            | "[["
            | "chmod"
            | "chown"
    )
}

pub(super) fn special(look: &mut Look<'_>, name: &str) {
    options(look);
    indirect::one(look, name);
    match name {
        "rm" | "rmdir" | "unlink" | "shred" | "srm" => delete(look, name),
        "cp" | "mv" | "ln" | "install" | "rsync" | "scp" => copy(look, name),
        "touch" | "mkdir" | "truncate" | "tee" => {
            let operands = look.operands().into_iter().cloned().collect::<Vec<_>>();
            for word in operands {
                let is_size = name == "truncate"
                    && word.text.trim_start_matches(['+', '-', '<', '>']).starts_with(|c: char| c.is_ascii_digit());
                if is_size {
                    continue;
                }
                if name != "tee" || !matches!(word.text.as_str(), "/dev/null" | "/dev/stderr" | "/dev/tty") {
                    look.touch(&word, Touch::Write);
                }
            }
        }
        "sed" | "gsed" => sed::sed(look),
        "dd" => dd(look),
        "chmod" | "chown" | "chgrp" => change_rights(look, name),
        "find" | "gfind" => find(look),
        "sort" | "yq" if look.has(&["-o", "--output", "-i", "--in-place"]) => {
            look.reasons.add(Risk::Medium, "writes a file");
        }
        "env" if look.operands().iter().all(|word| word.text.contains('=')) => {
            look.reasons.add(Risk::High, "shows variables, among them keys");
        }
        "set" | "export" | "declare" | "typeset"
            if look.simple.arguments().iter().all(|word| matches!(&*word.text, "-p" | "-x" | "-px")) =>
        {
            look.reasons.add(Risk::High, "shows variables, among them keys");
        }
        "curl" | "wget" | "http" | "https" | "xh" => transfer(look, name),
        "kill" => {
            let ends_all = look.simple.arguments().iter().skip(1).any(|word| matches!(&*word.text, "1" | "-1" | "0"))
                || matches!(look.simple.arguments(), [only] if matches!(&*only.text, "1" | "-1" | "0"));
            if ends_all {
                look.reasons.add(Risk::Critical, "ends the first program, or all of them");
            }
        }
        "git" => git::git(look),
        "docker" | "podman" => container(look),
        "xargs" => xargs(look),
        "less" | "more" | "vim" | "vi" | "nvim" | "view"
            if look.simple.arguments().iter().any(|word| word.text.starts_with('+')) =>
        {
            look.reasons.add(Risk::High, "runs commands of its own that stand in the line");
        }
        "rg" | "ag" | "ack" | "grep" | "egrep" | "fgrep" | "zip" => everywhere(look, name),
        "make" | "gmake" | "ninja" | "just" => elsewhere(look),
        "tar" | "unzip" | "bsdtar" if look.has(&["-P", "--absolute-names", "-C", "--directory", "-d"]) => {
            let operands = look
                .operands()
                .into_iter()
                .filter(|word| word.text.contains('/') || word.text.starts_with(['~', '.']))
                .cloned()
                .collect::<Vec<_>>();
            for word in operands {
                if look.place(&word.text).inside.is_none() {
                    look.touch(&word, Touch::Write);
                }
            }
        }
        "eval" | "source" | "." => code::fed(look),
        "history" if look.has(&["-c", "-d", "-w"]) => look.reasons.add(Risk::High, "hides what was done"),
        "base64" | "base32" | "xxd" | "openssl" => {}
        name if interpreter(name).is_some() => code::interpreted(look, name),
        _ => {}
    }
}

/// Options that make a harmless program run, load or overwrite something.
fn options(look: &mut Look<'_>) {
    let words = look.simple.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    // `sed -n`, `find`, `git config` have rules of their own
    let name = look.simple.name().to_owned();
    let known = matches!(
        &*name,
        "find"
            | "gfind"
            | "curl"
            | "wget"
            | "ssh"
            | "scp"
            | "sftp"
            | "make"
            | "gmake"
            | "npm"
            | "pnpm"
            | "yarn"
            | "npx"
            | "node"
            | "nodejs"
    );
    if known {
        return;
    }
    for option in dangerous_options(&words) {
        if option.starts_with('-') && !(name == "git" && option == "-C") && !(name == "cargo" && option.len() == 2) {
            look.reasons.add(Risk::High, format!("`{option}` makes `{name}` run, load or overwrite something"));
        }
    }
}

fn delete(look: &mut Look<'_>, name: &str) {
    let is_recursive = name == "rm" && look.has(&["-r", "-R", "--recursive"]);
    if look.has(&["--no-preserve-root"]) {
        look.reasons.add(Risk::Critical, "may delete everything that there is");
    }
    let operands = look.operands().into_iter().cloned().collect::<Vec<_>>();
    if is_recursive {
        look.reasons.add(Risk::High, "deletes folders with all that is in them");
    } else if operands.len() > 3 || operands.iter().any(|word| word.has_glob || word.has_braces) {
        look.reasons.add(Risk::High, "deletes many files");
    }
    for word in &operands {
        if is_recursive && word.is_unknown {
            look.reasons
                .add(Risk::Critical, format!("deletes whole folders that only the shell knows (`{}`)", word.text));
        }
        look.touch(word, Touch::Delete);
        if word.is_unknown {
            continue;
        }
        let place = look.place(word.text.trim_end_matches('*'));
        let is_whole = place.inside.as_deref().is_some_and(|inside| inside.as_os_str().is_empty());
        if is_recursive && (place.inside.is_none() && !files::is_temporary(&place.path)) {
            look.reasons.add(Risk::Critical, format!("deletes whole folders outside of the project (`{}`)", word.text));
        } else if is_recursive && is_whole {
            look.reasons.add(Risk::Critical, "deletes the whole project");
        }
    }
}

fn copy(look: &mut Look<'_>, name: &str) {
    let operands = look.operands().into_iter().cloned().collect::<Vec<_>>();
    let is_remote =
        |word: &Word| word.text.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'));
    if matches!(name, "rsync" | "scp") && operands.iter().any(is_remote) {
        look.reasons.add(Risk::High, "copies files from or to another machine");
    }
    let (target, sources) = match operands.split_last() {
        Some((target, sources)) if !sources.is_empty() || name == "ln" => (target.clone(), sources.to_vec()),
        _ => return,
    };
    if !is_remote(&target) {
        look.touch(&target, Touch::Write);
    }
    for source in sources.iter().filter(|source| !is_remote(source)) {
        if name == "mv" {
            look.touch(source, Touch::Delete);
        }
        if name == "ln" && look.place(&source.text).inside.is_none() && source.text.starts_with(['/', '~', '.']) {
            look.reasons.add(Risk::High, "makes a link that leads out of the project");
        }
    }
    if matches!(name, "mv") && sources.len() > 5 {
        look.reasons.add(Risk::High, "moves many files");
    }
}

fn dd(look: &mut Look<'_>) {
    let outputs = look.simple.arguments().iter().filter_map(|word| {
        let rest = word.text.strip_prefix("of=")?;
        Some(Word { text: rest.to_owned(), ..word.clone() })
    });
    for word in outputs.collect::<Vec<_>>() {
        look.touch(&word, Touch::Write);
    }
}

fn change_rights(look: &mut Look<'_>, name: &str) {
    let operands = look.operands().into_iter().cloned().collect::<Vec<_>>();
    let is_recursive = look.has(&["-R", "--recursive"]);
    if let Some(mode) = operands.first().filter(|_| name == "chmod").map(|word| word.text.as_str()) {
        let digits = mode.trim_start_matches('0');
        let for_all =
            digits.len() >= 3 && digits.bytes().all(|b| b.is_ascii_digit()) && digits.ends_with(['2', '3', '6', '7'])
                || mode.contains("o+w")
                || mode.contains("a+w")
                || mode.contains("a+rwx")
                || mode.contains("o+rwx")
                || mode.contains("ugo+w")
                || mode.contains("a=rwx")
                || mode == "+w" && is_recursive;
        if for_all {
            let risk = if is_recursive { Risk::Critical } else { Risk::High };
            look.reasons.add(risk, "lets everyone on this machine change the files");
        }
        if mode.contains("+s") || (digits.len() == 4 && digits.starts_with(['2', '4', '6'])) {
            look.reasons.add(Risk::Critical, "lets a program run with somebody else's rights");
        }
    }
    for word in operands.iter().skip(1) {
        if is_recursive && look.place(&word.text).inside.is_none() {
            look.reasons.add(Risk::Critical, "changes whole folders outside of the project");
        }
        look.touch(word, Touch::Write);
    }
}

fn find(look: &mut Look<'_>) {
    let arguments = look.simple.arguments();
    let says = |option: &str| arguments.iter().any(|word| word.text == option);
    let starts =
        arguments.iter().take_while(|word| !word.text.starts_with(['-', '(', '!'])).cloned().collect::<Vec<_>>();
    if says("-delete") {
        look.reasons.add(Risk::High, "deletes all files that it finds");
        let chooses =
            ["-name", "-iname", "-path", "-regex", "-mtime", "-newer", "-size", "-empty"].iter().any(|test| says(test));
        for word in &starts {
            let place = look.place(&word.text);
            match chooses && place.inside.is_some() {
                true => look.touches.push((Touch::Delete, place)),
                false => look.touch(word, Touch::Delete),
            }
        }
        if starts.iter().any(|word| word.is_unknown || look.place(&word.text).inside.is_none()) {
            look.reasons.add(Risk::Critical, "deletes all files that it finds outside of the project");
        }
    }
    if ["-fprint", "-fprint0", "-fprintf", "-fls"].iter().any(|option| says(option)) {
        look.reasons.add(Risk::High, "writes files");
    }
    if ["-exec", "-execdir", "-ok", "-okdir"].iter().any(|option| says(option)) {
        many(look, starts.iter().any(|word| word.is_unknown || look.place(&word.text).inside.is_none()));
    }
}

/// What deletes one file deletes many where it is run for all that is found.
fn many(look: &mut Look<'_>, outside: bool) {
    let index = look.line.commands.iter().position(|simple| std::ptr::eq(simple, look.simple));
    let inner = look.line.commands.iter().filter(|simple| simple.parent == index && index.is_some());
    let names = inner.map(Simple::name).collect::<Vec<_>>();
    if names.iter().any(|name| matches!(*name, "rm" | "unlink" | "shred" | "rmdir" | "mv" | "srm")) {
        let risk = if outside { Risk::Critical } else { Risk::High };
        look.reasons.add(risk, "deletes or moves all files that are found");
    } else if names.iter().any(|name| matches!(*name, "chmod" | "chown" | "sed" | "perl" | "tee" | "cp")) {
        look.reasons.add(Risk::High, "changes all files that are found");
    } else if names.iter().any(|name| is_shell(name)) {
        look.reasons.add(Risk::High, "runs a shell for all files that are found");
    }
}

fn xargs(look: &mut Look<'_>) {
    let mut at = look.simple.reads_from;
    let mut outside = look.leaves;
    while let Some(source) = at.and_then(|index| look.line.commands.get(index)).filter(|_| !outside) {
        outside = source
            .arguments()
            .iter()
            .any(|word| word.text.starts_with(['/', '~']) && look.place(&word.text).inside.is_none());
        at = source.reads_from.filter(|next| Some(*next) < at);
    }
    many(look, outside);
    indirect::given_by_xargs(look);
    let index = look.line.commands.iter().position(|simple| std::ptr::eq(simple, look.simple));
    let mut inner = look.line.commands.iter().filter(|simple| simple.parent == index && index.is_some());
    if inner.any(|simple| is_shell(simple.name()) || interpreter(simple.name()).is_some()) {
        look.reasons.add(Risk::High, "runs what another program prints");
    }
}

/// Searching all that there is finds what should not be found.
fn everywhere(look: &mut Look<'_>, name: &str) {
    let is_deep = !name.contains("grep") || look.has(&["-r", "-R", "--recursive"]);
    let home = look.project.home.clone();
    let holds_home = |place: &Place| {
        home.as_deref().is_some_and(|home| home.starts_with(&place.path)) || place.path.parent().is_none()
    };
    let words = look.operands().into_iter().map(|word| word.text.replace("$HOME", "~")).collect::<Vec<_>>();
    if is_deep && words.iter().any(|word| word.starts_with(['/', '~', '.']) && holds_home(&look.place(word))) {
        look.reasons.add(Risk::High, "searches everything that you have, keys and mail included");
    }
}

/// Builds that follow somebody else's files.
fn elsewhere(look: &mut Look<'_>) {
    let words = look
        .simple
        .arguments()
        .iter()
        .map(|word| word.text.trim_start_matches("-C").trim_start_matches("-f").to_owned());
    let words = words.filter(|word| word.starts_with(['/', '~', '.']) && !word.contains('=')).collect::<Vec<_>>();
    if words.iter().any(|word| look.place(word).inside.is_none()) {
        look.reasons.add(Risk::High, "runs what files outside of the project say");
    }
}

fn transfer(look: &mut Look<'_>, name: &str) {
    let sends = match name {
        "curl" => look.has(&[
            "-d",
            "--data",
            "--data-binary",
            "--data-raw",
            "--data-urlencode",
            "-F",
            "--form",
            "-T",
            "--upload-file",
            "--json",
        ]),
        "wget" => look.has(&["--post-data", "--post-file", "--body-data", "--body-file"]),
        _ => look
            .simple
            .arguments()
            .iter()
            .any(|word| word.text.contains('@') || matches!(&*word.text, "POST" | "PUT" | "PATCH" | "DELETE")),
    };
    let sends_file = look.simple.arguments().iter().any(|word| {
        word.text.starts_with('@')
            || word.text.contains("=@")
            || word.text.contains("=<")
            || word.text.starts_with("-d@")
            || word.text.starts_with("-F@")
    }) || look.has(&["-T", "--upload-file", "--post-file", "--body-file"]) && name != "http";
    let gets_stdin = look.simple.reads_from.is_some() || look.simple.input.is_some();
    let is_fed = !look.simple.fed_by.is_empty() || look.simple.arguments().iter().any(|word| word.is_unknown);
    if sends_file || (sends && gets_stdin) {
        look.reasons.add(Risk::Critical, "sends files to another machine");
    } else if sends || is_fed {
        look.reasons.add(Risk::High, "sends something to another machine");
    }
    let method = look.simple.arguments().iter().any(|word| {
        let text = word.text.trim_start_matches("-X").trim_start_matches("--request=");
        matches!(text, "POST" | "PUT" | "PATCH" | "DELETE")
    });
    if method {
        look.reasons.add(Risk::High, "changes something on another machine");
    }
    if look.simple.arguments().iter().any(|word| word.text.starts_with("file:")) {
        look.reasons.add(Risk::High, "reads files by an address");
    }
    if name == "curl" && look.has(&["-K", "--config"]) {
        look.reasons.add(Risk::High, "a file decides what it does");
    }
    if name == "curl" && look.has(&["-k", "--insecure"]) || name == "wget" && look.has(&["--no-check-certificate"]) {
        look.reasons.add(Risk::High, "does not check which machine answers");
    }
    let mut words = look.simple.arguments().iter();
    let mut outputs = Vec::new();
    while let Some(word) = words.next() {
        let is_output = matches!(
            (name, word.text.as_str()),
            ("curl", "-o" | "--output") | ("wget", "-O" | "--output-document") | ("http" | "xh", "-o" | "--output")
        );
        if is_output {
            outputs.extend(words.next().filter(|word| word.text != "-").cloned());
        } else if let Some(rest) = word.text.strip_prefix("--output=") {
            outputs.push(Word { text: rest.to_owned(), ..word.clone() });
        }
    }
    for output in outputs {
        if output.text != "/dev/null" {
            look.touch(&output, Touch::Write);
        }
    }
}

fn container(look: &mut Look<'_>) {
    let arguments = look.simple.arguments();
    let values = arguments.iter().map(|word| word.text.as_str()).collect::<Vec<_>>();
    let mounts = values
        .iter()
        .zip(values.iter().skip(1))
        .filter(|(option, _)| matches!(**option, "-v" | "--volume" | "--mount"));
    let mounts = mounts.map(|(_, value)| *value);
    let attached = values.iter().filter_map(|value| {
        value.strip_prefix("--volume=").or_else(|| value.strip_prefix("--mount=")).or_else(|| value.strip_prefix("-v"))
    });
    for mount in mounts.chain(attached).map(str::to_owned).collect::<Vec<_>>() {
        let source = match mount
            .split(',')
            .find_map(|part| part.strip_prefix("source=").or_else(|| part.strip_prefix("src=")))
        {
            Some(source) => source,
            None => mount.split(':').next().unwrap_or_default(),
        };
        if source.contains("docker.sock")
            || source == "/"
            || source.starts_with("/etc")
            || source.starts_with("/proc")
            || source.starts_with("/var/run")
        {
            look.reasons.add(Risk::Critical, "gives a container this machine's files");
        } else if source.starts_with(['/', '~', '.']) && look.place(source).inside.is_none() {
            look.reasons.add(Risk::High, "gives a container files outside of the project");
        }
    }
    if values.iter().any(|value| matches!(*value, "--net=host" | "--network=host"))
        || values.windows(2).any(|pair| matches!(pair, ["--net" | "--network", "host"]))
    {
        look.reasons.add(Risk::High, "gives a container this machine's network");
    }
}
