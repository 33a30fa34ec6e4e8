//! One attack: a plugin's module, and what its header says about it.

use std::collections::BTreeMap;

use mimir_shared_platform::Guard;

use crate::place::is_by_the_clock;

/// The folders of `fixtures/attacks`.
pub(super) const CLASSES: [&str; 10] =
    ["environment", "exec", "file-system", "frames", "native", "network", "realm", "resources", "secrets", "trust"];

/// What a header may say; `fixtures/attacks/README.md` says what each means.
const KEYS: [&str; 17] = [
    "attack",
    "guard",
    "also",
    "expect",
    "without",
    "manifest",
    "setup",
    "config",
    "user-config",
    "policy",
    "event",
    "times",
    "env",
    "plugin",
    "run",
    "friend",
    "unseen",
];

/// A file of `fixtures/attacks`.
#[derive(Debug)]
pub(super) struct Case {
    /// Its path there: `file-system/link.ts`.
    pub(super) name: String,
    pub(super) class: String,
    pub(super) guard: Guard,
    /// Names of guards that stand behind it, and are taken out together with it.
    pub(super) also: Vec<&'static str>,
    pub(super) expect: Verdict,
    pub(super) without: Option<Verdict>,
    /// The other keys, as they stand there.
    pub(super) values: BTreeMap<String, String>,
    pub(super) module: String,
}

/// What came of an attack, or what is expected of it, with words that have to occur in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was refused or came to nothing.
    Held(String),
    /// It reached what it wanted.
    Escaped,
    /// It ran into a limit, or was a failure of its plugin.
    Limited(String),
    /// The plugin does not run at all.
    NotLoaded(String),
    /// Mimir itself did not get to its end.
    Broken(String),
}

impl Verdict {
    fn parse(text: &str) -> Option<Self> {
        let (word, said) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let said = said.trim().to_owned();
        match word {
            "held" => Some(Self::Held(said)),
            "escaped" if said.is_empty() => Some(Self::Escaped),
            "limited" => Some(Self::Limited(said)),
            "not-loaded" => Some(Self::NotLoaded(said)),
            _ => None,
        }
    }

    /// Whether `found` is what `self` expects.
    pub(super) fn is_met_by(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Held(expected), Self::Held(said))
            | (Self::Limited(expected), Self::Limited(said))
            | (Self::NotLoaded(expected), Self::NotLoaded(said)) => said.contains(expected.as_str()),
            (Self::Escaped, Self::Escaped) => true,
            _ => false,
        }
    }

    /// Whether it is the clock on the wall that ended it: what it came to with more time is not known.
    pub(super) fn is_for_lack_of_time(&self) -> bool {
        matches!(self, Self::Limited(said) if is_by_the_clock(said))
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held(said) => write!(formatter, "held {said}"),
            Self::Escaped => formatter.write_str("escaped"),
            Self::Limited(said) => write!(formatter, "limited {said}"),
            Self::NotLoaded(said) => write!(formatter, "not-loaded {said}"),
            Self::Broken(said) => write!(formatter, "broken {said}"),
        }
    }
}

impl Case {
    /// Reads a file; an error names it and the line.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (class, _) = name.split_once('/').ok_or(format!("{name}: no class"))?;
        if !CLASSES.contains(&class) {
            return Err(format!("{name}: {class} is no class: {}", CLASSES.join(", ")));
        }
        let mut values = header(text).map_err(|(line, error)| format!("{name}:{line}: {error}"))?;
        let mut take = |key: &str| values.remove(key);
        let mut need =
            |key: &str| take(key).filter(|(_, value)| !value.is_empty()).ok_or(format!("{name}:1: no `{key}`"));
        need("attack")?;
        let (line, guard) = need("guard")?;
        let known = Guard::ALL.iter().find(|known| known.name() == guard);
        let guard = *known.ok_or(format!("{name}:{line}: there is no guard `{guard}`"))?;
        let also = need("also").map_or(Ok(Vec::new()), |(line, names)| {
            let known = |name: &str| Guard::ALL.iter().map(|guard| guard.name()).find(|known| *known == name);
            let each = names.split(',').map(str::trim);
            each.map(|name| known(name).ok_or(format!("{name}:{line}: there is no guard `{name}`"))).collect()
        })?;
        let verdict = |(line, value): (usize, String)| {
            Verdict::parse(&value).ok_or(format!("{name}:{line}: `{value}` is no verdict"))
        };
        let expect = verdict(need("expect")?)?;
        let without = values.remove("without").map(verdict).transpose()?;
        if without.as_ref() == Some(&expect) {
            return Err(format!("{name}: nothing would change without {}", guard.name()));
        }
        let values = values.into_iter().map(|(key, (_, value))| (key, value)).collect();
        Ok(Self {
            name: name.to_owned(),
            class: class.to_owned(),
            guard,
            also,
            expect,
            without,
            values,
            module: text.to_owned(),
        })
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        assert!(KEYS.contains(&key), "{key}");
        self.values.get(key).map(String::as_str)
    }

    /// The folder of the attacking plugin, in the world.
    pub(super) fn plugin(&self) -> &str {
        self.value("plugin").unwrap_or("plugins/attacker")
    }

    /// The lines of a value, without blank ones.
    pub(super) fn lines(&self, key: &str) -> impl Iterator<Item = &str> {
        self.value(key).unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty())
    }
}

