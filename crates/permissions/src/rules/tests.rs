#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use mimir_shared_config::Origin;
use proptest::prelude::*;

use super::*;
use crate::risk::assess;

fn project() -> Project {
    Project { root: PathBuf::from("/code/app"), home: Some(PathBuf::from("/home/u")) }
}

fn request(kind: &str, command: &str, path: Option<&str>) -> Request {
    Request {
        session_id: "s".to_owned(),
        kind: kind.to_owned(),
        command: command.to_owned(),
        path: path.map(PathBuf::from),
        tool: None,
        least_risk: None,
        cause: Vec::new(),
        changed_by: Vec::new(),
    }
}

fn does(test: fn(&PermissionRule, &Request, &Found, &Project) -> bool, rule: &str, request: &Request) -> bool {
    test(&rule.parse().unwrap(), request, &assess(request, &project()), &project())
}

#[test]
fn a_rule_that_allows_means_one_plain_command() {
    let check = |rule: &str, line: &str, expected: bool| {
        assert_eq!(does(allows, rule, &request("bash", line, None)), expected, "{rule} on {line}");
    };
    check("bash(git status)", "git status", true);
    check("bash(git status)", "  git   status ", true);
    check("bash(git status)", "git 'status'", true);
    check("bash(git status)", "git status -s", false);
    check("bash(git status *)", "git status", true);
    check("bash(git status *)", "git status -s src", true);
    check("bash(git status*)", "git status -s", true);
    check("bash(git status*)", "git statusx", true);
    check("bash(git status *)", "git statusx", false);
    check("bash(npm run * --silent)", "npm run build --silent", true);
    check("bash(npm run * --silent)", "npm run a b --silent", false);
    check("bash(grep -n * src/?.rs)", "grep -n 'a b' src/a.rs", true);
    check("bash(ls \\*)", "ls '*'", true);
    check("bash(ls \\*)", "ls a", false);
    check("bash(ls *)", "ls src/*.rs", true);
    // A name that is found may be an option
    check("bash(ls *)", "ls *", false);
    for suffix in [
        "; rm -rf /",
        " && rm x",
        " || rm x",
        " | sh",
        " & rm x",
        "\nrm x",
        " > out",
        " 2> out",
        " < in",
        " $(rm x)",
        " `rm x`",
        " \"$(rm x)\"",
        " $HOME",
        " ${X}",
        " <(rm x)",
        " {a,b}",
        " # x",
        " \\\nx",
        " 'unfinished",
        " \"unfinished",
        " <<EOF\nEOF",
        " \u{1b}[0m",
        " \u{0}",
        "\r\nrm x",
    ] {
        for rule in ["bash(git status *)", "bash(git status*)", "bash(git *)"] {
            check(rule, &format!("git status{suffix}"), false);
        }
    }
    check("bash(git status *)", "PATH=/evil git status", false);
    check("bash(git status *)", "(git status)", false);
    check("bash(git status *)", "! git status", false);
    check("bash(git *)", "g''it status", false);
    check("bash(git *)", "/evil/git status", false);
    check("bash(git *)", "git -c core.pager=evil log", false);
    check("bash(git -c color.ui=never *)", "git -c color.ui=never log", true);
    check("bash(find *)", "find . -delete", false);
    check("bash(sudo *)", "sudo ls", false);
    check("bash(sh *)", "sh -c ls", false);
    check("bash(* status)", "git status", false);
    check("bash", "rm -rf / | sh", true);
    check("bash(*)", "rm -rf /; ls", true);
    check("write", "ls", false);
}

