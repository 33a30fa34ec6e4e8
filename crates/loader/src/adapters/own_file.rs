//! Files of which it matters that nobody but the user wrote them: grants, trust, quarantine.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::error::LoadError;

/// No such file comes near this, in bytes: ten thousand grants are a few megabytes.
const LARGEST: u64 = 32 << 20;

/// The bytes of a file, or `None` if there is none.
///
/// # Errors
/// [`LoadError::StoreUnsafe`] for a link, for what is no file, and where somebody else could have written it.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    let failed = |source| LoadError::Io { action: "read", path: path.to_owned(), source };
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) if is_link(path) => {
            return Err(LoadError::StoreUnsafe {
                path: path.to_owned(),
                problem: format!("it is a link ({error})"),
                hint: format!("put the file itself there: `rm {0}` and grant anew", path.display()),
            });
        }
        Err(error) => return Err(failed(error)),
    };
    let found = file.metadata().map_err(failed)?;
    if let Some((problem, hint)) = problem_with(path, &found) {
        return Err(LoadError::StoreUnsafe { path: path.to_owned(), problem, hint });
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_symlink())
}

/// What is wrong with the folder that such files lie in, and what to do about it. The folder itself may be a link: people
/// keep their settings elsewhere.
pub(crate) fn problem_with_folder(folder: &Path) -> Option<(String, String)> {
    let found = fs::metadata(folder).ok()?;
    if !found.is_dir() {
        return Some(("it is no folder".to_owned(), format!("move it away: `mv {0} {0}.bad`", folder.display())));
    }
    let (whose, who) = writers(&found)?;
    // What the user's own group may write is as some systems set it up
    (whose || who & 0o002 != 0).then(|| {
        let problem = if whose { "it belongs to somebody else" } else { "everybody may write in it" };
        (problem.to_owned(), format!("look at what lies there, then `chmod 700 {0}` (and `chown`)", folder.display()))
    })
}

/// Whether the group may write in a folder: no danger where the group is the user's own, which can't be told from here.
pub(crate) fn is_groups(folder: &Path) -> bool {
    fs::metadata(folder).ok().and_then(|found| writers(&found)).is_some_and(|(_, mode)| mode & 0o020 != 0)
}

fn problem_with(path: &Path, found: &fs::Metadata) -> Option<(String, String)> {
    let shown = path.display();
    if !found.is_file() {
        return Some(("it is no file".to_owned(), format!("move it away: `mv {shown} {shown}.bad`")));
    }
    if found.len() > LARGEST {
        return Some((
            format!("it has more than {} MiB", LARGEST >> 20),
            format!("move it away: `mv {shown} {shown}.bad`"),
        ));
    }
    let look = || format!("look at what stands in it, then `chmod 600 {shown}` (and `chown`), or move it away");
    match writers(found) {
        Some((true, _)) => Some(("it belongs to somebody else".to_owned(), look())),
        Some((_, mode)) if mode & 0o022 != 0 => Some(("others may write to it".to_owned(), look())),
        _ => path
            .parent()
            .and_then(problem_with_folder)
            .map(|(problem, hint)| (format!("of its folder, {problem}"), hint)),
    }
}

/// Whether somebody else but the administrator owns it, and its mode; nothing where files have neither.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "other systems have neither")]
fn writers(found: &fs::Metadata) -> Option<(bool, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = found.uid();
    Some((owner != 0 && owner != rustix::process::geteuid().as_raw(), found.mode()))
}

#[cfg(not(unix))]
fn writers(_: &fs::Metadata) -> Option<(bool, u32)> {
    None
}

/// Does not follow a link, and does not wait for whoever might write into a pipe.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
    options.open(path)
}

/// Something wrong with Mimir's own folder or a file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeProblem {
    /// What it is about.
    pub path: std::path::PathBuf,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
    /// Whether nothing in it counts until that is done.
    pub is_fatal: bool,
}

/// What is wrong with the rights of Mimir's own folder and of the files in it that only the user may have written.
pub fn home_problems(home: &Path) -> Vec<HomeProblem> {
    let of = |path: &Path, (problem, hint): (String, String), is_fatal| HomeProblem {
        path: path.to_owned(),
        problem,
        hint,
        is_fatal,
    };
    if let Some(wrong) = problem_with_folder(home) {
        return vec![of(home, wrong, true)];
    }
    let mut problems = Vec::new();
    if is_groups(home) {
        let wrong = ("your group may write in it".to_owned(), format!("`chmod 700 {}`", home.display()));
        problems.push(of(home, wrong, false));
    }
    for file in ["grants.json", "trust.json", "state.json"].map(|name| home.join(name)) {
        if let Err(error) = read(&file) {
            let problem = match &error {
                LoadError::StoreUnsafe { problem, .. } => problem.clone(),
                other => other.to_string(),
            };
            problems.push(of(&file, (problem, error.hint()), true));
        }
    }
    problems
}
