use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::Access;
use mimir_shared_platform::{FileKind, Links, Place};
use serde::Deserialize;
use serde_json::Value;

use super::blocking;
use super::files::writing;
use crate::call::Call;
use crate::{ApiError, ErrorCode, FileChange};

#[derive(Deserialize)]
struct FolderArgs {
    path: String,
    #[serde(default)]
    recursive: bool,
}

fn deleting(path: PathBuf) -> Access {
    Access::FileDelete { path }
}

pub(crate) async fn mkdir(call: &Arc<Call>) -> Result<Value, ApiError> {
    let FolderArgs { path, recursive } = call.args()?;
    let path = call.path(&path, writing)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    blocking(call, move |call| {
        if !recursive {
            call.place(&path.relative, Links::Keep, writing)?.create_dir()?;
            return Ok(Value::Null);
        }
        // Folder by folder, since the gate is asked about each that is made
        for folder in folders_of(&path.relative) {
            let place = call.place(folder, Links::Follow, writing)?;
            match place.metadata()?.map(|found| found.kind) {
                Some(FileKind::Directory) => {}
                None => create(place.as_ref())?,
                Some(_) => {
                    let message = format!("{} is in the way and no folder", place.real_path().display());
                    return Err(ApiError::new(ErrorCode::Io, message));
                }
            }
        }
        Ok(Value::Null)
    })
    .await
}

/// The folders on the way to `path`, the outermost first, and itself.
fn folders_of(path: &Path) -> impl Iterator<Item = &Path> {
    let mut folders: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    folders.reverse();
    folders.into_iter()
}

/// Somebody else may have made it at this moment.
fn create(place: &dyn Place) -> Result<(), ApiError> {
    match place.create_dir() {
        Err(error) if !place.metadata()?.is_some_and(|found| found.is_dir()) => Err(error.into()),
        _ => Ok(()),
    }
}

pub(crate) async fn remove(call: &Arc<Call>) -> Result<Value, ApiError> {
    let FolderArgs { path, recursive } = call.args()?;
    let path = call.path(&path, deleting)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    blocking(call, move |call| {
        let place = call.place(&path.relative, Links::Keep, deleting)?;
        let Some(found) = place.metadata()? else {
            return Err(ApiError::new(ErrorCode::NotFound, format!("there is no {}", place.real_path().display())));
        };
        let mut doomed = vec![(place.real_path().to_owned(), found.kind)];
        if recursive && found.is_dir() {
            doomed = with_all_beneath(call, place.real_path())?;
        }
        call.note("removed", doomed.len());
        // Those that were found last lie deepest
        while let Some((path, kind)) = doomed.pop() {
            reopen(call, &path)?.remove()?;
            if kind != FileKind::Directory {
                call.raise(FileChange::Deleted, path);
            }
        }
        Ok(Value::Null)
    })
    .await
}

/// Everything that removing `folder` removes. All of it is put to the gate before anything is gone.
fn with_all_beneath(call: &Call, folder: &Path) -> Result<Vec<(PathBuf, FileKind)>, ApiError> {
    let limit = call.shared.limits.entries;
    let mut found: Vec<(PathBuf, FileKind)> = Vec::new();
    let mut pending = vec![(folder.to_owned(), FileKind::Directory)];
    while let Some((path, kind)) = pending.pop() {
        if found.len() == limit {
            return Err(ApiError::limit(format!("more than {limit} files and folders would be removed at once")));
        }
        let place = reopen(call, &path)?;
        if kind == FileKind::Directory {
            pending.extend(place.read_dir(limit)?.into_iter().map(|entry| (path.join(entry.name), entry.kind)));
        }
        found.push((path, kind));
    }
    Ok(found)
}

/// The place at a path without links, if it is still without links, and the plugin may remove what stands there.
fn reopen(call: &Call, path: &Path) -> Result<Box<dyn Place>, ApiError> {
    let relative = path.strip_prefix(call.shared.directory.root()).unwrap_or(path);
    let place = call.place(relative, Links::Keep, deleting)?;
    if place.real_path() == path {
        call.check_no_git_folder(&*place, deleting)?;
        return Ok(place);
    }
    Err(ApiError::new(ErrorCode::Io, format!("{} was moved meanwhile", path.display())))
}