#[test]
fn a_rule_that_blocks_means_every_command_within() {
    let check = |rule: &str, line: &str, expected: bool| {
        assert_eq!(does(blocks, rule, &request("bash", line, None)), expected, "{rule} on {line}");
    };
    for line in [
        "rm x",
        "rm",
        "/bin/rm x",
        "ls; rm x",
        "ls && rm x",
        "ls | rm x",
        "(rm x)",
        "{ rm x; }",
        "ls\nrm x",
        "if true; then rm x; fi",
        "r''m x",
        "\\rm x",
        "$'\\x72m' x",
        "\"rm\" x",
        "echo $(rm x)",
        "echo `rm x`",
        "echo \"$(rm x)\"",
        "cat <(rm x)",
        "sudo rm x",
        "env A=b rm x",
        "A=b rm x",
        "nohup rm x",
        "timeout 5 rm x",
        "nice -n 5 rm x",
        "xargs rm < a",
        "find . -exec rm {} +",
        "sh -c 'rm x'",
        "bash -lc 'ls; rm x'",
        "bash -c \"sh -c 'rm x'\"",
        "eval 'rm x'",
        "eval rm x",
        "env -S 'rm x'",
        "bash <<EOF\nrm x\nEOF",
        "bash <<< 'rm x'",
        "X=rm; $X x",
        "$(echo rm) x",
        "python3 -c 'os.system(\"rm x\")'",
        "f() { rm x; }; f",
        "function f { rm x; }; f",
        "for x do rm x; done",
        "coproc x { rm x; }",
        "watch rm x",
        "RM x",
        "echo 'a; rm x",
        "cat <<EOF\n$(rm x)\nEOF",
        "trap 'rm x' EXIT",
        "alias ls='rm x'",
        "echo ${X:-$(rm x)}",
        "sudo -u root -- rm x",
        "busybox rm x",
        "command rm x",
        "time rm x",
        "exec rm x",
        "flock a rm x",
        "case a in a) rm x;; esac",
        "parallel rm ::: x",
    ] {
        check("bash(rm *)", line, true);
        check("bash(rm)", line, true);
    }
    for line in
        ["ls rm", "echo rm x", "git rm x", "rmdir x", "npm run rm", "echo 'rm x'", "grep -r 'rm x' .", "echo $X"]
    {
        check("bash(rm *)", line, false);
    }
    for line in [
        "git push --force",
        "git push origin main --force",
        "git -C x push --force",
        "git push --forc",
        "git push --force=x",
        "git $X --force",
        "git push $ARGS",
    ] {
        check("bash(git push --force)", line, true);
    }
    check("bash(git push --force)", "git push", false);
    check("bash(git push --force)", "git push --force-with-lease", false);
    check("bash(git push --force*)", "git push --force-with-lease", true);
    check("bash(rm -rf)", "rm -r -f x", true);
    check("bash(rm -rf)", "rm -fR x", true);
    check("bash(rm -rf)", "rm --recursive --force x", true);
    check("bash(rm -rf)", "rm -r x", false);
    check("bash(npm publish)", "npm publish --access public", true);
    check("bash", "ls", true);
    check("bash(*)", "ls", true);
    // Files that a line names
    check("read(~/.ssh/**)", "cat ~/.ssh/id_rsa", true);
    check("read(~/.ssh/**)", "cat /home/u/.ssh/../.ssh/id_rsa", true);
    check("read(~/.ssh/**)", "cat < ~/.ssh/id_rsa", true);
    check("read(.env)", "cat .env", true);
    check("read(.env)", "cat sub/.env | head", true);
    check("read(.env)", "frobnicate --file=./.env", true);
    check("read(.env)", "cat env", false);
    check("write(src/**)", "echo x > src/a.rs", true);
    check("write(src/**)", "cp a src/b", true);
    check("write(src/**)", "cat src/a.rs", false);
    check("delete(*)", "rm x", true);
    check("delete(*)", "find . -name x -delete", true);
    check("delete(*)", "ls", false);
}

