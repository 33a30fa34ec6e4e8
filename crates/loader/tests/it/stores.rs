use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mimir_loader::{GrantState, GrantStore, LoadError, StateStore, TrustStore, home_problems};
use mimir_shared_config::{ContentHash, PluginIdentity, PluginManifest, PluginSource};

use crate::project::Project;

fn identity(package: &str, byte: char) -> PluginIdentity {
    PluginIdentity {
        source: PluginSource::Folder("/somewhere".into()),
        package: package.into(),
        hash: ContentHash::new(byte.to_string().repeat(64)).unwrap(),
    }
}

#[test]
fn a_damaged_file_is_an_error_and_stays_as_it_is() {
    let check =
        |file: &str, text: &str, expected: fn(&LoadError) -> bool, change: fn(&Path) -> Result<(), LoadError>| {
            let project = Project::new();
            project.write(&format!("home/.mimir/{file}"), text);
            let error = change(&project.path("home/.mimir")).unwrap_err();
            assert!(expected(&error), "{file}: {error:?}");
            assert!(!error.hint().is_empty());
            assert_eq!(fs::read_to_string(project.path(&format!("home/.mimir/{file}"))).unwrap(), text);
        };
    let corrupt: fn(&LoadError) -> bool = |error| matches!(error, LoadError::StoreCorrupt { .. });
    let newer: fn(&LoadError) -> bool = |error| matches!(error, LoadError::StoreTooNew { format: 9, .. });
    for text in
        ["", "{", "[]", "{\"format\": 1}", "{\"format\": 1, \"grants\": 3, \"repositories\": 3, \"plugins\": 3}"]
    {
        check("trust.json", text, corrupt, |home| TrustStore::in_home(home).trust(Path::new("/x")));
        check("grants.json", text, corrupt, |home| {
            GrantStore::in_home(home).revoke(&PluginSource::Builtin, "x").map(drop)
        });
        check("state.json", text, corrupt, |home| StateStore::in_home(home).quarantine(&identity("x", 'a'), "bad"));
    }
    check("trust.json", "{\"format\": 9, \"new\": 1}", newer, |home| TrustStore::in_home(home).trust(Path::new("/x")));
}

/// Whoever could have written a grant could have granted: links, pipes, and files that others may write.
#[test]
fn what_somebody_else_could_have_written_does_not_count() {
    use std::os::unix::fs::symlink;
    type Arrange = fn(&Path);
    let cases: [(&str, Arrange, &str); 6] = [
        (
            "a link",
            |home| {
                fs::rename(home.join("trust.json"), home.join("elsewhere.json")).unwrap();
                symlink("elsewhere.json", home.join("trust.json")).unwrap();
            },
            "it is a link",
        ),
        (
            "a pipe",
            |home| {
                fs::remove_file(home.join("trust.json")).unwrap();
                let made = std::process::Command::new("mkfifo").arg(home.join("trust.json")).status().unwrap();
                assert!(made.success());
            },
            "it is no file",
        ),
        (
            "a folder",
            |home| {
                fs::remove_file(home.join("trust.json")).unwrap();
                fs::create_dir(home.join("trust.json")).unwrap();
            },
            "it is no file",
        ),
        ("for all", |home| mode(&home.join("trust.json"), 0o666), "others may write to it"),
        ("for the group", |home| mode(&home.join("trust.json"), 0o660), "others may write to it"),
        ("a folder for all", |home| mode(home, 0o777), "of its folder, everybody may write in it"),
    ];
    for (name, arrange, expected) in cases {
        let project = Project::new();
        let home = project.path("home/.mimir/own");
        let trust = TrustStore::in_home(&home);
        trust.trust(&project.path("work")).unwrap();
        assert!(home_problems(&home).is_empty(), "{name}");
        arrange(&home);
        for error in [
            trust.is_trusted(&project.path("work")).unwrap_err(),
            trust.distrust(&project.path("work")).unwrap_err(),
            trust.trust(&project.path("other")).unwrap_err(),
        ] {
            let LoadError::StoreUnsafe { problem, .. } = &error else { panic!("{name}: {error:?}") };
            assert!(problem.starts_with(expected), "{name}: {problem}");
            assert!(!error.hint().is_empty());
        }
        let problems = home_problems(&home);
        assert!(problems.iter().any(|problem| problem.is_fatal), "{name}: {problems:?}");
    }
}

