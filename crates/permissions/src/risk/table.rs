//! What the table of programs says about a command.

use mimir_shared_config::Risk;

use super::git;
use super::rows::{READERS, READS, ROWS};
use crate::shell::{Simple, Word};

/// Options that make a reader do no more than tell about itself.
const TELLS: [&str; 3] = ["--version", "--help", "-h"];

/// What is known about a command: the row with the most of its words, and what its options make of it.
pub(super) fn look_up(simple: &Simple) -> Option<(Risk, &'static str)> {
    let name = simple.name();
    let arguments = simple.arguments();
    let operands = operands(name, arguments);
    // `mkfs.ext4`
    let name = if name.starts_with("mkfs.") { "mkfs" } else { name };
    if matches!(arguments, [only] if TELLS.contains(&only.text.as_str())) && only_tells(name) {
        return Some((Risk::Low, READS));
    }
    if name == "git"
        && let Some(milder) = git::milder(arguments)
    {
        return Some(milder);
    }
    let rows = || ROWS.iter().filter(|(program, words, ..)| *program == name && begins_with(&operands, words));
    let Some(most) = rows().map(|(_, words, ..)| words.len()).max() else {
        // Known, and of the kind that only reads
        let is_reader = READERS.split_ascii_whitespace().any(|known| known == name);
        return is_reader.then_some((Risk::Low, READS));
    };
    let base =
        rows().filter(|(_, words, flags, ..)| flags.is_empty() && words.len() == most).map(|row| (row.3, row.4)).next();
    let base = base.or_else(|| {
        rows().filter(|(_, _, flags, ..)| flags.is_empty()).max_by_key(|row| row.1.len()).map(|row| (row.3, row.4))
    });
    let by_options = rows().filter(|(_, words, flags, ..)| {
        words.len() == most && !flags.is_empty() && flags.iter().any(|flag| has_option(arguments, flag))
    });
    let by_options = by_options.map(|row| (row.3, row.4)).max_by_key(|(risk, _)| *risk);
    // An option may also take away: `git clean -n`. Of several the gravest counts
    by_options.or(base)
}

/// Whether a program that is known says no more with `--version` than what it is: an unknown one may do anything.
fn only_tells(name: &str) -> bool {
    ROWS.iter().any(|(program, ..)| *program == name)
        || matches!(
            name,
            "node"
                | "python"
                | "python3"
                | "ruby"
                | "perl"
                | "java"
                | "javac"
                | "rustc"
                | "bash"
                | "sh"
                | "zsh"
                | "php"
        )
}

/// The words that are no options, without the values of options that stand before a command of the program's own.
fn operands<'a>(name: &str, arguments: &'a [Word]) -> Vec<&'a str> {
    let with_value: &[&str] = match name {
        "git" => git::VALUED,
        "docker" | "podman" => &["-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "-f"],
        "kubectl" | "helm" => &["-n", "--namespace", "--context", "--kubeconfig", "--cluster", "-s", "--server"],
        "npm" | "pnpm" | "yarn" => &["--prefix", "-C", "--dir", "--cwd", "-w", "--workspace", "--filter", "-F"],
        "cargo" => &["--manifest-path", "--config", "-Z", "--color", "-C"],
        "gh" => &["-R", "--repo"],
        "aws" => &["--profile", "--region", "--endpoint-url", "--output"],
        "terraform" | "tofu" => &["-chdir"],
        "uv" | "poetry" => &["--directory", "--project", "-C", "-P"],
        _ => &[],
    };
    let mut found = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if with_value.contains(&text) && found.is_empty() {
            words.next();
        } else if !(text.starts_with(['-', '+']) && text.len() > 1) {
            found.push(text);
        }
    }
    found
}

fn begins_with(operands: &[&str], words: &str) -> bool {
    let mut operands = operands.iter();
    words.split_ascii_whitespace().all(|word| operands.next().is_some_and(|operand| *operand == word))
}

/// Whether an option is there: long ones with a value or abbreviated, letters among others.
pub(super) fn has_option(arguments: &[Word], option: &str) -> bool {
    let ends = if option == "--" { arguments.len() } else { end_of_options(arguments) };
    arguments.iter().take(ends).any(|word| {
        let text = word.text.as_str();
        if text == option {
            return true;
        }
        if option.starts_with("--") && option.len() > 2 {
            let given = text.split('=').next().unwrap_or(text);
            return given.len() >= 3 && given.starts_with("--") && option.starts_with(given);
        }
        let Some(letter) = option.strip_prefix('-').filter(|letter| letter.len() == 1) else { return false };
        let letters = text.strip_prefix('-').filter(|letters| !letters.starts_with('-')).unwrap_or_default();
        letters.chars().take_while(char::is_ascii_alphabetic).any(|c| letter.starts_with(c))
    })
}

fn end_of_options(arguments: &[Word]) -> usize {
    arguments.iter().position(|word| word.text == "--").unwrap_or(arguments.len())
}
