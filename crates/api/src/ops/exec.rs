mod rights;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mimir_shared_config::{Access, Denial};
use mimir_shared_platform::{Confined, Extent, Guard, Level, Links, Notice, PlatformError, ProcessRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::call::Call;
use crate::project_path::{PathProblem, ProjectPath};
use crate::{ApiError, command_line};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecArgs {
    command: String,
    args: Option<Vec<String>>,
    input: Option<String>,
    cwd: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    timeout_ms: Option<f64>,
}

/// Variables that a plugin may set for a program: they say how its output looks, in which language and for which zone.
const HARMLESS: &[&str] =
    &["CI", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM", "LANG", "LANGUAGE", "TZ", "COLUMNS", "LINES", "NODE_ENV"];
const HARMLESS_PREFIXES: &[&str] = &["CLICOLOR", "LC_"];

/// Variables that make an innocent program load or run something else, or look for it elsewhere; by name or by how the
/// name begins. Not even who may read such a variable may set it. No list of these can be complete, so this is not what
/// holds: whatever is not [`HARMLESS`] needs the user's grant.
const LOADING: &[&str] = &[
    "PATH",
    "HOME",
    "SHELL",
    "ENV",
    "IFS",
    "CDPATH",
    "TMPDIR",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "MANPAGER",
    "PROMPT_COMMAND",
    "PS4",
    "CC",
    "CXX",
    "LD",
    "AR",
    "MAKEFLAGS",
    "GCONV_PATH",
    "HOSTALIASES",
    "SSH_ASKPASS",
    "OPENSSL_CONF",
    "TERMINFO",
    "TAR_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "MAKEFILES",
    "RIPGREP_CONFIG_PATH",
    "RSYNC_RSH",
    "ESBUILD_BINARY_PATH",
    "ZDOTDIR",
    "WGETRC",
    "CURL_HOME",
    "GCC_EXEC_PREFIX",
    "COMPILER_PATH",
];
const LOADING_PREFIXES: &[&str] = &[
    "LD_", "DYLD_", "GIT_", "NODE_", "NPM_", "YARN_", "PNPM_", "BUN_", "DENO_", "PYTHON", "PIP_", "PERL", "RUBY",
    "GEM_", "BUNDLE_", "BASH_", "LUA_", "RUST", "CARGO_", "GO", "JAVA_", "JDK_", "MAVEN_", "GRADLE_", "PHP", "DOTNET_",
    "XDG_", "MIMIR_",
];

pub(crate) async fn exec(call: &Arc<Call>) -> Result<Value, ApiError> {
    let args: ExecArgs = call.args()?;
    let argv = argv(args.command, args.args)?;
    call.check(&Access::Exec { argv: argv.clone() })?;
    check_env(&args.env, |name| call.holds(&Access::Env { name: name.to_owned() }))?;
    let limits = &call.shared.limits;
    if args.input.as_ref().is_some_and(|input| input.len() > limits.input) {
        return Err(ApiError::limit(format!("the input has more than {} bytes", limits.input)));
    }
    let timeout = timeout(args.timeout_ms, limits.exec_default, limits.exec_max)?;
    if args.cwd.is_some() && !argv[0].starts_with('/') && argv[0].contains('/') {
        return Err(ApiError::invalid("with `cwd`, a relative path to a program could mean two")
            .with_hint("give the program as a name, or leave `cwd` out: the path is relative to the project's root"));
    }
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    let _turn = call.wait(call.turn.program()).await?;
    let cwd = cwd(call, args.cwd).await?;
    let program = argv[0].clone();
    let found = blocking(call, move |call| rights::rights(call, &program)).await?;
    if found.is_cut {
        call.note("rightsCut", true);
    }
    let has_network = found.rights.network;
    let access = Access::Exec { argv: argv.clone() };
    let mut argv = argv.into_iter().map(Into::into);
    let request = ProcessRequest {
        program: argv.next().unwrap_or_default(),
        args: argv.collect(),
        input: args.input.map(String::into_bytes),
        cwd: Some(cwd),
        env: args.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        timeout,
        output_limit: limits.output,
        rights: Some(found.rights),
    };
    let output = call.shared.ports.processes.run(request).await.map_err(|error| refused(call, &access, error))?;
    // As shells report a signal
    let exit_code = output.exit_code.or(output.signal.map(|signal| 128 + signal));
    call.note("exitCode", exit_code);
    call.note("bytes", output.stdout.len() + output.stderr.len());
    call.note("confined", confined(call, output.confined, has_network));
    Ok(json!({
        "exitCode": exit_code,
        "stdout": String::from_utf8_lossy(&output.stdout),
        "stderr": String::from_utf8_lossy(&output.stderr),
    }))
}

/// A program that lies where none may is a denial like those of the gate.
fn refused(call: &Call, access: &Access, error: PlatformError) -> ApiError {
    let (reason, hint) = match &error {
        PlatformError::ProgramInside { program } => (
            format!("`{}` lies in the project, which says what it does", program.display()),
            "name it by its path from the project's root, in the call and in `exec.allowlist`".to_owned(),
        ),
        PlatformError::Outside { path, .. } => (
            format!("the path leads out of the project, to `{}`", path.display()),
            "name a program outside of the project by its name".to_owned(),
        ),
        _ => return error.into(),
    };
    call.denied(Denial { capability: access.capability().to_owned(), reason, hint: Some(hint) })
}

/// For the audit log, and once for the person at the terminal where the kernel does not hold what it should.
fn confined(call: &Call, confined: Option<Confined>, has_network: bool) -> Value {
    let shared = &call.shared;
    let confined = confined.unwrap_or_default();
    let network = match confined {
        _ if has_network => "granted",
        Confined { no_network: true, .. } => "none",
        Confined { no_tcp: true, .. } => "no TCP",
        _ => "open",
    };
    let is_whole = confined.files == Extent::Full && matches!(network, "granted" | "none") && confined.no_signals;
    if !is_whole && !shared.said_unconfined.swap(true, Ordering::Relaxed) {
        let message = format!(
            "this system does not hold programs that plugins start to all of their rights (files: {}, network: {network}, \
             signals: {}); `mimir plugin doctor` says more",
            extent(confined.files),
            if confined.no_signals { "held" } else { "open" },
        );
        shared.ports.notifier.notify(&Notice { level: Level::Warning, from: None, message: &message });
    }
    json!({
        "files": extent(confined.files), "network": network,
        "signals": confined.no_signals, "unixSockets": confined.no_unix_sockets,
    })
}

fn extent(extent: Extent) -> &'static str {
    match extent {
        Extent::Full => "full",
        Extent::Partial => "partial",
        Extent::None => "none",
    }
}

fn argv(command: String, args: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let argv = match args {
        None => command_line::split(&command)?,
        Some(args) => std::iter::once(command).chain(args).collect(),
    };
    if argv[0].is_empty() {
        return Err(ApiError::invalid("the command is empty"));
    }
    if argv.iter().any(|arg| arg.contains('\0')) {
        return Err(ApiError::invalid("an argument contains a zero byte"));
    }
    Ok(argv)
}

/// `is_granted` says whether the plugin may read a variable of that name: then it may set it as well.
fn check_env(env: &BTreeMap<String, String>, is_granted: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    for (name, value) in env {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || value.contains('\0') {
            return Err(ApiError::invalid(format!("`{}` can't be set as a variable", name.escape_debug())));
        }
        if !Guard::ExecEnv.stands() {
            continue;
        }
        let upper = name.to_ascii_uppercase();
        if HARMLESS.contains(&name.as_str()) || HARMLESS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            if names_a_file(name, value) {
                return Err(ApiError::invalid(format!("`{name}` may not name a file")));
            }
        } else if LOADING.contains(&upper.as_str()) || LOADING_PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) {
            return Err(ApiError::invalid(format!("`{name}` may not be set: it decides what programs load or run")));
        } else if !is_granted(name) {
            let (names, prefixes) = (HARMLESS.join(", "), HARMLESS_PREFIXES.join("*, "));
            return Err(ApiError::invalid(format!(
                "`{name}` may not be set: only {names}, {prefixes}* and what `capabilities.env` grants"
            ))
            .with_hint(format!("add `{name}` to `capabilities.env` in plugin.yml")));
        }
    }
    Ok(())
}

