use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_shared_config::Access;
use mimir_shared_platform::{FileKind, Guard, Links};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::call::Call;
use crate::project_path::ProjectPath;
use crate::{ApiError, ErrorCode, FileChange};

#[derive(Deserialize)]
struct PathArgs {
    path: String,
}

#[derive(Deserialize)]
struct ReadArgs {
    path: String,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Deserialize)]
struct WriteArgs {
    path: String,
    data: String,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Utf8,
    Base64,
}

pub(crate) fn reading(path: PathBuf) -> Access {
    Access::FileRead { path }
}

pub(crate) fn writing(path: PathBuf) -> Access {
    Access::FileWrite { path }
}

pub(crate) async fn read_file(call: &Arc<Call>) -> Result<Value, ApiError> {
    let ReadArgs { path, encoding } = call.args()?;
    read(call, &path, move |call, path| {
        let contents = call.place(&path.relative, Links::Follow, reading)?.read(call.shared.limits.read)?;
        call.note("bytes", contents.len());
        match encoding {
            Encoding::Base64 => Ok(STANDARD.encode(contents).into()),
            Encoding::Utf8 => String::from_utf8(contents).map(Value::from).map_err(|_| {
                ApiError::new(ErrorCode::Io, format!("{} is not UTF-8", path.absolute.display()))
                    .with_hint("read it with the encoding `base64`, or as bytes")
            }),
        }
    })
    .await
}

pub(crate) async fn exists(call: &Arc<Call>) -> Result<Value, ApiError> {
    let PathArgs { path } = call.args()?;
    read(call, &path, |call, path| match call.place(&path.relative, Links::Follow, reading) {
        // A link that was not followed has come there meanwhile, and where it leads nobody was asked about
        Ok(place) => Ok(place.metadata()?.is_some_and(|found| found.kind != FileKind::Symlink).into()),
        Err(error) if error.code == ErrorCode::NotFound => Ok(false.into()),
        Err(error) => Err(error),
    })
    .await
}

pub(crate) async fn stat(call: &Arc<Call>) -> Result<Value, ApiError> {
    let PathArgs { path } = call.args()?;
    read(call, &path, |call, path| {
        let not_found = || ApiError::new(ErrorCode::NotFound, format!("there is no {}", path.absolute.display()));
        let itself = call.place(&path.relative, Links::Keep, reading)?.metadata()?.ok_or_else(not_found)?;
        let target = match itself.kind {
            // One that leads nowhere has nothing but itself
            FileKind::Symlink => match call.place(&path.relative, Links::Follow, reading) {
                Ok(place) => place.metadata()?.unwrap_or(itself),
                Err(error) if error.code == ErrorCode::NotFound => itself,
                Err(error) => return Err(error),
            },
            _ => itself,
        };
        Ok(json!({
            "isFile": target.kind == FileKind::File,
            "isDirectory": target.kind == FileKind::Directory,
            "isSymlink": itself.kind == FileKind::Symlink,
            "size": target.len,
            "mtimeMs": target.modified_ms,
        }))
    })
    .await
}

pub(crate) async fn read_dir(call: &Arc<Call>) -> Result<Value, ApiError> {
    let PathArgs { path } = call.args()?;
    read(call, &path, |call, path| {
        let place = call.place(&path.relative, Links::Follow, reading)?;
        let entries = place.read_dir(call.shared.limits.entries)?;
        call.note("entries", entries.len());
        Ok(entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>().into())
    })
    .await
}

async fn read(
    call: &Arc<Call>,
    path: &str,
    work: impl FnOnce(&Call, &ProjectPath) -> Result<Value, ApiError> + Send + 'static,
) -> Result<Value, ApiError> {
    let path = call.path(path, reading)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    blocking(call, move |call| work(call, &path)).await
}

pub(crate) async fn write_file(call: &Arc<Call>) -> Result<Value, ApiError> {
    write(call, false).await
}

pub(crate) async fn append_file(call: &Arc<Call>) -> Result<Value, ApiError> {
    write(call, true).await
}

async fn write(call: &Arc<Call>, is_append: bool) -> Result<Value, ApiError> {
    let WriteArgs { path, data, encoding } = call.args()?;
    let path = call.path(&path, writing)?;
    let contents = match encoding {
        Encoding::Utf8 => data.into_bytes(),
        Encoding::Base64 => STANDARD.decode(data).map_err(|_| ApiError::invalid("the data is not valid base64"))?,
    };
    let (bytes, limit) = (contents.len() as u64, call.shared.limits.write);
    if bytes > limit && Guard::FsSize.stands() {
        return Err(ApiError::limit(format!("{bytes} bytes are too many for one write, {limit} are allowed")));
    }
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    blocking(call, move |call| {
        let place = call.place(&path.relative, Links::Follow, writing)?;
        call.check_no_git_folder(place.as_ref(), writing)?;
        call.note("bytes", bytes);
        if is_append {
            place.append(&contents, limit)?;
        } else {
            place.write(&contents)?;
        }
        call.raise(FileChange::Modified { bytes }, place.real_path().to_owned());
        Ok(Value::Null)
    })
    .await
}
