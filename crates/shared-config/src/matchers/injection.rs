//! Options that turn a harmless program into one that runs, loads or obeys something else.
//!
//! A `*` in an allowlist stands for any arguments, and people who write `git log *` do not think of `--output` or of
//! `-c core.pager=…` before it. So these options count only where an entry names them. The list holds what is well known
//! and can't be complete: an entry is as wide as what its program can be told.

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
        long: &["--eval", "--file", "--directory"],
        short: &['f', 'C', 'E'],
        words: &[],
    },
    Dangerous {
        programs: &["gcc", "g++", "cc", "c++", "clang", "clang++"],
        long: &["-wrapper", "-fplugin", "-specs"],
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
            "--inspect",
        ],
        short: &['e', 'p', 'r'],
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

/// The dangerous options among the arguments of a known program, each as an entry of the allowlist would name it.
pub(super) fn dangerous_options(argv: &[String]) -> Vec<String> {
    let Some((program, arguments)) = argv.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    collect(&program_name(program), arguments, &mut found);
    // What an interpreter runs is the program that matters, and what follows is for that one
    if matches!(program_name(program).as_str(), "node" | "nodejs")
        && let Some(script) = arguments.iter().position(|argument| !argument.starts_with('-'))
    {
        found.clear();
        collect("node", &arguments[..script], &mut found);
        let inner = arguments[script].rsplit(['/', '\\']).next().unwrap_or_default().split('.').next();
        collect(inner.unwrap_or_default(), &arguments[script + 1..], &mut found);
    }
    found
}

/// `/usr/bin/git` and `GIT.EXE` are `git`.
fn program_name(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    ["exe", "cmd", "js", "cjs", "mjs"]
        .iter()
        .find_map(|ending| name.strip_suffix(&format!(".{ending}")).map(str::to_owned))
        .unwrap_or(name)
}

fn collect(program: &str, arguments: &[String], found: &mut Vec<String>) {
    let known = DANGEROUS.iter().filter(|entry| entry.programs.contains(&program));
    for entry in known {
        let mut is_over = false;
        for argument in arguments {
            // Behind `--` stand names; `find` and words know no such end
            is_over |= argument == "--";
            let option = if is_over { None } else { dangerous(entry, argument) };
            let word = entry.words.iter().find(|word| *word == argument).map(|word| (*word).to_owned());
            found.extend(option.or(word));
        }
    }
}

fn dangerous(entry: &Dangerous, argument: &str) -> Option<String> {
    let name = argument.split('=').next().unwrap_or(argument);
    let is_long = |option: &&&str| {
        // Many programs take `--upload` for `--upload-pack`
        let is_abbreviated = name.len() >= 4 && name.starts_with("--") && option.starts_with(name);
        name == **option || is_abbreviated
    };
    if let Some(option) = entry.long.iter().find(is_long) {
        return Some(if name == *option { *option } else { name }.to_owned());
    }
    let letters = argument.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
    // What follows a letter may be its value, so only what comes before the first that is no letter is looked at
    let mut letters = letters.chars().take_while(char::is_ascii_alphabetic);
    letters.find(|letter| entry.short.contains(letter)).map(|letter| format!("-{letter}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_dangerous() {
        let check = |line: &str, expected: &[&str]| {
            let argv: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(dangerous_options(&argv), expected, "{line}");
        };
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
}
