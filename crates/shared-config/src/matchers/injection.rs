//! Options that turn a harmless program into one that runs, loads or obeys something else.
//!
//! A `*` in an allowlist stands for any arguments, and people who write `git log *` do not think of `--output` or of
//! `-c core.pager=…` before it. So these options count only where an entry names them. The list holds what is well known
//! and can't be complete: an entry is as wide as what its program can be told.

use std::collections::HashSet;

/// The options of one program.
struct Dangerous {
    /// Names of the program, without folder and ending.
    programs: &'static [&'static str],
    /// Long options, also with `=value` and abbreviated; and options of one dash with several letters, as they are.
    long: &'static [&'static str],
    /// Options of one letter, also with a value attached or behind others (`-xO`).
    short: &'static [char],
    /// Words that are commands of the program's own: `git config`.
    words: &'static [&'static str],
}

const DANGEROUS: &[Dangerous] = &[
    Dangerous {
        programs: &["git"],
        long: &[
            "--config-env",
            "--config",
            "--exec-path",
            "--exec",
            "--upload-pack",
            "--receive-pack",
            "--open-files-in-pager",
            "--extcmd",
            "--ext-diff",
            "--textconv",
            "--template",
            "--git-dir",
            "--work-tree",
            "--output",
            "--command",
            "--tool",
        ],
        short: &['c', 'C', 'O', 'x'],
        words: &["config", "bisect", "filter-branch", "submodule", "difftool", "mergetool"],
    },
    Dangerous {
        programs: &["find"],
        long: &["-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint", "-fprint0", "-fprintf", "-fls"],
        short: &[],
        words: &[],
    },
    Dangerous { programs: &["fd", "fdfind"], long: &["--exec", "--exec-batch"], short: &['x', 'X'], words: &[] },
    Dangerous { programs: &["rg", "ripgrep"], long: &["--pre", "--hostname-bin"], short: &[], words: &[] },
    Dangerous {
        programs: &["tar", "bsdtar", "gtar"],
        long: &[
            "--to-command",
            "--checkpoint-action",
            "--use-compress-program",
            "--rsh-command",
            "--info-script",
            "--new-volume-script",
        ],
        short: &['I', 'F'],
        words: &[],
    },
    Dangerous { programs: &["zip"], long: &["--unzip-command"], short: &['T'], words: &[] },
    Dangerous { programs: &["sort"], long: &["--compress-program", "--output"], short: &['o'], words: &[] },
    Dangerous { programs: &["split"], long: &["--filter"], short: &[], words: &[] },
    Dangerous { programs: &["rsync"], long: &["--rsh", "--rsync-path"], short: &['e'], words: &[] },
    Dangerous { programs: &["ssh", "scp", "sftp"], long: &[], short: &['o', 'F', 'S'], words: &[] },
    Dangerous {
        programs: &["curl"],
        long: &["--config", "--output", "--upload-file"],
        short: &['K', 'o', 'O', 'T'],
        words: &[],
    },
    Dangerous {
        programs: &["wget"],
        long: &["--use-askpass", "--execute", "--config"],
        short: &['e', 'O'],
        words: &[],
    },
    Dangerous {
        programs: &["man"],
        long: &["--pager", "--html", "--config-file"],
        short: &['P', 'H', 'C'],
        words: &[],
    },
    Dangerous { programs: &["tcpdump"], long: &[], short: &['z'], words: &[] },
    Dangerous { programs: &["env"], long: &["--split-string"], short: &['S'], words: &[] },
    Dangerous {
        programs: &["make", "gmake"],
        long: &["--eval", "--file", "--makefile", "--directory", "--include-dir", "--environment-overrides"],
        short: &['f', 'C', 'E', 'I', 'e'],
        words: &[],
    },
    Dangerous {
        programs: &["gcc", "g++", "cc", "c++", "clang", "clang++"],
        long: &["-wrapper", "-fplugin", "-specs", "--specs"],
        short: &['B'],
        words: &[],
    },
    Dangerous {
        programs: &["go"],
        long: &["-toolexec", "--toolexec", "-exec", "--exec", "-overlay"],
        short: &[],
        words: &["generate", "env"],
    },
    Dangerous { programs: &["cargo"], long: &["--config", "--manifest-path"], short: &['C'], words: &[] },
    Dangerous {
        programs: &["npm", "pnpm", "yarn"],
        long: &["--script-shell", "--node-options", "--prefix", "--userconfig", "--globalconfig", "--call", "--git"],
        short: &['C'],
        words: &["exec", "x", "dlx", "config", "set"],
    },
    Dangerous { programs: &["npx"], long: &["--call", "--node-options"], short: &['c'], words: &[] },
    Dangerous {
        programs: &["node", "nodejs"],
        long: &[
            "--eval",
            "--print",
            "--require",
            "--import",
            "--loader",
            "--experimental-loader",
            "--env-file",
            "--env-file-if-exists",
            "--inspect",
            "--inspect-brk",
            "--interactive",
            "--openssl-config",
            "--test-reporter",
            "--experimental-config-file",
        ],
        short: &['e', 'p', 'r', 'i'],
        words: &[],
    },
    Dangerous {
        programs: &["prettier"],
        long: &["--plugin", "--config", "--plugin-search-dir", "--find-config-path"],
        short: &[],
        words: &[],
    },
    Dangerous {
        programs: &["eslint"],
        long: &["--config", "--rulesdir", "--plugin", "--parser", "--format", "--resolve-plugins-relative-to"],
        short: &['c', 'f'],
        words: &[],
    },
];