type Values = BTreeMap<String, (usize, String)>;

/// The leading comments: `key: value`, and lines indented deeper that continue the value.
fn header(text: &str) -> Result<Values, (usize, String)> {
    let mut values = Values::new();
    let mut blocks: Vec<(usize, String, String, Vec<String>)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(said) = line.strip_prefix("//") else { break };
        let said = said.strip_prefix(' ').unwrap_or(said);
        match blocks.last_mut() {
            Some((_, _, _, more)) if said.starts_with(' ') || said.trim().is_empty() => more.push(said.to_owned()),
            _ => {
                let (key, value) = said.split_once(':').ok_or((index + 1, "`key: value` is expected".to_owned()))?;
                if !KEYS.contains(&key) {
                    return Err((index + 1, format!("`{key}` is no key of a header: {}", KEYS.join(", "))));
                }
                blocks.push((index + 1, key.to_owned(), value.trim().to_owned(), Vec::new()));
            }
        }
    }
    for (line, key, first, more) in blocks {
        let indent =
            more.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
        let indent = indent.min().unwrap_or(0);
        let more: Vec<&str> = more.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
        // What stands for people is one sentence, however it is wrapped
        let between = if key == "attack" { " " } else { "\n" };
        let value = [vec![first.as_str()], more].concat().join(between).trim().to_owned();
        if values.insert(key.clone(), (line, value)).is_some() {
            return Err((line, format!("`{key}` stands there twice")));
        }
    }
    Ok(values)
}

#[test]
fn only_what_the_clock_ended_may_be_run_again() {
    let check = |verdict: Verdict, expected: bool| {
        assert_eq!(verdict.is_for_lack_of_time(), expected, "{verdict}");
    };
    check(Verdict::Limited("it did not answer within 5000 ms".to_owned()), true);
    check(Verdict::Limited("attacker: failed: it did not start within 1000 ms".to_owned()), true);
    let killed = "its sandbox process had to be killed: it did not answer, and did not react to being stopped";
    check(Verdict::Limited(killed.to_owned()), true);
    check(Verdict::Limited("it took more than 100 ms of CPU time".to_owned()), false);
    check(Verdict::Limited("the process crashed (signal: 11)".to_owned()), false);
    // Its own words count for nothing
    check(Verdict::Held("it did not answer".to_owned()), false);
    check(Verdict::Escaped, false);
    check(Verdict::Broken("it did not answer".to_owned()), false);
}

#[test]
fn headers_are_read_strictly() {
    let good = "// attack: reads\n//   a key\n// guard: fs.beneath\n// expect: held CAPABILITY_DENIED\n// without: escaped\n\
                // manifest:\n//   capabilities:\n//     wasm: true\n\nexport default 1 // expect: x\n";
    let case = Case::parse("file-system/x.ts", good).unwrap();
    assert_eq!(case.expect, Verdict::Held("CAPABILITY_DENIED".to_owned()));
    assert_eq!(case.value("manifest"), Some("capabilities:\n  wasm: true"));

    for (from, to, error) in [
        ("// guard: fs.beneath\n", "", "file-system/x.ts:1: no `guard`"),
        ("fs.beneath", "fs.none", "file-system/x.ts:3: there is no guard `fs.none`"),
        ("without: escaped", "without: escaped it", "file-system/x.ts:5: `escaped it` is no verdict"),
        (
            "without: escaped",
            "without: held CAPABILITY_DENIED",
            "file-system/x.ts: nothing would change without fs.beneath",
        ),
        ("manifest:", "manifesto:", "file-system/x.ts:6: `manifesto` is no key of a header"),
        ("without: ", "expect: ", "file-system/x.ts:5: `expect` stands there twice"),
        ("// guard: ", "// guard ", "file-system/x.ts:3: `key: value` is expected"),
    ] {
        let found = Case::parse("file-system/x.ts", &good.replace(from, to)).unwrap_err();
        assert!(found.starts_with(error), "{found}");
    }
}
