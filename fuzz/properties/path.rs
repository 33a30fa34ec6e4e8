//! A path that a plugin names, and after a line break a glob under `restricted`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use mimir_shared_config::{Access, Capabilities, Filesystem};

const ROOT: &str = "/home/u/project";

/// What is let through lies in the project, under its plain name too, and is none of the closed files.
pub(crate) fn check(data: &[u8]) {
    let (path, glob) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], std::str::from_utf8(&data[end + 1..]).ok()),
        None => (data, None),
    };
    let path = Path::new(OsStr::from_bytes(path));
    let restricted: Vec<String> = glob.into_iter().map(str::to_owned).collect();
    let permits = |access: &Access, restricted: &[String]| {
        let filesystem = Filesystem { read: true, write: true, delete: true, restricted: restricted.to_vec() };
        Capabilities { filesystem, ..Capabilities::default() }.permits(access, Path::new(ROOT)).is_ok()
    };
    let read = |path: &Path| Access::FileRead { path: path.to_owned() };
    let is_readable = permits(&read(path), &restricted);
    let is_writable = permits(&Access::FileWrite { path: path.to_owned() }, &restricted);
    assert!(is_readable || !is_writable, "{path:?} can be written and not read");
    if !is_readable {
        return;
    }
    assert!(permits(&read(path), &[]), "a glob opens {path:?}");
    let plain = plain(path).unwrap_or_else(|| panic!("{path:?} lies outside"));
    for name in plain.iter().map(|name| name.to_string_lossy().to_lowercase()) {
        assert!(![".mimir", ".ssh", ".gnupg", ".aws", ".netrc"].contains(&name.as_str()), "{path:?} is closed");
    }
    for spelling in [plain.clone(), Path::new(ROOT).join(&plain), Path::new(".").join(&plain)] {
        assert!(permits(&read(&spelling), &restricted), "{path:?} is open and {spelling:?} is not");
    }
    // A folder that is closed closes what is beneath it
    for folder in plain.ancestors() {
        assert!(permits(&read(folder), &restricted), "{plain:?} is open and {folder:?} above it is not");
    }
}

/// The path from the root on, if it does not lead out of it.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut names: Vec<&OsStr> = Vec::new();
    let whole = Path::new(ROOT).join(path);
    for part in whole.components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()),
            _ => {}
        }
    }
    let names: PathBuf = names.iter().collect();
    Path::new("/").join(names).strip_prefix(ROOT).ok().map(Path::to_path_buf)
}
