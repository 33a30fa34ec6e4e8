use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rolldown::ModuleType;
use rolldown::plugin::{
    HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs, HookResolveIdOutput, HookResolveIdReturn,
    HookUsage, Plugin, PluginContext, PluginContextResolveOptions, SharedLoadPluginContext,
};
use rolldown_common::ImportKind;

use super::nesting;
use super::protocol::{Input, NESTING_NOTE};
use crate::bundle::SDK;
use crate::error::Problem;
use crate::identity::sha256;

const SDK_NAME: &str = "@mimir/plugin";
const SDK_ID: &str = "\0mimir:@mimir/plugin";
const PATH_ID: &str = "\0mimir:path";
const REFUSED: &str = "\0mimir:refused:";

/// `node:path` is the one module of Node that plugins have; the prelude makes it, as the global `path`.
const PATH_MODULE: &str = "const path = globalThis.path;
export default path;
export const { basename, delimiter, dirname, extname, format, isAbsolute, join, matchesGlob, normalize, parse,
  posix, relative, resolve, sep, toNamespacedPath, win32 } = path;
";

/// Bytes of one module; what is larger is data that should not be imported.
const MAX_MODULE: u64 = 16 << 20;

/// Brackets within brackets beyond which the parser's stack may be in danger, and the place worth telling the parent.
const NOTEWORTHY_DEPTH: u32 = 400;

/// Why an import is not taken in.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Refusal {
    fn new(message: String, hint: impl Into<String>) -> Self {
        Self { message, hint: hint.into() }
    }
}

/// Decides what each import means, reads every module itself (so that what is hashed is what is bundled) and takes in
/// nothing from outside the plugin's folder.
#[derive(Debug)]
pub(super) struct Guard {
    root: PathBuf,
    inputs: Mutex<BTreeMap<String, Input>>,
    /// By the number in the name that a refused import was given.
    refusals: Mutex<Vec<Refusal>>,
    /// By the path of a module that was found, but can't be taken in.
    unreadable: Mutex<BTreeMap<String, Refusal>>,
    deepest: Mutex<u32>,
}