/// People keep their settings elsewhere: the folder may be a link, and the group may be the user's own.
#[test]
fn a_folder_of_the_users_own_may_lie_elsewhere() {
    let project = Project::new();
    let home = project.path("home/.mimir/own");
    TrustStore::in_home(&home).trust(&project.path("work")).unwrap();
    std::os::unix::fs::symlink(&home, project.path("home/link")).unwrap();
    assert!(TrustStore::in_home(&project.path("home/link")).is_trusted(&project.path("work")).unwrap());
    mode(&home, 0o775);
    assert!(TrustStore::in_home(&home).is_trusted(&project.path("work")).unwrap());
    let problems = home_problems(&home);
    assert_eq!(problems.iter().map(|problem| problem.is_fatal).collect::<Vec<_>>(), [false]);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Many at once: none is lost, and whoever reads meanwhile sees a whole file.
#[test]
fn grants_at_the_same_time_are_all_kept() {
    let project = Project::new();
    let home = project.path("home/.mimir/own");
    let manifest =
        PluginManifest::parse("plugin.yml", "name: p\nversion: 1.0.0\ncapabilities: { wasm: true }").unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (home, manifest) = (&home, &manifest);
            scope.spawn(move || {
                for index in 0..8 {
                    let store = GrantStore::in_home(home);
                    store.grant(&identity(&format!("p{writer}-{index}"), 'a'), manifest).unwrap();
                    let all = store.all().unwrap();
                    assert!(all.iter().any(|grant| grant.identity.package == format!("p{writer}-{index}")));
                }
            });
        }
    });
    assert_eq!(GrantStore::in_home(&home).all().unwrap().len(), 64);
}

/// Time decides nothing: a grant from the future, or from 1970, holds for its content and for no other.
#[test]
fn the_clock_has_no_say() {
    let project = Project::new();
    let grants = GrantStore::in_home(&project.path("home/.mimir/own"));
    let manifest =
        PluginManifest::parse("plugin.yml", "name: p\nversion: 1.0.0\ncapabilities: { wasm: true }").unwrap();
    for granted_at in [0, u64::MAX] {
        let mut grant = grants.grant(&identity("p", 'a'), &manifest).unwrap();
        grant.granted_at = granted_at;
        grants.put(grant).unwrap();
        let is_granted =
            |hash| matches!(grants.state(&identity("p", hash), &manifest).unwrap(), GrantState::Granted { .. });
        assert!(is_granted('a') && !is_granted('b'));
    }
}

/// A grant with a fraction in it: it made the file of all grants unreadable.
#[test]
fn a_budget_in_cents_is_read_as_it_was_granted() {
    let project = Project::new();
    let grants = GrantStore::in_home(&project.path("home/.mimir/own"));
    let text = "name: p\nversion: 1.0.0\ncapabilities: { llm: { enabled: true, budget: 0.25 } }";
    let manifest = PluginManifest::parse("plugin.yml", text).unwrap();
    let granted = grants.grant(&identity("p", 'a'), &manifest).unwrap();
    assert_eq!(grants.all().unwrap(), [granted]);
}

#[test]
fn files_are_for_their_owner_alone() {
    let project = Project::new();
    let home = project.path("home/.mimir/fresh");
    TrustStore::in_home(&home).trust(&project.path("work")).unwrap();
    let mode = |path: &str| fs::metadata(home.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("trust.json"), mode("trust.json.lock")), (0o700, 0o600, 0o600));
    assert_eq!(TrustStore::in_home(&home).all().unwrap(), [project.path("work")]);
}

#[test]
fn a_folder_above_or_below_is_not_trusted_with_it() {
    let project = Project::new();
    let trust = TrustStore::in_home(&project.path("home/.mimir"));
    trust.trust(&project.path("work")).unwrap();
    let check =
        |path: &str, expected: bool| assert_eq!(trust.is_trusted(&project.path(path)).unwrap(), expected, "{path}");
    check("work", true);
    check("work/.", true);
    check("work/.mimir", false);
    check("", false);
}

#[test]
fn no_change_is_lost_between_many_at_once() {
    let project = Project::new();
    let home = project.path("home/.mimir");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let home = &home;
            scope.spawn(move || {
                // A store of its own, as another process has it
                let state = StateStore::in_home(home);
                for round in 0..10 {
                    let name = format!("plugin-{thread}-{round}");
                    state.quarantine(&identity(&name, 'a'), "too slow").unwrap();
                    state.update(&identity("shared", 'a'), |state| state.failures_in_a_row += 1).unwrap();
                }
            });
        }
    });
    let state = StateStore::in_home(&home);
    assert_eq!(state.get(&identity("shared", 'a')).unwrap().failures_in_a_row, 40);
    for name in (0..4).flat_map(|thread| (0..10).map(move |round| format!("plugin-{thread}-{round}"))) {
        assert!(state.get(&identity(&name, 'a')).unwrap().quarantine.is_some(), "{name}");
    }
}

#[test]
fn quarantine_is_of_one_content() {
    let project = Project::new();
    let state = StateStore::in_home(&project.path("home/.mimir"));
    state.quarantine(&identity("p", 'a'), "hung for 5 s").unwrap();
    let held = state.get(&identity("p", 'a')).unwrap().quarantine.unwrap();
    assert_eq!(held.reason, "hung for 5 s");
    assert_eq!(state.get(&identity("p", 'b')).unwrap().quarantine, None);
    assert!(state.release(&identity("p", 'a')).unwrap());
    assert!(!state.release(&identity("p", 'a')).unwrap());
    assert_eq!(state.get(&identity("p", 'a')).unwrap().quarantine, None);
}