/// Whether a locale, a terminal or a time zone (`Europe/Berlin`, but not `:/etc/x`) is given by where its file lies.
fn names_a_file(name: &str, value: &str) -> bool {
    match name {
        "TZ" => value.starts_with(['/', ':']) || value.contains(".."),
        _ => value.contains('/'),
    }
}

pub(crate) fn timeout(asked_ms: Option<f64>, default: Duration, max: Duration) -> Result<Duration, ApiError> {
    match asked_ms {
        None => Ok(default.min(max)),
        Some(ms) if ms >= 1.0 => Ok(Duration::from_millis(ms as u64).min(max)),
        Some(_) => Err(ApiError::invalid("`timeoutMs` has to be at least 1")),
    }
}

/// Where the program starts: the project's root or a folder beneath it. This takes no right to read that folder.
async fn cwd(call: &Arc<Call>, asked: Option<String>) -> Result<PathBuf, ApiError> {
    let root = call.shared.directory.root().to_owned();
    let Some(asked) = asked else { return Ok(root) };
    if !Guard::ExecCwd.stands() {
        return Ok(root.join(asked));
    }
    let outside = || call.outside(&Access::Exec { argv: Vec::new() }, &asked);
    let path = ProjectPath::parse(&root, &call.shared.root_as_given, &asked).map_err(|problem| match problem {
        PathProblem::Unusable(error) => error,
        PathProblem::Outside => outside(),
    })?;
    let found = blocking(call, move |call| match call.shared.directory.place(&path.relative, Links::Follow) {
        Err(PlatformError::Outside { .. }) => Ok(Err(())),
        place => {
            let place = place?;
            let is_folder = place.metadata()?.is_some_and(|found| found.is_dir());
            Ok(Ok(is_folder.then(|| place.real_path().to_owned())))
        }
    });
    let folder = found.await?.map_err(|()| outside())?;
    folder.ok_or_else(|| ApiError::invalid(format!("`cwd`: `{asked}` is no folder")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_and_granted_variables_are_set() {
        let check = |name: &str, value: &str, granted: &str, expected: &str| {
            let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let found = check_env(&env, |name| granted.split(' ').any(|granted| granted == name));
            let found = found.err().map(|error| error.message).unwrap_or_default();
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{name}={value}: {found:?}");
        };
        for name in ["CI", "FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "LC_ALL", "LANG", "TERM", "COLUMNS", "NODE_ENV"]
        {
            check(name, "x", "", "");
        }
        check("TZ", "Europe/Berlin", "", "");
        for (name, value) in [
            ("TZ", ":/project/x"),
            ("TZ", "/project/x"),
            ("TZ", "../project/x"),
            ("LANGUAGE", "de:/project/x"),
            ("LC_ALL", "../x"),
            ("TERM", "../x"),
        ] {
            check(name, value, "", "may not name a file");
        }
        // What nobody knows may mean anything
        for name in ["my_flag", "_X", "ci", "Lang", "API_URL", "EXINIT"] {
            check(name, "x", "", "only CI, NO_COLOR,");
        }
        check("API_URL", "https://a/b", "API_URL", "");
        check("api_url", "x", "API_URL", "only CI");
        for name in [
            "PATH",
            "Path",
            "LD_PRELOAD",
            "NODE_OPTIONS",
            "GIT_SSH_COMMAND",
            "npm_config_registry",
            "BASH_ENV",
            "MAKEFILES",
            "RIPGREP_CONFIG_PATH",
            "RSYNC_RSH",
            "ESBUILD_BINARY_PATH",
            "LUA_INIT",
            "LUA_INIT_5_4",
            "ZDOTDIR",
            "WGETRC",
            "CURL_HOME",
            "GCC_EXEC_PREFIX",
            "COMPILER_PATH",
        ] {
            check(name, "x", "", "it decides what programs load or run");
            check(name, "x", name, "it decides what programs load or run");
        }
        for name in ["", "A=B", "1A", "A B"] {
            check(name, "x", name, "can't be set as a variable");
        }
        check("CI", "a\0b", "", "can't be set as a variable");
    }

    #[test]
    fn times_are_bounded() {
        let check = |asked: Option<f64>, expected: Option<u64>| {
            let found = timeout(asked, Duration::from_millis(60), Duration::from_millis(600));
            assert_eq!(found.ok(), expected.map(Duration::from_millis), "{asked:?}");
        };
        check(None, Some(60));
        check(Some(10.5), Some(10));
        check(Some(1e300), Some(600));
        check(Some(0.0), None);
        check(Some(-5.0), None);
        check(Some(f64::NAN), None);
    }
}
