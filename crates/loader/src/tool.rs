//! A single text of code that is a tool: bundled as plugins are, without a folder of its own.

use std::sync::{Arc, OnceLock};

use mimir_shared_config::PluginId;
use oxc_sourcemap::OwnedSourceMap;

use crate::adapters::disk;
use crate::bundle::protocol::{BundleRequest, Bundled};
use crate::cache::PluginCache;
use crate::error::LoadError;
use crate::ports::Bundler;
use crate::stack;

/// The module to start from. It has a plugin's form, since that is what an isolate runs.
const ENTRY: &str = "plugin.js";

/// What the plugin of [`ENTRY`] calls its only tool.
const TOOL: &str = "tool";

/// The language of a tool's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToolLanguage {
    /// Its types are taken out, and not checked.
    TypeScript,
    /// As it is.
    JavaScript,
}

impl ToolLanguage {
    /// What the tool's module is called, in messages and stack traces.
    pub const fn file(self) -> &'static str {
        match self {
            Self::TypeScript => "tool.ts",
            Self::JavaScript => "tool.js",
        }
    }
}

/// The code of a tool, ready to run.
#[derive(Debug)]
pub struct LoadedTool {
    /// The name by which its isolate knows it.
    pub id: PluginId,
    /// One ES module. Its default export is a plugin with the one tool [`LoadedTool::NAME`], whose arguments are `{"args",
    /// "callId"}`.
    pub code: Arc<str>,
    source_map: String,
    map: OnceLock<Option<OwnedSourceMap>>,
}

impl LoadedTool {
    /// What the tool is called inside its isolate.
    pub const NAME: &str = TOOL;

    /// A stack trace of V8's with the lines of the tool's own code in place of the bundle's.
    pub fn map_stack(&self, stack: &str) -> String {
        match self.map.get_or_init(|| OwnedSourceMap::from_json_string(&self.source_map).ok()) {
            Some(map) => stack::map_stack(stack, self.id.as_str(), map),
            None => stack.to_owned(),
        }
    }
}

/// Bundles the code of a tool, or takes its bundle from the cache. Blocks.
pub(crate) fn load(
    bundler: &dyn Bundler,
    cache: &PluginCache,
    id: PluginId,
    text: &str,
    language: ToolLanguage,
) -> Result<LoadedTool, LoadError> {
    let entry = entry(language);
    let key = format!("{} {entry} {text}", language.file());
    let bundled = match cache.tool(&key) {
        Some(bundled) => bundled,
        None => {
            let bundled = bundle(bundler, &id, &entry, text, language)?;
            // It is bundled again the next time
            let _ = cache.store_tool(&key, &bundled);
            bundled
        }
    };
    Ok(LoadedTool { id, code: bundled.code.into(), source_map: bundled.source_map, map: OnceLock::new() })
}

fn bundle(
    bundler: &dyn Bundler,
    id: &PluginId,
    entry: &str,
    text: &str,
    language: ToolLanguage,
) -> Result<Bundled, LoadError> {
    // The bundler sees nothing but this folder, so that there is nothing to import
    let folder = disk::temporary_dir()?;
    let root = disk::canonical(folder.path()).unwrap_or_else(|| folder.path().to_owned());
    disk::write_atomic(&root.join(ENTRY), entry.as_bytes(), disk::Durability::Cache)?;
    disk::write_atomic(&root.join(language.file()), text.as_bytes(), disk::Durability::Cache)?;
    let request = BundleRequest { root: root.clone(), entry: ENTRY.to_owned(), name: id.as_str().to_owned() };
    bundler.bundle(&root, &request)
}

fn entry(language: ToolLanguage) -> String {
    let file = language.file();
    // Copied, since a bundler refuses to read from a module what it does not export. The names are none that the tool's own
    // code would have to give way to.
    format!(
        "import * as mimirModule from './{file}';\n\
         const mimirExports = {{ ...mimirModule }};\n\
         const mimirExecute = mimirExports.execute ?? mimirExports.default?.execute ?? mimirExports.default;\n\
         if (typeof mimirExecute !== 'function') {{\n\
           throw new TypeError('a custom tool exports a function `execute(args, context)`');\n\
         }}\n\
         const mimirContext = (ctx, callId) => ({{ sessionId: ctx.session.id, callId, signal: ctx.signal, log: ctx.log }});\n\
         export default () => ({{\n\
           tools: [{{\n\
             name: '{TOOL}',\n\
             description: 'A custom tool',\n\
             execute: ({{ args, callId }}, ctx) => mimirExecute(args, mimirContext(ctx, callId)),\n\
           }}],\n\
         }});\n",
    )
}
