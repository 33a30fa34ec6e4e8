//! `ctx.docker`: a container runs an allowed image on copies of files. Nothing is mounted: an engine follows paths with
//! the rights of the whole machine, and by the time it does, a link may stand where a folder was looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::{Access, normal_image};
use mimir_shared_platform::{ContainerFile, ContainerRequest, FileKind, Guard, Links, PlatformError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use super::exec::timeout;
use super::files::reading;
use crate::call::Call;
use crate::project_path::ProjectPath;
use crate::{ApiError, ErrorCode};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunArgs {
    image: String,
    #[serde(default)]
    command: Vec<String>,
    /// Files and folders of the project.
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    input: Option<String>,
    timeout_ms: Option<f64>,
}

pub(crate) async fn run(call: &Arc<Call>) -> Result<Value, ApiError> {
    let args: RunArgs = call.args()?;
    let checked = call.check(&Access::Docker { image: args.image.clone() });
    if Guard::DockerImages.stands() {
        checked?;
    }
    let image = normal_image(&args.image).ok_or_else(|| ApiError::invalid("`image` is no name of an image"))?;
    check_texts(&args)?;
    let limits = &call.shared.limits;
    if args.input.as_ref().is_some_and(|input| input.len() > limits.input) {
        return Err(ApiError::limit(format!("the input has more than {} bytes", limits.input)));
    }
    let timeout = timeout(args.timeout_ms, limits.exec_default, limits.exec_max)?;
    let paths = args.files.iter().map(|path| call.path(path, reading)).collect::<Result<Vec<_>, _>>()?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    let _turn = call.wait(call.turn.program()).await?;
    let files = blocking(call, move |call| collect(call, &paths)).await?;
    call.note("files", files.len());
    let request = ContainerRequest {
        image,
        command: args.command,
        env: args.env,
        files,
        input: args.input.map(String::into_bytes),
        timeout,
        output_limit: limits.output,
        memory: limits.container_memory,
        processes: limits.container_processes,
        cpu_thousandths: limits.container_cpu_thousandths,
        owner: call.plugin.id.to_string(),
    };
    let output = call.shared.ports.docker.run(request).await.map_err(failure)?;
    call.note("exitCode", output.exit_code);
    call.note("bytes", output.stdout.len() + output.stderr.len());
    Ok(json!({
        "exitCode": output.exit_code,
        "stdout": String::from_utf8_lossy(&output.stdout),
        "stderr": String::from_utf8_lossy(&output.stderr),
    }))
}

fn check_texts(args: &RunArgs) -> Result<(), ApiError> {
    if args.command.iter().any(|argument| argument.contains('\0')) {
        return Err(ApiError::invalid("an argument contains a zero byte"));
    }
    for (name, value) in &args.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(ApiError::invalid(format!("`{}` can't be set as a variable", name.escape_debug())));
        }
    }
    Ok(())
}

/// Reads what is copied into the container. A file that is named has to be readable; what the plugin may not read in a
/// folder that is named is left out, and so are links and all that is no file.
fn collect(call: &Call, paths: &[ProjectPath]) -> Result<Vec<ContainerFile>, ApiError> {
    let limits = &call.shared.limits;
    let mut files: BTreeMap<PathBuf, ContainerFile> = BTreeMap::new();
    let (mut bytes, mut seen) = (0, 0);
    for path in paths {
        let place = call.place(&path.relative, Links::Follow, reading)?;
        // Copied to where the plugin named it, even if a link led there
        let mut pending = vec![(place, path.relative.clone(), true)];
        while let Some((place, name, is_named)) = pending.pop() {
            seen += 1;
            if seen > limits.entries {
                return Err(ApiError::limit(format!("more than {} files would be copied", limits.entries)));
            }
            match place.metadata()? {
                Some(found) if found.kind == FileKind::File => {
                    let contents = place.read(limits.container_files.saturating_sub(bytes))?;
                    bytes += contents.len() as u64;
                    let file = ContainerFile { path: text(&name)?, contents, is_executable: found.mode & 0o111 != 0 };
                    files.insert(name, file);
                }
                Some(found) if found.kind == FileKind::Directory => {
                    for entry in place.read_dir(limits.entries)? {
                        let may_be_copied = matches!(entry.kind, FileKind::File | FileKind::Directory);
                        let child = place.child(&entry.name)?;
                        if may_be_copied && call.check_child(&*child, reading).is_ok() {
                            pending.push((child, name.join(&entry.name), false));
                        }
                    }
                }
                Some(_) if is_named => return Err(ApiError::invalid(format!("{} is no file", name.display()))),
                None if is_named => {
                    return Err(ApiError::new(ErrorCode::NotFound, format!("there is no {}", name.display())));
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(files.into_values().collect())
}

fn text(path: &Path) -> Result<String, ApiError> {
    path.to_str().map(str::to_owned).ok_or_else(|| ApiError::invalid(format!("{} is not UTF-8", path.display())))
}

fn failure(error: PlatformError) -> ApiError {
    let hint = match &error {
        PlatformError::NoDocker { .. } => {
            Some("start Docker on this machine, or name its socket in DOCKER_HOST".into())
        }
        PlatformError::NoImage { image } => Some(format!("fetch it first: `docker pull {image}`")),
        _ => None,
    };
    let code = match &error {
        PlatformError::NoDocker { .. } => ErrorCode::Unsupported,
        PlatformError::NoImage { .. } => ErrorCode::NotFound,
        _ => return error.into(),
    };
    let error = ApiError { code, ..error.into() };
    ApiError { hint, ..error }
}
