//! Programs that run code: a file, a text in the line, or what another program prints.

use mimir_shared_config::Risk;

use super::command::downloads;
use super::files::Touch;
use super::programs::Look;
use crate::shell::Simple;

/// A program that runs a file, code in the line, or what comes in.
pub(super) fn interpreted(look: &mut Look<'_>, name: &str) {
    let is_alone = look.operands().is_empty() && look.simple.input.is_none();
    let arguments = look.simple.arguments();
    if matches!(arguments, [only] if matches!(&*only.text, "--version" | "-V" | "-v" | "--help" | "-h")) {
        return;
    }
    look.reasons.add(Risk::Medium, format!("`{name}` runs code"));
    if is_alone || arguments.iter().any(|word| word.text == "-") {
        piped(look);
    }
    fed(look);
    let is_module = arguments.windows(2).find(|pair| pair.first().is_some_and(|word| word.text == "-m"));
    match is_module.and_then(|pair| pair.last()).map(|word| word.text.as_str()) {
        Some("pip" | "ensurepip") if arguments.iter().any(|word| word.text == "install") => {
            look.reasons.add(Risk::High, "installs packages, which run code of their own");
        }
        Some("http.server" | "SimpleHTTPServer") => look.reasons.add(Risk::High, "shows files to other machines"),
        Some("twine") => look.reasons.add(Risk::Critical, "publishes something for everyone"),
        _ => {}
    }
}

/// A shell: with a script in the line, which is looked at by itself; with a file; or with what comes in.
pub(super) fn shell(look: &mut Look<'_>) {
    let name = look.simple.name().to_owned();
    if matches!(look.simple.arguments(), [only] if matches!(&*only.text, "--version" | "--help")) {
        return;
    }
    let operands = look.operands();
    let has_script = look
        .simple
        .arguments()
        .iter()
        .any(|word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c'));
    if has_script {
        look.reasons.add(Risk::Medium, format!("`{name}` runs a script that stands in the line"));
    } else if let Some(file) = operands
        .first()
        .filter(|word| word.is_literal() && word.text != "-" && !look.has(&["-s"]))
        .map(|word| (*word).clone())
    {
        let place = look.place(&file.text);
        let inside = place.inside.is_some();
        look.touches.push((Touch::Read, place));
        match inside {
            true => look.reasons.add(Risk::Medium, format!("`{name}` runs `{}`, a file of the project", file.text)),
            false => {
                look.reasons.add(Risk::High, format!("`{name}` runs `{}`, a file outside of the project", file.text));
            }
        }
    } else {
        look.reasons.add(Risk::Medium, format!("`{name}` runs what it is given"));
        piped(look);
    }
    fed(look);
}

/// Code that comes in from another program.
fn piped(look: &mut Look<'_>) {
    let mut at = look.simple.reads_from;
    let mut sources = Vec::new();
    while let Some(source) = at.and_then(|index| look.line.commands.get(index)) {
        sources.push(source);
        at = source.reads_from;
        if sources.len() > look.line.commands.len() {
            break;
        }
    }
    let reads_file = look.simple.redirects.iter().any(|redirect| redirect.operator == "<");
    if sources.is_empty() && !reads_file {
        return;
    }
    look.reasons.add(Risk::High, "runs what another program prints, or what a file says");
    tell_sources(look, &sources);
}

/// Code that is put in place by a substitution.
pub(super) fn fed(look: &mut Look<'_>) {
    let sources = look.simple.fed_by.iter().filter_map(|index| look.line.commands.get(*index)).collect::<Vec<_>>();
    if sources.is_empty() {
        return;
    }
    look.reasons.add(Risk::High, "runs what another program prints");
    tell_sources(look, &sources);
}

fn tell_sources(look: &mut Look<'_>, sources: &[&Simple]) {
    if sources.iter().any(|source| downloads(source)) {
        look.reasons.add(Risk::Critical, "runs what comes from another machine, unread");
    }
    let hides = |source: &&Simple| {
        matches!(
            source.name(),
            "base64" | "base32" | "xxd" | "openssl" | "uudecode" | "gunzip" | "zcat" | "rev" | "tr" | "gpg"
        ) || source.name() == "printf"
            && source.arguments().iter().any(|word| word.text.contains("\\x") || word.text.contains("\\0"))
            || source.name() == "echo" && source.arguments().iter().any(|word| word.text == "-e")
    };
    if sources.iter().any(hides) {
        look.reasons.add(Risk::Critical, "runs a text that was made unreadable");
    }
}