/// Programs that take what follows `--` for names, whatever it looks like. Not `find`, to which it is a place to look in, nor
/// `tar`, whose options may stand without a dash (`tar xf -- --checkpoint-action=…`).
const WITH_AN_END: &[&str] =
    &["git", "fd", "rg", "sort", "rsync", "curl", "wget", "make", "cargo", "npm", "npx", "node", "prettier", "eslint"];

/// Options of `node` that take no value from the next argument. Of any other the next argument may be the value, and then
/// the script comes later.
const FLAGS_OF_NODE: &[&str] = &[
    "--",
    "--check",
    "-c",
    "--enable-source-maps",
    "--experimental-strip-types",
    "--experimental-vm-modules",
    "--expose-gc",
    "--preserve-symlinks",
    "--preserve-symlinks-main",
    "--test",
    "--throw-deprecation",
    "--trace-deprecation",
    "--trace-uncaught",
    "--trace-warnings",
    "--watch",
];

/// With these `node` does something else than to run what comes in.
const WITHOUT_SCRIPT: &[&str] = &["--version", "-v", "--help", "-h", "--v8-options", "--test", "--run"];

/// The dangerous options among the arguments of a known program, each as an entry of the allowlist would name it.
pub fn dangerous_options(argv: &[String]) -> Vec<String> {
    let Some((program, arguments)) = argv.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    let name = program_name(program);
    if matches!(name.as_str(), "node" | "nodejs") {
        collect_node(arguments, &mut found);
    } else {
        collect(&name, arguments, &mut found);
    }
    let mut seen = HashSet::new();
    found.retain(|option| seen.insert(option.clone()));
    found
}

/// What an interpreter runs is the program that matters, and what follows is for that one. Where that is not certain, it is
/// looked at for both.
fn collect_node(arguments: &[String], found: &mut Vec<String>) {
    let mut script = None;
    // An option that may take the next argument for its value, and one that did if it does
    let (mut valued, mut uncertain) = (None, None);
    for (at, argument) in arguments.iter().enumerate() {
        if argument.starts_with('-') && argument != "-" {
            let is_flag = FLAGS_OF_NODE.contains(&argument.as_str()) || argument.starts_with("--no-");
            valued = (!is_flag && !argument.contains('=')).then_some(argument);
            continue;
        }
        collect(&program_name(argument), &arguments[at + 1..], found);
        if valued.is_none() {
            script = Some(at);
            break;
        }
        uncertain = valued.take();
    }
    let own = &arguments[..script.map_or(arguments.len(), |at| at + 1)];
    collect("node", own, found);
    // Without a script it runs its input
    let has_script = script.is_some_and(|at| arguments[at] != "-");
    if !arguments.is_empty() && !has_script && !own.iter().any(|option| WITHOUT_SCRIPT.contains(&option.as_str())) {
        found.push(uncertain.filter(|_| script.is_none()).map_or("-", String::as_str).to_owned());
    }
}

/// `/usr/bin/git` and `GIT.EXE` are `git`, `gcc-13` is `gcc`, and `bin/npm-cli.js` is `npm`.
fn program_name(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    let endings = [".exe", ".cmd", ".js", ".cjs", ".mjs", "-cli"];
    let name = endings.iter().fold(name.as_str(), |name, ending| name.strip_suffix(ending).unwrap_or(name));
    let name = name.strip_prefix("bin-").unwrap_or(name);
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end_matches('-').to_owned()
}

