//! Git, of whose commands many read with one option and change something with another.

use mimir_shared_config::Risk::{self, Critical, High, Low, Medium};

use super::files::Touch;
use super::programs::Look;
use super::rows::READS;
use super::table::has_option;
use crate::shell::Word;

/// Options in front of git's own commands that take the next word for their value.
pub(super) const VALUED: &[&str] =
    &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env", "--attr-source"];

/// A way to call a command of git that is less dangerous than the command. It has nothing but what is named here, letter for
/// letter: a later option may take an earlier one back (`git clean -n --no-dry-run`), or have it for its value
/// (`git clean -e -n`).
struct Milder {
    command: &'static str,
    risk: Risk,
    why: &'static str,
    /// One of these has to be there, unless the command stands alone.
    says_so: &'static [&'static str],
    /// What may stand beside it.
    beside: &'static [&'static str],
    /// What may stand beside it and takes the next word for its value.
    valued: &'static [&'static str],
    words: Words,
}

/// The words of a command that are no options.
#[derive(PartialEq)]
enum Words {
    /// They do not matter once it is said what is meant.
    Any,
    /// The options behind the first of them are none: `git config core.pager evil --get` sets it.
    EndOptions,
    /// Without any of them it need not be said what is meant.
    None,
}

const SHOWN: &[&str] = &[
    "-v",
    "-vv",
    "--verbose",
    "-i",
    "--ignore-case",
    "--color",
    "--no-color",
    "--column",
    "--no-column",
    "--abbrev",
    "--no-abbrev",
    "-a",
    "--all",
    "-r",
    "--remotes",
    "--omit-empty",
];
const SORTED: &[&str] = &["--sort", "--format"];

const MILDER: &[Milder] = &[
    Milder {
        command: "branch",
        risk: Low,
        why: READS,
        says_so: &[
            "-l",
            "--list",
            "--contains",
            "--no-contains",
            "--merged",
            "--no-merged",
            "--points-at",
            "--show-current",
        ],
        beside: SHOWN,
        valued: SORTED,
        words: Words::None,
    },
    Milder {
        command: "tag",
        risk: Low,
        why: READS,
        says_so: &["-l", "--list", "-n", "--contains", "--no-contains", "--merged", "--no-merged", "--points-at"],
        beside: SHOWN,
        valued: SORTED,
        words: Words::None,
    },
    Milder {
        command: "remote",
        risk: Low,
        why: READS,
        says_so: &[],
        beside: &["-v", "--verbose"],
        valued: &[],
        words: Words::None,
    },
    Milder {
        command: "config",
        risk: Low,
        why: READS,
        says_so: &[
            "-l",
            "--list",
            "--get",
            "--get-all",
            "--get-regexp",
            "--get-urlmatch",
            "--get-color",
            "--get-colorbool",
        ],
        beside: &[
            "--global",
            "--system",
            "--local",
            "--worktree",
            "--show-origin",
            "--show-scope",
            "--name-only",
            "-z",
            "--null",
            "--bool",
            "--int",
            "--path",
            "--includes",
            "--no-includes",
        ],
        valued: &["-f", "--file", "--blob", "--type", "--default"],
        words: Words::EndOptions,
    },
    Milder {
        command: "clean",
        risk: Low,
        why: READS,
        says_so: &[
            "-n",
            "--dry-run",
            "-nd",
            "-dn",
            "-nx",
            "-xn",
            "-ndx",
            "-dnx",
            "-ndX",
            "-nfd",
            "-fdn",
            "-nfdx",
            "-fdxn",
        ],
        beside: &["-d", "-f", "--force", "-x", "-X", "-q", "--quiet", "-fd", "-df", "-fdx", "-xdf"],
        valued: &["-e", "--exclude"],
        words: Words::Any,
    },
    Milder {
        command: "push",
        risk: Medium,
        why: "asks another machine",
        says_so: &["-n", "--dry-run"],
        beside: &["-u", "--set-upstream", "-v", "--verbose", "-q", "--quiet", "--all", "--tags", "--progress"],
        valued: &[],
        words: Words::Any,
    },
    Milder {
        command: "restore",
        risk: Medium,
        why: "changes the index",
        says_so: &["-S", "--staged"],
        beside: &["-q", "--quiet", "-p", "--patch"],
        valued: &["-s", "--source"],
        words: Words::Any,
    },
];