impl Guard {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            inputs: Mutex::default(),
            refusals: Mutex::default(),
            unreadable: Mutex::default(),
            deepest: Mutex::new(NOTEWORTHY_DEPTH),
        }
    }

    /// Everything that was read, sorted by path.
    pub(super) fn inputs(&self) -> Vec<Input> {
        lock(&self.inputs).values().cloned().collect()
    }

    /// The refusal that a diagnostic of the bundler stands for. The bundler keeps nothing of a hook's error but the name
    /// of the module that it was about, and where that is imported.
    pub(super) fn refusal_behind(&self, diagnostic: &str) -> Option<Refusal> {
        if let Some((_, rest)) = diagnostic.split_once(&REFUSED[1..]) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return lock(&self.refusals).get(digits.parse::<usize>().ok()?).cloned();
        }
        let module = diagnostic.strip_prefix("Could not load ")?;
        let unreadable = lock(&self.unreadable);
        let longest =
            unreadable.iter().filter(|(name, _)| module.starts_with(*name)).max_by_key(|(name, _)| name.len());
        longest.map(|(_, refusal)| refusal.clone())
    }

    fn refuse(&self, refusal: Refusal) -> HookResolveIdOutput {
        let mut refusals = lock(&self.refusals);
        refusals.push(refusal);
        HookResolveIdOutput::from_id(format!("{REFUSED}{}", refusals.len() - 1))
    }

    /// The path of a file beneath the root, relative to it and with `/`.
    fn relative(&self, path: &Path) -> Option<String> {
        let relative = path.strip_prefix(&self.root).ok()?;
        Some(relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
    }

    async fn resolve(&self, ctx: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        let specifier = args.specifier;
        if specifier.starts_with(['\0']) || specifier.starts_with("rolldown:") {
            return Ok(None);
        }
        match specifier {
            SDK_NAME => return Ok(Some(HookResolveIdOutput::from_id(SDK_ID))),
            "path" | "node:path" | "path/posix" | "node:path/posix" => {
                return Ok(Some(HookResolveIdOutput::from_id(PATH_ID)));
            }
            _ => {}
        }
        if let Some(refusal) = refusal_by_name(specifier) {
            return Ok(Some(self.refuse(refusal)));
        }
        let options = PluginContextResolveOptions {
            import_kind: args.kind,
            is_entry: args.is_entry,
            skip_self: true,
            custom: args.custom.clone(),
        };
        let Ok(resolved) = ctx.resolve(specifier, args.importer, Some(options)).await? else {
            // A `require` in a try block may fail, and the bundler knows where it stands; it names the others itself.
            return Ok(match (args.kind, builtin(specifier)) {
                (ImportKind::Require, _) | (_, None) => None,
                (_, Some(name)) => Some(self.refuse(about_builtin(name))),
            });
        };
        if resolved.external.is_external() {
            return Ok(Some(self.refuse(Refusal::new(
                format!("`{specifier}` can't be part of the bundle"),
                "import files of the plugin's own folder, or packages of its node_modules",
            ))));
        }
        if resolved.id.starts_with('\0') {
            return Ok(Some(HookResolveIdOutput::from_resolved_id(resolved)));
        }
        let Some(real) = canonical(Path::new(resolved.id.as_str())).filter(|real| real.starts_with(&self.root)) else {
            return Ok(Some(self.refuse(about_outside(specifier))));
        };
        let package_json = resolved.package_json.as_ref().map(|package| package.realpath().to_path_buf());
        let package_json = package_json.filter(|path| path.starts_with(&self.root));
        if let Some(Err(refusal)) = package_json.as_deref().map(|path| self.read(path, false)) {
            return Ok(Some(self.refuse(refusal)));
        }
        Ok(Some(HookResolveIdOutput {
            id: real.to_string_lossy().as_ref().into(),
            external: None,
            normalize_external_id: None,
            side_effects: resolved.side_effects,
            package_json_path: package_json.map(|path| path.to_string_lossy().into_owned()),
        }))
    }

    fn take_in(&self, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let of_type = |code: &str, module_type| HookLoadOutput {
            code: code.into(),
            module_type: Some(module_type),
            ..HookLoadOutput::default()
        };
        match args.id {
            SDK_ID => return Ok(Some(of_type(SDK, ModuleType::Js))),
            PATH_ID => return Ok(Some(of_type(PATH_MODULE, ModuleType::Js))),
            id if id.starts_with(REFUSED) => anyhow::bail!("refused"),
            id if id.starts_with('\0') || id.starts_with("rolldown:") => return Ok(None),
            _ => {}
        }
        let path = Path::new(args.id);
        match self.read_module(path, args.asserted_module_type) {
            Ok((source, module_type)) => {
                self.note_nesting(path, &source);
                Ok(Some(of_type(source.strip_prefix('\u{feff}').unwrap_or(&source), module_type)))
            }
            Err(refusal) => {
                lock(&self.unreadable).insert(self.relative(path).unwrap_or_default(), refusal);
                anyhow::bail!("refused")
            }
        }
    }

    fn read_module(&self, path: &Path, asserted: Option<&ModuleType>) -> Result<(String, ModuleType), Refusal> {
        let module_type = module_type(path, asserted).ok_or_else(|| {
            let name = self.relative(path).unwrap_or_default();
            Refusal::new(
                format!("`{name}` is neither TypeScript, JavaScript, JSON nor text"),
                "import it `with { type: 'text' }` if it is text, or turn it into a module",
            )
        })?;
        Ok((self.read(path, true)?, module_type))
    }

    /// Reads a file, if it is beneath the root, and keeps its hash.
    fn read(&self, path: &Path, is_module: bool) -> Result<String, Refusal> {
        let name = self.relative(path).ok_or_else(|| about_outside(&path.to_string_lossy()))?;
        let mut bytes = Vec::new();
        open(path)
            .and_then(|file| file.take(MAX_MODULE + 1).read_to_end(&mut bytes))
            .map_err(|error| Refusal::new(format!("`{name}` can't be read ({error})"), "check that you may read it"))?;
        if bytes.len() as u64 > MAX_MODULE {
            return Err(Refusal::new(
                format!("`{name}` is larger than {} MiB", MAX_MODULE >> 20),
                "data of this size belongs into a file that the plugin reads",
            ));
        }
        let sha256 = sha256(&bytes);
        lock(&self.inputs)
            .entry(name.clone())
            .and_modify(|input| input.is_module |= is_module)
            .or_insert_with(|| Input { path: name.clone(), sha256, is_module });
        String::from_utf8(bytes).map_err(|_| Refusal::new(format!("`{name}` is not UTF-8"), "save it as UTF-8"))
    }

    fn note_nesting(&self, path: &Path, source: &str) {
        let place = nesting::deepest(source);
        let mut deepest = lock(&self.deepest);
        if place.depth > *deepest {
            *deepest = place.depth;
            let problem = Problem {
                file: self.relative(path).unwrap_or_default(),
                line: Some(place.line),
                column: Some(place.column),
                message: format!("brackets are nested {} deep here", place.depth),
                hint: None,
                excerpt: None,
            };
            // Not `eprintln!`, which panics when the parent has gone.
            if let Ok(json) = serde_json::to_string(&problem) {
                let _ = writeln!(std::io::stderr(), "{NESTING_NOTE}{json}");
            }
        }
    }
}

