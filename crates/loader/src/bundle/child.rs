use std::io::{Read, Write};
use std::sync::Arc;

use rolldown::{
    Bundler, BundlerOptions, CodeSplittingMode, InputItem, OutputFormat, Platform, ResolveOptions, SourceMapType,
    TsConfig,
};
use rolldown_common::Output;

use super::confine::confine;
use super::diagnostics::{is_unresolved, problem};
use super::guard::Guard;
use super::protocol::{BundleRequest, Bundled, CHILD_ARGUMENT, Confinement, Response};
use crate::error::Problem;

/// Becomes the bundler, and does not return, if this process was started as one by [`crate::BundlerProcess`].
///
/// To be called first in `main`, before any thread exists: what confines the process binds threads only from then on.
pub fn bundler_main_if_requested() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == CHILD_ARGUMENT) {
        std::process::exit(main());
    }
}

/// Reads the request from standard input, answers on standard output. Nothing it says elsewhere counts.
fn main() -> i32 {
    let mut request = String::new();
    if std::io::stdin().take(1 << 20).read_to_string(&mut request).is_err() {
        return 2;
    }
    let Ok(request) = serde_json::from_str::<BundleRequest>(&request) else {
        return 2;
    };
    let confinement = confine(&request.root);
    // Two threads: one module is read while another is parsed, and the machine is left to others.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(4).build();
    let Ok(runtime) = runtime else {
        return 3;
    };
    let response = match runtime.block_on(bundle(&request, confinement)) {
        Ok(bundled) => Response::Done(bundled),
        Err(problems) => Response::Failed(problems),
    };
    let mut out = std::io::stdout().lock();
    match serde_json::to_writer(&mut out, &response).map(|()| out.flush()) {
        Ok(Ok(())) => 0,
        _ => 4,
    }
}

async fn bundle(request: &BundleRequest, confinement: Confinement) -> Result<Bundled, Vec<Problem>> {
    let guard = Arc::new(Guard::new(request.root.clone()));
    let ours = |found: &rolldown_error::BuildDiagnostic| problem(&guard, &request.root, found);
    let refused = |message: &str| Problem {
        file: request.entry.clone(),
        line: None,
        column: None,
        message: message.to_owned(),
        hint: None,
        excerpt: None,
    };
    let batch = |errors: rolldown_error::BatchedBuildDiagnostic| -> Vec<Problem> {
        let mut problems: Vec<_> = errors.iter().map(ours).collect();
        problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        problems.dedup();
        problems
    };
    let mut bundler = Bundler::with_plugins(options(request), vec![guard.clone()]).map_err(batch)?;
    let output = bundler.generate().await.map_err(batch)?;
    let (unresolved, warnings): (Vec<_>, Vec<_>) = output.warnings.iter().partition(|found| is_unresolved(found));
    if !unresolved.is_empty() {
        return Err(unresolved.into_iter().map(ours).collect());
    }
    let mut code = None;
    for part in &output.assets {
        match part {
            Output::Chunk(chunk) if code.is_none() => code = Some(chunk),
            Output::Chunk(_) => return Err(vec![refused("it does not fit into one module")]),
            Output::Asset(asset) if asset.filename.ends_with(".map") => {}
            Output::Asset(asset) => {
                return Err(vec![refused(&format!("`{}` can't be part of the bundle", asset.filename))]);
            }
        }
    }
    let chunk = code.ok_or_else(|| vec![refused("the bundle is empty")])?;
    // A module that is imported dynamically became a part of this one
    let mut imports = chunk.imports.iter().chain(&chunk.dynamic_imports).filter(|name| **name != chunk.filename);
    if let Some(import) = imports.next() {
        return Err(vec![refused(&format!("`{import}` could not be taken into the bundle"))]);
    }
    Ok(Bundled {
        code: chunk.code.clone(),
        source_map: chunk.map.as_ref().map(rolldown_sourcemap::SourceMap::to_json_string).unwrap_or_default(),
        inputs: guard.inputs(),
        warnings: warnings.into_iter().map(ours).collect(),
        confinement,
    })
}

fn options(request: &BundleRequest) -> BundlerOptions {
    let strings = |all: &[&str]| Some(all.iter().map(ToString::to_string).collect::<Vec<_>>());
    BundlerOptions {
        input: Some(vec![InputItem { name: Some("plugin".into()), import: format!("./{}", request.entry) }]),
        cwd: Some(request.root.clone()),
        // Nothing is written; this only makes the sources of the map relative to the plugin's folder.
        dir: Some(request.root.to_string_lossy().into_owned()),
        // Not a browser (no `document`), not Node (no `fs`): nothing is there but what is bundled.
        platform: Some(Platform::Neutral),
        format: Some(OutputFormat::Esm),
        sourcemap: Some(SourceMapType::Hidden),
        sourcemap_exclude_sources: Some(true),
        code_splitting: Some(CodeSplittingMode::Bool(false)),
        // A tsconfig.json may extend one outside the folder, and nothing in it matters to code that is only stripped of
        // its types.
        tsconfig: Some(TsConfig::Auto(false)),
        resolve: Some(ResolveOptions {
            extensions: strings(&[".ts", ".tsx", ".mts", ".js", ".mjs", ".cjs", ".jsx", ".json"]),
            main_fields: strings(&["module", "main"]),
            condition_names: strings(&["mimir", "worker", "module"]),
            symlinks: Some(true),
            ..ResolveOptions::default()
        }),
        ..BundlerOptions::default()
    }
}
