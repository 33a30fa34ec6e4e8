use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mimir_loader::{GrantStore, LoadError, StateStore, TrustStore};
use mimir_shared_config::{ContentHash, PluginIdentity, PluginSource};

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