impl Plugin for Guard {
    fn name(&self) -> Cow<'static, str> {
        "mimir".into()
    }

    async fn resolve_id(&self, ctx: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        self.resolve(ctx, args).await
    }

    async fn load(&self, _ctx: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        self.take_in(args)
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load
    }
}

/// Refuses what needs no look at the disk.
fn refusal_by_name(specifier: &str) -> Option<Refusal> {
    if let Some(name) = specifier.strip_prefix("node:") {
        return Some(about_builtin(name));
    }
    if specifier.starts_with(&format!("{SDK_NAME}/")) {
        return Some(Refusal::new(
            format!("there is no `{specifier}`"),
            format!("everything is in `{SDK_NAME}` itself"),
        ));
    }
    if Path::new(specifier).is_absolute() || specifier.starts_with("//") {
        return Some(Refusal::new(
            format!("`{specifier}` is an absolute path or address"),
            "import by a relative path, from within the plugin's folder",
        ));
    }
    let (scheme, _) = specifier.split_once(':')?;
    scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)).then(|| {
        Refusal::new(
            format!("`{specifier}` can't be imported: a plugin is bundled without a network"),
            "install the package into the plugin's node_modules, or copy the module into its folder",
        )
    })
}

fn about_outside(specifier: &str) -> Refusal {
    let hint = if specifier.starts_with('.') {
        "move the file into the plugin's folder; links don't count"
    } else {
        "install the package into the plugin's own node_modules (`npm install` in its folder)"
    };
    Refusal::new(format!("`{specifier}` leads outside the plugin's folder"), hint)
}

/// What to say about a module that only Node has.
pub(super) fn about_builtin(name: &str) -> Refusal {
    let hint = match name.split('/').next().unwrap_or(name) {
        "fs" => "use `ctx.fs`, and ask for `filesystem` in plugin.yml",
        "child_process" => "use `ctx.exec`, and ask for `exec` in plugin.yml",
        "http" | "https" | "http2" | "net" | "tls" | "dns" | "dgram" => {
            "use `fetch`, and ask for `network` in plugin.yml"
        }
        "crypto" => "use the global `crypto`",
        "url" => "use the globals `URL` and `URLSearchParams`",
        "buffer" => "use `Uint8Array`, `TextEncoder`, `atob` and `btoa`",
        "timers" => "use the global timers",
        "process" => "use the global `process.env`, and name the variables under `env` in plugin.yml",
        "perf_hooks" => "use the global `performance`",
        "events" => "use the global `EventTarget`, or install the package `events` into the plugin's node_modules",
        _ => "plugins have the web's APIs and `node:path`; look for a package without it",
    };
    Refusal::new(format!("`node:{name}` does not exist in a plugin"), hint)
}

/// The name of a module of Node's own, without `node:`.
pub(super) fn builtin(specifier: &str) -> Option<&str> {
    const BUILTINS: &[&str] = &[
        "assert",
        "async_hooks",
        "buffer",
        "child_process",
        "cluster",
        "console",
        "constants",
        "crypto",
        "dgram",
        "diagnostics_channel",
        "dns",
        "domain",
        "events",
        "fs",
        "http",
        "http2",
        "https",
        "inspector",
        "module",
        "net",
        "os",
        "perf_hooks",
        "process",
        "punycode",
        "querystring",
        "readline",
        "repl",
        "stream",
        "string_decoder",
        "sys",
        "timers",
        "tls",
        "trace_events",
        "tty",
        "url",
        "util",
        "v8",
        "vm",
        "wasi",
        "worker_threads",
        "zlib",
    ];
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    let first = name.split('/').next().unwrap_or(name);
    (specifier.starts_with("node:") || BUILTINS.contains(&first)).then_some(name)
}

fn module_type(path: &Path, asserted: Option<&ModuleType>) -> Option<ModuleType> {
    if let Some(asserted @ (ModuleType::Json | ModuleType::Text)) = asserted {
        return Some(asserted.clone());
    }
    match path.extension()?.to_str()? {
        "js" | "mjs" | "cjs" => Some(ModuleType::Js),
        "jsx" => Some(ModuleType::Jsx),
        "ts" | "mts" | "cts" => Some(ModuleType::Ts),
        "tsx" => Some(ModuleType::Tsx),
        "json" => Some(ModuleType::Json),
        "txt" | "md" => Some(ModuleType::Text),
        _ => None,
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the child: it has no other access to its one folder")]
fn canonical(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

#[allow(clippy::disallowed_methods, reason = "this is the child: it has no other access to its one folder")]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