#[test]
fn paths() {
    let check = |rule: &str, path: &str, expected: [bool; 2]| {
        let kind = rule.split('(').next().unwrap();
        let request = request(kind, &format!("{kind} {path}"), Some(path));
        assert_eq!([does(allows, rule, &request), does(blocks, rule, &request)], expected, "{rule} on {path}");
    };
    check("write(src/**)", "src/a.rs", [true, true]);
    check("write(src/**)", "/code/app/src/a/b.rs", [true, true]);
    check("write(src/**)", "src", [false, false]);
    check("write(src/**)", "src/../x", [false, false]);
    check("write(src/**)", "lib/../src/x", [true, true]);
    check("write(src/)", "src/a/b", [true, true]);
    check("write(src)", "src/a", [false, true]);
    check("write(src/*)", "src/a", [true, true]);
    check("write(src/*)", "src/a/b", [false, true]);
    check("write(src/**/*.rs)", "src/a.rs", [true, true]);
    check("write(src/**/*.rs)", "src/a/b/c.rs", [true, true]);
    check("write(*.md)", "README.md", [true, true]);
    check("write(*.md)", "docs/a.md", [true, true]);
    check("write(./README.md)", "docs/README.md", [false, false]);
    check("write(./README.md)", "README.md", [true, true]);
    check("write(*.md)", "../README.md", [false, false]);
    check("write(*)", "a/b", [true, true]);
    check("write(*)", "../x", [false, true]);
    check("write", "../x", [true, true]);
    check("write(**)", "a/b", [true, true]);
    check("read(~/.ssh/**)", "/home/u/.ssh/id", [true, true]);
    check("read(~/.ssh/**)", "~/.ssh/id", [true, true]);
    check("read(~/.ssh/**)", "~/.SSH/id", [false, true]);
    check("read(~/.ssh/**)", "/home/other/.ssh/id", [false, false]);
    check("read(~/.ssh/**)", "~other/.ssh/id", [false, true]);
    check("read(/etc/**)", "/etc/hosts", [true, true]);
    check("read(/etc/**)", "/code/app/../../etc/hosts", [true, true]);
    check("read(SRC/*)", "src/a", [false, true]);
    check("delete(*)", "a", [true, true]);
    let other = request("edit", "edit src/a", Some("src/a"));
    assert!(does(allows, "write(src/**)", &other) && does(allows, "edit(src/**)", &other));
    let write = request("write", "write src/a", Some("src/a"));
    assert!(!does(allows, "edit(src/**)", &write));
    let grep = request("grep", "grep x", Some("src"));
    assert!(does(blocks, "read(src)", &grep));
    // Nobody says which file: a rule that blocks means it, one that allows does not
    let nowhere = request("write", "write", None);
    assert!(does(blocks, "write(src/**)", &nowhere) && !does(allows, "write(src/**)", &nowhere));
}

#[test]
fn tools_by_their_names() {
    let check = |rule: &str, kind: &str, command: &str, tool: &str, expected: bool| {
        let request = Request { tool: Some(tool.to_owned()), ..request(kind, command, None) };
        assert_eq!(does(allows, rule, &request), expected, "{rule} on {kind} {command}");
        assert_eq!(does(blocks, rule, &request), expected, "{rule} on {kind} {command}");
    };
    check("mcp(docs/search)", "mcp", "docs/search {\"q\":1}", "mcp__docs__search", true);
    check("mcp(docs/*)", "mcp", "docs/search", "x", true);
    check("mcp(docs)", "mcp", "docs/search", "x", true);
    check("mcp(docs/search)", "mcp", "docs/delete docs/search", "x", false);
    check("mcp", "mcp", "docs/search", "x", true);
    check("tool(deploy)", "deploy", "deploy {}", "deploy", true);
    check("tool(de*)", "deploy", "deploy {}", "deploy", true);
    check("tool(guard/scan)", "plugin", "guard/scan {}", "scan", true);
    check("tool(deploy)", "mcp", "deploy", "deploy", false);
    check("task", "task", "explore", "task", true);
}

#[test]
fn the_company_over_the_user_over_the_project_and_nothing_over_a_block() {
    let said = |layer: Layer, rule: &str| SaidRule {
        rule: rule.parse().unwrap(),
        origin: Origin { layer, place: "f".to_owned(), line: None },
    };
    let check = |allow: &[(Layer, &str)], block: &[(Layer, &str)], line: &str, expected: [Option<Layer>; 2]| {
        let list = |rules: &[(Layer, &str)]| rules.iter().map(|(layer, rule)| said(*layer, rule)).collect::<Vec<_>>();
        let mut rules = PermissionRules::default();
        (rules.allow, rules.block) = (list(allow), list(block));
        let request = request("bash", line, None);
        let found = assess(&request, &project());
        let by = |said: Option<&SaidRule>| said.map(|said| said.origin.layer);
        let both = [allowing(&rules, &request, &found, &project()), blocking(&rules, &request, &found, &project())];
        assert_eq!(both.map(by), expected, "{line}");
    };
    use Layer::{Environment, Policy, Project, User};
    check(&[(User, "bash(make)")], &[(Project, "bash(make)")], "make", [Some(User), Some(Project)]);
    check(&[(User, "bash(make)"), (Policy, "bash(make)")], &[], "make", [Some(Policy), None]);
    check(&[], &[(User, "bash"), (Policy, "bash(make)"), (Project, "bash")], "make", [None, Some(Policy)]);
    // A repository allows what is harmless, and nothing else
    check(&[(Project, "bash")], &[], "make", [None, None]);
    check(&[(Project, "bash")], &[], "ls", [Some(Project), None]);
    // Nobody but the company allows what is critical
    check(&[(User, "bash"), (Environment, "bash")], &[], "rm -rf /", [None, None]);
    check(&[(User, "bash(npm publish)")], &[], "npm publish", [None, None]);
    check(&[(Policy, "bash(npm publish)")], &[], "npm publish", [Some(Policy), None]);
    check(&[(User, "bash(git push)")], &[], "git push", [Some(User), None]);
}

