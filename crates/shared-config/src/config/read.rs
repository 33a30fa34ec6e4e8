use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::agent_check;
use super::entry::{PluginEntry, PluginPattern, PluginSpec};
use super::{ConfigFile, ConfigSources, ConfigText, Layer, Origin};
use crate::check::{self, Findings, Wrong};
use crate::error::ConfigError;
use crate::manifest_parse::{check_capabilities, check_limits};
use crate::problem::{InvalidFile, Problem, line_and_column};
use crate::yaml::{Node, PathPart};
use crate::{PluginId, schema};

/// What one layer says, with the place of each entry.
pub(super) struct ReadLayer {
    pub(super) layer: Layer,
    pub(super) file: ConfigFile,
    /// The file, variable or flag for which there is no finer place.
    place: String,
    base: PathBuf,
    text: String,
    root: Option<Node>,
    /// For layers without lines: the key path of a list and the name of what set it.
    setters: Vec<(Vec<String>, String)>,
}

impl ReadLayer {
    /// The entries of a list of plugins.
    pub(super) fn entries(&self, keys: &[&str], texts: &[String]) -> Vec<PluginEntry> {
        let read = |(index, text): (usize, &String)| {
            let spec = PluginSpec::parse(text, &self.base).ok()?;
            Some(PluginEntry { spec, text: text.clone(), origin: self.origin(keys, Some(index)) })
        };
        texts.iter().enumerate().filter_map(read).collect()
    }

    /// The entries of an allowlist or blocklist.
    pub(super) fn patterns(&self, keys: &[&str], texts: &[String]) -> Vec<PluginPattern> {
        let read =
            |(index, text): (usize, &String)| PluginPattern::new(text, &self.base, self.origin(keys, Some(index)));
        texts.iter().enumerate().map(read).collect()
    }

    pub(super) fn origin(&self, keys: &[&str], index: Option<usize>) -> Origin {
        let mut path = check::key_path(keys);
        path.extend(index.map(PathPart::Index));
        let node = self.root.as_ref().and_then(|root| root.at(&path));
        let line = node.map(|node| line_and_column(&self.text, node.span.start).0);
        let setter = self.setters.iter().find(|(set, _)| set.iter().map(String::as_str).eq(keys.iter().copied()));
        let place = setter.map_or_else(|| self.place.clone(), |(_, name)| name.clone());
        Origin { layer: self.layer, place, line }
    }

    /// What relative paths are relative to.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn of_value(layer: Layer, place: &str, base: &Path, file: ConfigFile, setters: Vec<(Vec<String>, String)>) -> Self {
        let (place, base) = (place.to_owned(), base.to_path_buf());
        Self { layer, file, place, base, text: String::new(), root: None, setters }
    }
}

/// Reads all layers, from the weakest to the strongest. All that is wrong in files is reported at once. Also gives notices
/// for people.
pub(super) fn read_all(sources: &ConfigSources) -> Result<(Vec<ReadLayer>, Vec<String>), ConfigError> {
    let (mut invalid, mut notices) = (Vec::new(), Vec::new());
    let mut file = |layer, source: &Option<ConfigText>| {
        let wrong = |file: InvalidFile| match layer {
            // Nobody asked for it, and it could only narrow: it must not keep anybody from working in this folder
            Layer::Project if !sources.project_trusted => notices.push(left_out(&file)),
            _ => invalid.push(file),
        };
        source.as_ref().and_then(|source| read_file(layer, source).map_err(wrong).ok())
    };
    let user = file(Layer::User, &sources.user);
    let project = file(Layer::Project, &sources.project);
    let policy = file(Layer::Policy, &sources.policy);
    if !invalid.is_empty() {
        return Err(ConfigError::Invalid { files: invalid });
    }
    let (environment, more) = read_environment(sources)?;
    notices.extend(more);
    let flags = read_flags(sources)?;
    Ok(([user, project, environment, flags, policy].into_iter().flatten().collect(), notices))
}

