//! Whatever dies, and whenever: every event has its answer, and nothing is left over.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, event};

const EVENTS: usize = 10_000;
const KILLS: usize = 50;
const LOST: &str = "the sandbox process ended while the call was under way";
/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What plugins ask for; those that ask for the same share a process.
const GROUPS: [(&str, usize); 3] =
    [("", 4), ("capabilities: { filesystem: { read: true } }\n", 3), ("capabilities: { env: [HOME] }\n", 3)];
const PLUGINS: usize = GROUPS[0].1 + GROUPS[1].1 + GROUPS[2].1;

/// Ten plugins, every second one a guard. Most answer at once, some after a host call, one now and then after a timer.
fn plugins(place: &Place) {
    let groups = GROUPS.iter().flat_map(|(asks, count)| std::iter::repeat_n(asks, *count));
    for (number, asks) in groups.enumerate() {
        let failure = ["open", "closed"][number % 2];
        let handler = match number {
            1 | 4 | 7 => "async () => { await ctx.fs.exists('x').catch(() => {}); }",
            5 => {
                "async (event: any) => { if (event.path?.startsWith('2')) await new Promise((done) => setTimeout(done, 0)); }"
            }
            _ => "() => {}",
        };
        let module = format!(
            "const answer = (ctx: any) => {handler};\n\
             export default async (ctx: any) => ({{ on: {{\n\
               'tool.execute.before': answer(ctx), 'permission.ask': answer(ctx), 'file.modified': answer(ctx),\n\
             }} }});\n"
        );
        let events = "events: [tool.execute.before, permission.ask, file.modified]\n";
        place.plugin(&format!("plugins/p{number}"), &format!("failure: {failure}\n{asks}{events}"), &module);
    }
}

/// One after the other, at once and deciding, at once and telling.
fn line(number: usize) -> String {
    match number % 3 {
        0 => event(
            "tool.execute.before",
            &json!({"tool": "bash", "args": {"n": number}, "callId": "c", "source": "builtin"}),
        ),
        1 => event("permission.ask", &json!({"type": "bash", "command": format!("ls {number}"), "risk": "low"})),
        _ => event("file.modified", &json!({"path": format!("{number}.txt")})),
    }
}

/// A replay of standard input by a program that has a path of its own, by which its processes are told from others'.
struct Run {
    child: Child,
    exe: PathBuf,
    input: Option<JoinHandle<ChildStdin>>,
    output: Receiver<String>,
    errors: JoinHandle<String>,
}

impl Run {
    fn start(place: &Place) -> Self {
        let exe = place.home().join("../mimir").canonicalize().unwrap_or_else(|_| {
            let (built, own) = (Path::new(env!("CARGO_BIN_EXE_mimir")), place.project().join("../mimir"));
            fs::hard_link(built, &own).or_else(|_| fs::copy(built, &own).map(drop)).unwrap();
            own.canonicalize().unwrap()
        });
        let mut child = Command::new(&exe)
            .args(["replay", "-", "--json", "--yes", "--plugins"])
            .arg(place.project().join("../plugins"))
            .current_dir(place.project())
            .env("MIMIR_HOME", place.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = thread::spawn(move || {
            for number in 0..EVENTS {
                // Whoever is killed does not read to the end
                if stdin.write_all(line(number).as_bytes()).is_err() {
                    break;
                }
            }
            stdin
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, output) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, exe, input: Some(input), output, errors }
    }

    fn next(&self) -> Value {
        serde_json::from_str(&self.output.recv_timeout(PATIENCE).unwrap()).unwrap()
    }

    /// The processes of this program beside itself.
    fn helpers(&self) -> Vec<u32> {
        processes(|folder| fs::read_link(folder.join("exe")).is_ok_and(|exe| exe == self.exe))
            .into_iter()
            .filter(|id| *id != self.child.id())
            .collect()
    }

    fn zombies(&self) -> Vec<u32> {
        let parent = self.child.id().to_string();
        processes(|folder| {
            let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
            // The name stands in parentheses and may hold anything; state and parent follow it
            let mut fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
            (fields.next(), fields.next()) == (Some("Z"), Some(&parent))
        })
    }

    /// Waits for the end, and that nothing is left then.
    fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        drop(self.input.take().map(JoinHandle::join));
        eventually("no process is left", || self.helpers().is_empty());
        (status, self.errors.join().unwrap())
    }
}