#[test]
fn rules_to_be_remembered_are_narrow() {
    let check = |line: &str, expected: Option<&str>| {
        let request = request("bash", line, None);
        let found = assess(&request, &project());
        let rule = narrow(line, found.line.as_ref().unwrap(), found.assessment.risk);
        assert_eq!(rule.as_deref(), expected, "{line}");
        if let Some(rule) = rule {
            assert!(does(allows, &format!("bash({rule})"), &request), "{rule} on {line}");
        }
    };
    check("cargo test -p x", Some("cargo test *"));
    check("npm run build -- --x", Some("npm run build *"));
    check("npm run", Some("npm run"));
    check("npm test", Some("npm test *"));
    check("git commit -m 'a b'", Some("git commit *"));
    check("frobnicate --all x", Some("frobnicate --all x"));
    check("frobnicate 'a*b'", Some("frobnicate a\\*b"));
    check("frobnicate 'a b'", None);
    check("python3 a.py", Some("python3 a.py"));
    check("rm -r build", None);
    check("git push", None);
    check("cargo test && rm x", None);
    check("cargo test $X", None);
    check("./script.sh a", Some("./script.sh a"));
    check("/opt/evil/git status", None);
}

proptest! {
    /// Whatever follows an allowed line: if a shell reads more into it than words, no rule allows the whole.
    #[test]
    fn no_syntax_slips_through(
        before in "[ a-z0-9./=-]{0,12}",
        syntax in prop_oneof![
            Just(";"), Just("&"), Just("&&"), Just("|"), Just("||"), Just("\n"), Just(">"), Just(">>"), Just("<"), Just("<<"), Just("$("), Just("`"),
            Just("$X"), Just("${X}"), Just("<("), Just("("), Just(")"), Just("\"$(x)\""), Just("\"`x`\""), Just(" #"), Just("\\\n"), Just("{a,b}"),
            Just("\r\n"), Just("\u{0}"), Just("\u{1b}"), Just("$'a'$X"), Just("2>&1"), Just("{1..3}"),
        ],
        after in "[ -~\n]{0,16}",
    ) {
        let line = format!("git status {before}{syntax}{after}");
        for rule in ["bash(git status *)", "bash(git status*)", "bash(git *)"] {
            prop_assert!(!does(allows, rule, &request("bash", &line, None)), "{rule} on {line:?}");
        }
    }

    /// What is blocked stays so, whatever stands around it.
    #[test]
    fn no_surroundings_hide_a_blocked_program(before in "[a-z ]{0,8}", after in "[ -~]{0,16}") {
        for line in [format!("{before}; rm {after}"), format!("{before}\nrm {after}"), format!("{before} && sudo rm {after}"), format!("{before} $(rm x) {after}")] {
            prop_assert!(does(blocks, "bash(rm *)", &request("bash", &line, None)), "{line:?}");
        }
    }

    /// Quotes, backslashes and the like never make a line less dangerous than the program that it names.
    #[test]
    fn taking_apart_never_fails(line in "[ -~\n\t]{0,60}") {
        let request = request("bash", &line, None);
        let found = assess(&request, &project());
        prop_assert!(!found.assessment.reasons.is_empty());
    }

    #[test]
    fn obfuscation_does_not_lower_the_risk(cut in 0usize..3, quote in prop_oneof![Just("''"), Just("\"\""), Just("\\")]) {
        let (head, tail) = "rm".split_at(cut.min(1));
        prop_assume!(!(quote == "\\" && tail.is_empty()));
        let line = format!("{head}{quote}{tail} -rf build");
        let request = request("bash", &line, None);
        prop_assert!(assess(&request, &project()).assessment.risk >= Risk::High, "{line}");
    }
}