/// Says in one line why the configuration of a repository that is not trusted does not count. The rest is shown to who
/// trusts it.
fn left_out(file: &InvalidFile) -> String {
    let InvalidFile { file, problems, .. } = file;
    let (mut first, mut more) = (String::new(), String::new());
    if let [Problem { message, help, line, .. }, others @ ..] = problems.as_slice() {
        let help = help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        first = format!(":{line}: {message}{help}");
        if !others.is_empty() {
            more = format!("; and {} more", others.len());
        }
    }
    let text = format!("this repository's configuration is left out, since it is wrong: {file}{first}{more}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_file(layer: Layer, source: &ConfigText) -> Result<ReadLayer, InvalidFile> {
    let place = source.path.display().to_string();
    match check::read(&source.text, &schema::CONFIG, find_more) {
        Ok((file, document)) => Ok(ReadLayer {
            layer,
            file,
            place,
            base: source.folder().to_path_buf(),
            text: source.text.clone(),
            root: document.root,
            setters: Vec::new(),
        }),
        Err(problems) => Err(InvalidFile::new(&place, &agent_check::masked(&source.text), problems)),
    }
}

impl ConfigFile {
    /// Reads one file by itself. `file_name` is only for messages.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong in it.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigError> {
        check::read(text, &schema::CONFIG, find_more)
            .map(|(file, _)| file)
            .map_err(|problems| ConfigError::invalid(InvalidFile::new(file_name, &agent_check::masked(text), problems)))
    }
}

/// What no schema can say.
fn find_more(findings: &mut Findings<'_>) {
    for keys in [&["plugins", "enabled"][..], &["plugins", "disabled"], &["teams", "plugins", "required"]] {
        findings.check_texts(keys, |text| {
            PluginSpec::parse(text, Path::new("")).map(drop).map_err(|error| Wrong::new(error.to_string()))
        });
    }
    for key in ["options", "overrides"] {
        let keys = findings.value(&["plugins", key]).and_then(Value::as_object);
        let wrong =
            keys.into_iter().flat_map(Map::keys).filter_map(|name| Some((name.clone(), PluginId::new(name).err()?)));
        for (name, error) in wrong.collect::<Vec<_>>() {
            findings.add_key(&["plugins", key], &name, Wrong::new(error.to_string()));
        }
    }
    let overrides = findings.value(&["plugins", "overrides"]).and_then(Value::as_object);
    for name in overrides.into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>() {
        check_limits(findings, &["plugins", "overrides", &name, "limits"]);
    }
    check_capabilities(findings, &["teams", "plugins", "capabilities"]);
    agent_check::check(findings);
}

/// What a variable can set, by its name: the model, and every plain value and list of texts in these sections. What a team
/// says and what differs by plugin has its place in a file, and so has what opens something: a variable is set by whoever
/// starts Mimir, which may be a script.
fn variables() -> Vec<(String, Vec<String>)> {
    let mut found = vec![("MIMIR_MODEL".to_owned(), vec!["model".to_owned()])];
    for section in ["plugins", "budget", "compaction", "tools"] {
        let properties = check::properties_at(&schema::CONFIG.schema, &check::key_path(&[section]));
        for (key, property) in properties {
            let is_plain = match property.get("type").and_then(Value::as_str) {
                Some("array") => property.pointer("/items/type").is_some_and(|kind| kind == "string"),
                Some("object") => false,
                _ => true,
            };
            if is_plain {
                let name = format!("MIMIR_{}_{}", section.to_uppercase(), screaming(&key));
                found.push((name, vec![section.to_owned(), key]));
            }
        }
    }
    found
}

/// How variables begin that are meant for the configuration.
const SECTIONS: [&str; 5] = ["MIMIR_PLUGIN", "MIMIR_BUDGET", "MIMIR_COMPACTION", "MIMIR_TOOLS_", "MIMIR_MODEL"];

