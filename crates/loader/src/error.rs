use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Something wrong at a place in a file that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, relative to the plugin's folder.
    pub file: String,
    /// The line, from 1, if it is known.
    pub line: Option<u32>,
    /// The column in UTF-16 units, from 1, if it is known.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The lines around it, ready to be printed without colour.
    pub excerpt: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a plugin was not found, did not load or could not be recorded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// `read`, `write`, `list`, `lock`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A folder is where a plugin should be, and has no manifest.
    #[error("`{}` has no plugin.yml", dir.display())]
    ManifestMissing {
        /// The folder.
        dir: PathBuf,
    },
    /// A folder was named as one of plugins, and neither it nor anything directly in it has a manifest.
    #[error("there is no plugin in `{}`", dir.display())]
    NoPluginHere {
        /// The folder.
        dir: PathBuf,
    },
    /// The manifest is no YAML, or not a manifest.
    #[error("{}", summary("the manifest is wrong", problems))]
    ManifestInvalid {
        /// The plugin's folder.
        dir: PathBuf,
        /// Everything that is wrong with it; never empty.
        problems: Vec<Problem>,
    },
    /// No module was found to load.
    #[error("`{}` has no module to load", dir.display())]
    MainMissing {
        /// The plugin's folder.
        dir: PathBuf,
        /// What was looked for, relative to the folder, in order.
        tried: Vec<String>,
    },
    /// The module to load lies outside the plugin's folder.
    #[error("`{main}` is outside the plugin's folder")]
    MainOutside {
        /// The plugin's folder.
        dir: PathBuf,
        /// The path as it was written.
        main: String,
    },
    /// The plugin needs another version of Mimir.
    #[error("it needs Mimir {wanted}, and this is {have}")]
    EngineMismatch {
        /// `engines.mimir`, an npm range.
        wanted: String,
        /// The version of this Mimir.
        have: String,
    },
    /// `engines.mimir` is no npm version range.
    #[error("`engines.mimir: {range}` is no version range")]
    EngineRange {
        /// The range as it was written.
        range: String,
    },
    /// An entry of `plugins.enabled` that names no plugin.
    #[error("{written_in}: `{entry}` names no plugin")]
    UnknownEntry {
        /// The entry as it was written.
        entry: String,
        /// The file and line, the variable or the flag.
        written_in: String,
        /// Where the plugin would have been.
        looked_in: Vec<PathBuf>,
        /// The plugin that the entry may have meant.
        nearest: Option<String>,
    },
    /// An entry of a `required` list that no plugin fulfils, although one is called so.
    #[error("{written_in}: `{entry}` is required, and `{}` only bears its name", dir.display())]
    RequiredIsAnother {
        /// The entry as it was written.
        entry: String,
        /// The file and line, the variable or the flag.
        written_in: String,
        /// The folder of the plugin that bears the name.
        dir: PathBuf,
    },
    /// The sources could not be bundled.
    #[error("{}", summary("it could not be bundled", problems))]
    Bundle {
        /// Everything that is wrong; never empty.
        problems: Vec<Problem>,
    },
    /// The bundler died over the sources.
    #[error("the bundler crashed over this plugin{}", deepest.as_ref().map(|p| format!(": {p}")).unwrap_or_default())]
    BundlerCrashed {
        /// How it ended: an exit code or a signal.
        status: String,
        /// The most deeply nested place in what it had read, if that may have been the reason.
        deepest: Option<Box<Problem>>,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// The bundler took longer than it may.
    #[error("bundling took longer than {seconds} s")]
    BundlerTimeout {
        /// The limit, in seconds.
        seconds: u64,
    },
    /// The bundle is larger than it may be.
    #[error("the bundle is larger than {limit} bytes")]
    BundleTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The bundler could not be started or spoken to.
    #[error("the bundler could not be started (`{}`)", program.display())]
    BundlerStart {
        /// What was to be started.
        program: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The bundler answered something that this version does not understand.
    #[error("the bundler's answer makes no sense (`{}`)", program.display())]
    BundlerAnswer {
        /// What was started.
        program: PathBuf,
        /// Why the answer could not be read.
        #[source]
        source: serde_json::Error,
    },
    /// A file of Mimir's own under `~/.mimir` can't be understood. It is left as it is.
    #[error("`{}` is damaged", path.display())]
    StoreCorrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A file of Mimir's own was written by a newer version. It is left as it is.
    #[error("`{}` was written by a newer Mimir (format {format})", path.display())]
    StoreTooNew {
        /// The file.
        path: PathBuf,
        /// The format it has.
        format: u32,
    },
    /// Somebody else could have written a file of Mimir's own. It is left as it is, and nothing in it counts.
    #[error("`{}` is not to be trusted: {problem}", path.display())]
    StoreUnsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// The plugin's files are not those that were checked when this run began.
    #[error("the files in `{}` are others than those that were checked when this run began", dir.display())]
    Changed {
        /// The plugin's folder.
        dir: PathBuf,
    },
    /// The work was cut short because the runtime is going down.
    #[error("loading was interrupted")]
    Interrupted,
}

fn summary(what: &str, problems: &[Problem]) -> String {
    match problems {
        [] => what.to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

impl LoadError {
    /// What the person who reads this can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { action: "write" | "lock", .. } => "check the folder's permissions and the free space".into(),
            Self::Io { .. } => "check that it exists and that you may read it".into(),
            Self::ManifestMissing { .. } => {
                "add a plugin.yml with at least `name` and `version`, or move the folder elsewhere".into()
            }
            Self::NoPluginHere { .. } => "name a folder with a plugin.yml, or a folder of such folders".into(),
            Self::ManifestInvalid { problems, .. } | Self::Bundle { problems } => problems
                .iter()
                .find_map(|problem| problem.hint.clone())
                .unwrap_or_else(|| "correct the place named above and try again".into()),
            Self::MainMissing { tried, .. } => {
                format!("name it as `main` in plugin.yml; looked for {}", tried.join(", "))
            }
            Self::MainOutside { .. } => "move the module into the plugin's folder".into(),
            Self::EngineMismatch { wanted, .. } => {
                format!("install a Mimir that satisfies `{wanted}`, or another version of the plugin")
            }
            Self::EngineRange { .. } => "write a range as npm has it, for example `>=1.2 <2`".into(),
            Self::UnknownEntry { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownEntry { looked_in, .. } => {
                let places: Vec<_> = looked_in.iter().map(|place| format!("`{}`", place.display())).collect();
                format!("looked in {}; correct the entry or remove it", places.join(", "))
            }
            Self::RequiredIsAnother { .. } => {
                "a folder does not stand in for a package: whoever keeps the list can require the folder by its path"
                    .into()
            }
            Self::BundlerCrashed { deepest: Some(_), .. } => {
                "code that is nested this deeply can't be parsed: split it up, or generate it at run time".into()
            }
            Self::BundlerCrashed { .. } => {
                "most often code that is nested too deeply; leave out modules until it loads to find which".into()
            }
            Self::BundlerTimeout { .. } => "ship the plugin already bundled, or import less".into(),
            Self::BundleTooLarge { .. } => "import less: only what the plugin needs".into(),
            Self::BundlerStart { .. } | Self::BundlerAnswer { .. } => "reinstall Mimir".into(),
            Self::StoreCorrupt { path, .. } => format!(
                "nothing in it was lost or changed: repair it, or move it away (`mv {0} {0}.bad`) and grant anew",
                path.display()
            ),
            Self::StoreTooNew { .. } => "update Mimir".into(),
            Self::StoreUnsafe { hint, .. } => hint.clone(),
            Self::Changed { .. } => "start Mimir anew: it checks them again, and says whether they need a grant".into(),
            Self::Interrupted => "try again".into(),
        }
    }

    /// Everything wrong with the plugin's own files, with places; empty for errors of another kind.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::ManifestInvalid { problems, .. } | Self::Bundle { problems } => problems,
            Self::BundlerCrashed { deepest: Some(problem), .. } => std::slice::from_ref(&**problem),
            _ => &[],
        }
    }
}
