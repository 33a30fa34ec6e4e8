//! A program that was stopped for a while, or its whole machine: when it goes on, nobody's time has passed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Place, event};
use crate::replay::children_of;

const LIMIT: &str = "2s";
/// The one thing that has to last: longer than the limit and every grace after it.
const STANDSTILL: Duration = Duration::from_secs(6);

/// Says where it is, and waits there until it may go on.
const WAITS: &str = "\
const until = async (ctx: any, name: string) => {
  await ctx.fs.writeFile(`${name}-begun`, '');
  while (!(await ctx.fs.exists(`${name}-go`))) await new Promise((done) => setTimeout(done, 500));
};
export default async (ctx: any) => {
  await until(ctx, 'start');
  return { on: { 'session.idle': () => until(ctx, 'call') } };
};
";

#[test]
fn what_was_under_way_while_everything_stood_still_goes_on() {
    let place = Place::new();
    let manifest = format!(
        "events: [session.idle]\nlimits: {{ time: {LIMIT}, init: {LIMIT} }}\n\
         capabilities: {{ filesystem: {{ read: true, write: true }} }}\n"
    );
    place.plugin("plugins/patient", &manifest, WAITS);
    let mut child = place.start("replay - --json --live --yes --plugins @/plugins");
    let mut stdin = child.stdin.take().unwrap();
    let idle = event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}}));
    stdin.write_all(idle.as_bytes()).unwrap();
    drop(stdin);
    for name in ["start", "call"] {
        let begun = place.project().join(format!("{name}-begun"));
        while !begun.exists() {
            if child.try_wait().unwrap().is_some() {
                let told = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
                panic!("it ended before its {name}: {told}");
            }
            sleep(Duration::from_millis(1));
        }
        // Who is stopped first does not see that the others are
        let mut processes = vec![child.id()];
        signal("-STOP", &processes);
        processes.extend(children_of(child.id()));
        signal("-STOP", &processes[1..]);
        sleep(STANDSTILL);
        place.write(&format!("project/{name}-go"), "");
        processes.reverse();
        signal("-CONT", &processes);
    }
    let lines: Vec<Value> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(lines[0]["outcome"], "passed", "{lines:?}");
    assert!(child.wait().unwrap().success());
}

fn signal(name: &str, processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    // One that compiled something may have ended meanwhile
    Command::new("kill").arg(name).args(ids).stderr(Stdio::null()).status().unwrap();
}
