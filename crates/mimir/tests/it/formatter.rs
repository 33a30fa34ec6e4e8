//! The formatter plugin under confinement: that a program which it may start gets its work done, and no more than that.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::place::{Place, Ran, event, repository};

const UGLY: &str = "const  a = {b:1 ,c:[ 1,2 ]}\n";
const FORMATTED: &str = "const a = { b: 1, c: [1, 2] };\n";

/// Stands at Prettier's path and formats one text. It needs what Prettier needs: node, its own folder, the project, a file
/// that it may change; and tells what it could reach beyond that.
const LIKE_PRETTIER: &str = r"
const fs = require('node:fs');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
require('./neighbour.cjs');
const [write, file] = process.argv.slice(2);
if (write !== '--write' || fs.readFileSync(file, 'utf8') === '') process.exit(2);
fs.readdirSync('.');
fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'x-'));
fs.writeFileSync(path.join(require('node:os').homedir(), '.cache'), '');
process.memoryUsage.rss();
const child = spawnSync(process.execPath, ['-p', '1'], { encoding: 'utf8' });
if (child.status !== 0) { console.error(child.stderr); process.exit(3); }
const reached = [];
const attempt = (what, act) => { try { act(); reached.push(what); } catch {} };
attempt('outside', () => fs.readFileSync('../outside.txt'));
attempt('a restricted file', () => fs.readFileSync('.env'));
attempt('a hook', () => fs.writeFileSync('.git/hooks/pre-commit', ''));
attempt('a new file in the root', () => fs.writeFileSync('new', ''));
if (reached.length > 0) { console.error('reached ' + reached.join(', ')); process.exit(4); }
fs.writeFileSync(file, 'const a = { b: 1, c: [1, 2] };\n');
";

fn project(place: &Place) {
    place.write("project/src/a.ts", UGLY);
    place.write("project/.env", "KEY=1\n");
    place.write("project/.git/HEAD", "ref: refs/heads/main\n");
    fs::create_dir_all(place.project().join(".git/hooks")).unwrap();
    place.write("outside.txt", "secret\n");
    place.write("project/package.json", "{}\n");
}

fn formats(place: &Place) {
    let written = json!({"path": "src/a.ts", "tool": "write", "bytes": 30});
    let recording = place.write("event.ndjson", event("file.modified", &written));
    let mut command = place.mimir();
    command.args(["replay", "--live", "--yes", "--json", "--plugins"]).arg(repository().join("packages/formatter"));
    let ran = Ran::of(command.arg(recording)).done();
    assert_eq!(place.read("project/src/a.ts"), FORMATTED, "{}{}", ran.out, ran.err);
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn a_formatter_does_its_work_and_reaches_nothing_else() {
    if !is_there("node") {
        return eprintln!("there is no node here; nothing to see");
    }
    let place = Place::new();
    project(&place);
    place.write("project/node_modules/prettier/bin/prettier.cjs", LIKE_PRETTIER);
    place.write("project/node_modules/prettier/bin/neighbour.cjs", "");
    formats(&place);
}

#[test]
#[ignore = "installs the newest Prettier from the npm registry"]
fn the_real_prettier_does_its_work() {
    let place = Place::new();
    project(&place);
    install(&place.project());
    formats(&place);
}

fn install(project: &Path) {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefer-offline", "prettier"]).current_dir(project);
    assert!(npm.stdout(Stdio::null()).status().unwrap().success());
}