fn screaming(key: &str) -> String {
    let mut name = String::new();
    for c in key.chars() {
        if c.is_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn read_environment(sources: &ConfigSources) -> Result<(Option<ReadLayer>, Vec<String>), ConfigError> {
    let ours = sources.environment.iter().filter(|(name, _)| name.starts_with("MIMIR_")).collect::<Vec<_>>();
    if ours.is_empty() {
        return Ok((None, Vec::new()));
    }
    let variables = variables();
    let (mut notices, mut setters) = (Vec::new(), Vec::new());
    let mut tree = Value::Object(Map::new());
    for (name, text) in ours {
        let Some((_, keys)) = variables.iter().find(|(variable, _)| variable == name) else {
            let known = variables.iter().map(|(variable, _)| variable.as_str());
            if let Some(meant) = crate::suggest::nearest(name, known)
                .filter(|_| SECTIONS.iter().any(|section| name.starts_with(section)))
            {
                notices.push(format!("the environment variable {name} means nothing: did you mean {meant}?"));
            }
            continue;
        };
        let error = |problem: String, help| ConfigError::Variable { variable: name.clone(), problem, help };
        let (last, section) = keys
            .split_last()
            .map_or(("", Vec::new()), |(last, section)| (last.as_str(), section.iter().map(String::as_str).collect()));
        let is_list = check::properties_at(&schema::CONFIG.schema, &check::key_path(&section))
            .iter()
            .any(|(key, schema)| *key == last && schema.get("type").is_some_and(|kind| kind == "array"));
        let value = if is_list && !text.trim_start().starts_with('[') {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect::<Value>()
        } else {
            crate::yaml::value_from_str(text).map_err(|problem| error(format!("cannot be read: {problem}"), None))?
        };
        let mut single = Value::Object(Map::new());
        set(&mut single, keys, value);
        check::read_value::<ConfigFile>(single.clone(), &schema::CONFIG, find_more)
            .map_err(|problem| error(format!("is wrong: {}", problem.message), problem.help))?;
        add(&mut tree, single);
        setters.push((keys.clone(), name.clone()));
    }
    let file = check::read_value(tree, &schema::CONFIG, find_more).map_err(|problem| ConfigError::Variable {
        variable: "MIMIR_*".to_owned(),
        problem: format!("is wrong: {}", problem.message),
        help: problem.help,
    })?;
    Ok((Some(ReadLayer::of_value(Layer::Environment, "environment", &sources.current_dir, file, setters)), notices))
}

fn read_flags(sources: &ConfigSources) -> Result<Option<ReadLayer>, ConfigError> {
    if sources.flags.is_empty() {
        return Ok(None);
    }
    let mut tree = Value::Object(Map::new());
    for (key, value) in &sources.flags {
        let keys = key.split('.').map(str::to_owned).collect::<Vec<_>>();
        let mut single = Value::Object(Map::new());
        set(&mut single, &keys, value.clone());
        check::read_value::<ConfigFile>(single.clone(), &schema::CONFIG, find_more).map_err(|problem| {
            ConfigError::Flag {
                key: key.clone(),
                problem: format!("is wrong: {}", problem.message),
                help: problem.help,
            }
        })?;
        add(&mut tree, single);
    }
    let file = check::read_value(tree, &schema::CONFIG, find_more).map_err(|problem| ConfigError::Flag {
        key: problem.path,
        problem: format!("is wrong: {}", problem.message),
        help: problem.help,
    })?;
    Ok(Some(ReadLayer::of_value(Layer::Flags, "command line", &sources.current_dir, file, Vec::new())))
}

fn set(tree: &mut Value, keys: &[String], value: Value) {
    match keys {
        [] => *tree = value,
        [key, rest @ ..] => {
            if !tree.is_object() {
                *tree = Value::Object(Map::new());
            }
            if let Value::Object(map) = tree {
                set(map.entry(key.clone()).or_insert(Value::Null), rest, value);
            }
        }
    }
}

/// Adds what `more` says: lists add up, the later of two plain values counts.
fn add(tree: &mut Value, more: Value) {
    match (tree, more) {
        (Value::Object(map), Value::Object(more)) => {
            for (key, value) in more {
                match map.get_mut(&key) {
                    Some(old) => add(old, value),
                    None => {
                        map.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(items), Value::Array(more)) => items.extend(more),
        (tree, more) => *tree = more,
    }
}