fn collect(program: &str, arguments: &[String], found: &mut Vec<String>) {
    let known = DANGEROUS.iter().filter(|entry| entry.programs.contains(&program));
    for entry in known {
        let has_end = WITH_AN_END.contains(&entry.programs[0]);
        let mut is_over = false;
        for (at, argument) in arguments.iter().enumerate() {
            // Behind an option `--` may be its value: `curl -H -- -o x`
            is_over |= has_end && argument == "--" && (at == 0 || !arguments[at - 1].starts_with('-'));
            let option = if is_over { None } else { dangerous(entry, argument) };
            let option = option.or_else(|| bundled(entry, at, argument)).or_else(|| assigned(entry, argument));
            let word = entry.words.iter().find(|word| *word == argument).map(|word| (*word).to_owned());
            found.extend(option.or(word));
        }
    }
}

fn dangerous(entry: &Dangerous, argument: &str) -> Option<String> {
    let written = argument.split('=').next().unwrap_or(argument);
    let is_node = entry.programs.contains(&"node");
    // Node takes `--env_file` for `--env-file`
    let name = if is_node { written.replace('_', "-") } else { written.to_owned() };
    let is_long = |option: &&&str| {
        // Many programs take `--u` for `--upload-pack`
        let is_abbreviated = !is_node && name.len() > 2 && name.starts_with("--") && option.starts_with(&name);
        name == **option || is_abbreviated
    };
    if entry.long.iter().any(|option| is_long(&option)) {
        return Some(written.to_owned());
    }
    let letters = argument.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
    letter(entry, letters)
}

fn letter(entry: &Dangerous, letters: &str) -> Option<String> {
    // What follows a letter may be its value, so only what comes before the first that is no letter is looked at
    let mut letters = letters.chars().take_while(char::is_ascii_alphabetic);
    letters.find(|letter| entry.short.contains(letter)).map(|letter| format!("-{letter}"))
}

/// The first argument of `tar` needs no dash: `tar cIf PROGRAM a.tar b`.
fn bundled(entry: &Dangerous, at: usize, argument: &str) -> Option<String> {
    (at == 0 && entry.programs.contains(&"tar")).then(|| letter(entry, argument)).flatten()
}