fn processes(is_meant: impl Fn(&Path) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let numbered = entries.filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path)));
    numbered.filter(|(_, path)| is_meant(path)).map(|(id, _)| id).collect()
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came to this: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn signal(name: &str, process: u32) -> bool {
    Command::new("kill").args([name, &process.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

/// A fixed sequence that looks random enough.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn killed_sandbox_processes_cost_no_more_than_what_was_under_way() {
    let place = Place::new();
    plugins(&place);
    let mut run = Run::start(&place);
    let mut numbers = Numbers(20);
    let (mut kills, mut next_kill) = (0, 30);
    let (mut lost, mut hit) = (0, 0);
    // The last event stays under way until its successor or the end is seen
    for number in 0..EVENTS - 1 {
        let found = run.next();
        let answers = found["answers"].as_array().unwrap();
        let lost_here = answers.iter().filter(|answer| answer["outcome"] != "passed");
        let mut count = 0;
        for answer in lost_here {
            assert_eq!(answer["reason"], LOST, "{found}");
            count += 1;
        }
        let is_blocked = found["outcome"] == "blocked";
        assert!(answers.len() == PLUGINS || (is_blocked && count > 0), "event {number}: {found}");
        lost += count;
        hit += usize::from(count > 0);
        if number >= next_kill && kills < KILLS {
            next_kill = number + 50 + numbers.below(EVENTS / KILLS);
            let helpers = run.helpers();
            if !helpers.is_empty() {
                kills += usize::from(signal("-KILL", helpers[numbers.below(helpers.len())]));
            }
        }
    }
    eventually("no zombie is left", || run.zombies().is_empty());
    // One for each group, a spare, and maybe one that compiles
    eventually("there are no more processes than it takes", || run.helpers().len() <= GROUPS.len() + 2);
    drop(run.input.take().unwrap().join().unwrap());
    let last = run.next();
    assert_eq!(last["answers"].as_array().unwrap().len(), PLUGINS, "nobody is in quarantine: {last}");
    let summary = run.next();
    assert_eq!(summary["summary"]["events"], EVENTS);
    assert!(run.output.recv_timeout(PATIENCE).is_err(), "nothing follows the summary");
    let (status, errors) = run.end();
    assert!(status.success(), "{errors}");
    assert!(!errors.contains("quarantine"), "{errors}");
    assert!(kills >= KILLS / 2, "only {kills} kills");
    assert!(hit > 0, "no kill hit anything");
    assert!(hit <= kills, "{hit} events were hit by {kills} kills");
    let most = GROUPS.iter().map(|(_, count)| count).max().unwrap();
    assert!(lost <= kills * most, "{lost} answers are missing after {kills} kills");
    eprintln!("{kills} kills hit {hit} events and cost {lost} answers");
}

/// Whether a signal is ignored here, and so by every program that is started: a shell does that to what it starts in the
/// background.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    (u64::from_str_radix(mask, 16).unwrap() >> (signal - 1)) & 1 == 1
}

#[test]
fn nothing_outlives_the_program_however_it_ends() {
    for (name, number) in [("-KILL", 9), ("-TERM", 15), ("-INT", 2)] {
        // While it loads, when it has just begun, and in the middle
        for lines in [0, 1, 500] {
            // Until it listens itself, a program ignores what whoever started the tests had it ignore
            if lines == 0 && is_ignored(number) {
                continue;
            }
            let place = Place::new();
            plugins(&place);
            let run = Run::start(&place);
            for _ in 0..lines {
                run.next();
            }
            eventually("something runs beside it", || !run.helpers().is_empty());
            assert!(signal(name, run.child.id()), "{name} after {lines} lines");
            let (status, errors) = run.end();
            // From its first event on it ends an interruption by itself
            let is_as_expected = match name {
                "-INT" if lines > 0 => status.code() == Some(130),
                _ => status.signal() == Some(number),
            };
            assert!(is_as_expected, "{name} after {lines} lines: {status}: {errors}");
        }
    }
}