/// What a call of git comes to that is less dangerous than its command.
pub(super) fn milder(arguments: &[Word]) -> Option<(Risk, &'static str)> {
    let (command, arguments) = command(arguments)?;
    let milder = MILDER.iter().find(|milder| milder.command == command)?;
    milder.fits(arguments).then_some((milder.risk, milder.why))
}

impl Milder {
    fn fits(&self, arguments: &[Word]) -> bool {
        let (mut is_said, mut has_words) = (false, false);
        let mut arguments = arguments.iter();
        while let Some(word) = arguments.next() {
            // What only the shell knows may be an option
            if !word.is_literal() {
                return false;
            }
            let text = word.text.as_str();
            let name = text.split('=').next().unwrap_or(text);
            // What stands behind this is no option
            if text == "--" {
                has_words |= arguments.len() > 0;
                break;
            }
            if self.says_so.contains(&name) {
                is_said = true;
            } else if self.valued.contains(&text) {
                let Some(value) = arguments.next() else { return false };
                if !value.is_literal() {
                    return false;
                }
            } else if !text.starts_with('-') {
                has_words = true;
                if self.words == Words::EndOptions {
                    break;
                }
            } else if !self.beside.contains(&name) && !self.valued.contains(&name) {
                return false;
            }
        }
        is_said || self.words == Words::None && !has_words
    }
}

/// Git's own command and what stands behind it.
fn command(arguments: &[Word]) -> Option<(&str, &[Word])> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let text = word.text.as_str();
        match text.starts_with('-') {
            true => at += if VALUED.contains(&text) { 2 } else { 1 },
            false => return Some((text, &arguments[at + 1..])),
        }
    }
    None
}

/// What git's arguments make of it beside what the table says.
pub(super) fn git(look: &mut Look<'_>) {
    let arguments = look.simple.arguments();
    let (command, behind) = command(arguments).unwrap_or_default();
    let is_command = |name: &str| arguments.iter().any(|word| word.text == name);
    // `+branch` forces, `:branch` deletes
    if is_command("push") && arguments.iter().any(|word| word.text.len() > 1 && word.text.starts_with(['+', ':'])) {
        look.reasons.add(Critical, "rewrites history that others may have");
    }
    if matches!(command, "fetch" | "pull") && behind.iter().any(|word| word.text.starts_with('+')) {
        look.reasons.add(High, "overwrites branches with those of another machine");
    }
    // `git -C /elsewhere`
    let elsewhere = arguments.iter().zip(arguments.iter().skip(1)).find(|(option, _)| option.text == "-C");
    if elsewhere.is_some_and(|(_, folder)| !folder.is_literal() || look.place(&folder.text).inside.is_none()) {
        look.reasons.add(Medium, "works in a repository outside of the project, whose settings decide what git runs");
    }
    let names_program = arguments
        .iter()
        .any(|word| ["ext::", "--upload-pack", "--receive-pack"].iter().any(|part| word.text.contains(part)));
    if names_program || command == "clone" && has_option(behind, "-u") {
        look.reasons.add(Critical, "git would run a program that stands in the line");
    }
    outputs(look);
}

/// Files that git is told to write.
fn outputs(look: &mut Look<'_>) {
    let Some((command, behind)) = command(look.simple.arguments()) else { return };
    let has_letter = matches!(command, "archive" | "format-patch");
    let mut files = Vec::new();
    let mut words = behind.iter();
    while let Some(word) = words.next() {
        let attached = ["--output=", "--output-directory="].iter().find_map(|option| word.text.strip_prefix(option));
        let attached = attached.or_else(|| word.text.strip_prefix("-o").filter(|_| has_letter));
        match (word.text.as_str(), attached) {
            ("--output" | "--output-directory", _) | (_, Some("")) => files.extend(words.next().cloned()),
            (_, Some(file)) => files.push(Word { text: file.to_owned(), ..word.clone() }),
            _ => {}
        }
    }
    if let ("bundle", [create, rest @ ..]) = (command, behind)
        && create.text == "create"
    {
        files.extend(rest.iter().find(|word| !word.text.starts_with('-')).cloned());
    }
    for file in files {
        look.touch(&file, Touch::Write);
    }
}

#[cfg(test)]
mod tests;