/// `make` runs what a variable's value says (`A!=id`, `A=$(shell id)`) and obeys some.
fn assigned(entry: &Dangerous, argument: &str) -> Option<String> {
    const OBEYED: &[&str] = &["SHELL", ".SHELLFLAGS", "MAKE", "MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES"];
    if !entry.programs.contains(&"make") || argument.starts_with('-') {
        return None;
    }
    let (name, value) = argument.split_once('=')?;
    let runs = name.ends_with('!') || value.contains('$');
    let name = name.trim_end_matches(['!', ':', '+', '?']);
    (runs || OBEYED.contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expected: &[&str]) {
        // A `$(…)` is one argument
        let line = line.replace("shell id", "shell\u{a0}id");
        let argv: Vec<_> = line.split(' ').map(|word| word.replace('\u{a0}', " ")).collect();
        assert_eq!(dangerous_options(&argv), expected, "{line}");
    }

    #[test]
    fn finds_what_is_dangerous() {
        check("git status --short", &[]);
        check("git -c a=b status", &["-c"]);
        check("git -ca=b status", &["-c"]);
        check("/usr/bin/git --config-env=a=b status", &["--config-env"]);
        check("git fetch --upload-pa=x", &["--upload-pa"]);
        check("git fetch --upload-pack x", &["--upload-pack"]);
        check("git log -- -c", &[]);
        check("git config core.pager x", &["config"]);
        check("git add src/config", &[]);
        check("find . -name x", &[]);
        check("find . -name x -execdir y ;", &["-execdir"]);
        check("tar xf a --checkpoint-action=exec=x", &["--checkpoint-action"]);
        check("tar -xIz -f a", &["-I"]);
        check("node -e 1", &["-e"]);
        check("node x.js -e 1", &[]);
        check("node --import=x y.js", &["--import"]);
        check("node node_modules/prettier/bin/prettier.cjs --write a.ts", &[]);
        check("node node_modules/prettier/bin/prettier.cjs --write --plugin=./x.js a.ts", &["--plugin"]);
        check("node_modules/.bin/prettier --plugin ./x.js a.ts", &["--plugin"]);
        check("unknown --exec x", &[]);
    }

    #[test]
    fn an_end_of_the_options_counts_only_where_it_is_one() {
        check("git log -- -c", &[]);
        check("find -- . -exec id ;", &["-exec"]);
        check("curl -H -- -o x", &["-o"]);
        check("git log --grep -- --output=x", &["--output"]);
        check("tar xf -- --checkpoint-action=exec=x", &["--checkpoint-action"]);
        check("tar xf a -- --checkpoint-action=exec=x", &["--checkpoint-action"]);
        check("sort -k -- --compress-program=x", &["--compress-program"]);
        check("npm run lint -- --prefix src", &[]);
        check("npm -- exec", &["exec"]);
    }

    #[test]
    fn abbreviations_and_bundles_are_options() {
        check("git ls-remote --u=./evil .", &["--u"]);
        check("git ls-remote --up ./evil .", &["--up"]);
        check("tar cIf ./x a.tar b", &["-I"]);
        check("tar cf a.tar b", &[]);
        check("gcc-13 -wrapper x", &["-wrapper"]);
        check("make --makefile=mk", &["--makefile"]);
        check("make --mak mk", &["--mak"]);
        check("make --include-dir=x", &["--include-dir"]);
        check("make -Ix", &["-I"]);
        check("make SHELL=./x", &["SHELL"]);
        check("make A!=id", &["A"]);
        check("make A=$(shell id)", &["A"]);
        check("make A::=$(shell id)", &["A"]);
        check("make V=1 all", &[]);
    }

    #[test]
    fn the_script_of_node_is_what_node_takes_for_it() {
        check("node --conditions x -e code", &["-e"]);
        check("node -C x -e code", &["-e"]);
        check("node --no-warnings x.js -e code", &[]);
        check("node --title=x y.js -e code", &[]);
        check("node --env_file=x y.js", &["--env_file"]);
        check("node --title x y.js -e code", &[]);
        check("node --title x node_modules/.bin/prettier --plugin y", &["--plugin"]);
        check("node --title prettier --plugin y", &["--plugin"]);
        check("node node_modules/npm/bin/npm-cli.js exec", &["exec"]);
        check("node --title x", &["--title"]);
        check("node --some-flag x.js", &["--some-flag"]);
        check("node --some-flag x.js y", &[]);
        check("node node_modules/prettier/bin-prettier.js --plugin x", &["--plugin"]);
        check("node -", &["-"]);
        check("node --no-warnings", &["-"]);
        check("node -i", &["-i", "-"]);
        check("node --version", &[]);
        check("node --test", &[]);
        check("node -- x.js -e", &[]);
        check("node", &[]);
    }

    fn any_dangerous() -> impl Strategy<Value = (&'static str, String)> {
        let options = DANGEROUS.iter().flat_map(|entry| {
            let long = entry.long.iter().flat_map(|option| {
                // Only long options of two dashes are abbreviated, and not those of node
                let is_abbreviated = option.starts_with("--") && entry.programs[0] != "node";
                let shortest = if is_abbreviated { 3 } else { option.len() };
                (shortest..=option.len()).map(|length| option[..length].to_owned())
            });
            let short = entry.short.iter().map(|letter| format!("-{letter}"));
            let words = entry.words.iter().map(|word| (*word).to_owned());
            long.chain(short).chain(words).map(|option| (entry.programs[0], option)).collect::<Vec<_>>()
        });
        prop::sample::select(options.collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn no_place_among_the_options_hides_one(
            (program, option) in any_dangerous(),
            before in prop::collection::vec(prop::sample::select(vec!["-q", "--quiet", "--x=y", "--quiet --", "--x v"]), 0..4),
            after in prop::collection::vec("[-a-z=./]{0,6}", 0..4),
            value in prop::option::of("[a-z./]{0,4}"),
        ) {
            let given = match &value {
                Some(value) if option.starts_with("--") => format!("{option}={value}"),
                _ => option.clone(),
            };
            let before = before.iter().flat_map(|words| words.split(' ')).map(str::to_owned);
            let argv: Vec<_> =
                std::iter::once(program.to_owned()).chain(before).chain([given]).chain(after).collect();
            prop_assert!(dangerous_options(&argv).contains(&option), "{argv:?}");
        }
    }
}
