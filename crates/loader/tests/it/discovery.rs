use std::os::unix::fs::symlink;

use mimir_loader::{Found, LoadError, Place, Places, PluginLoader};

use crate::project::{Project, VERSION, bundler};

const CODE: &str = "export default () => ({});\n";

/// `name place on|off [hides N]`, a line each.
fn told(found: &[Found]) -> Vec<String> {
    let line = |found: &Found| {
        let hides = if found.shadowed.is_empty() { String::new() } else { format!(" hides {}", found.shadowed.len()) };
        let broken = if found.manifest.is_err() { " broken" } else { "" };
        let on = if found.is_enabled() { "on" } else { "off" };
        format!("{} {:?} {on}{broken}{hides}", found.id, found.place)
    };
    found.iter().map(line).collect()
}

async fn discover(project: &Project) -> (Vec<String>, Vec<String>) {
    let discovery = project.loader().discover().await.unwrap();
    let problems = discovery.problems.iter().map(|problem| format!("{problem}: {}", problem.hint())).collect();
    (told(&discovery.found), problems)
}

#[tokio::test]
async fn places_come_in_order_and_the_first_of_a_name_wins() {
    let project = Project::new();
    project
        .plugin("work/.mimir/plugins/b-first", "same", CODE)
        .plugin("work/.mimir/plugins/@user/scoped", "@user/scoped", CODE)
        .plugin("home/.mimir/plugins/same", "same", CODE)
        .plugin("home/.mimir/plugins/own", "own", CODE)
        .plugin("work/node_modules/mimir-plugin-listed", "mimir-plugin-listed", CODE)
        .plugin("work/node_modules/mimir-plugin-unlisted", "mimir-plugin-unlisted", CODE)
        .plugin("work/node_modules/@user/mimir-custom", "@user/mimir-custom", CODE)
        .plugin("work/.mimir/elsewhere/far", "far", CODE)
        .write("work/.mimir/plugins/.git/plugin.yml", "name: hidden\nversion: 1.0.0\n")
        .write("work/.mimir/plugins/README.md", "no plugin")
        .write(
            "work/.mimir/config.yml",
            "plugins:\n  enabled:\n    - mimir-plugin-listed\n    - @user/mimir-custom\n    - ./elsewhere/far\n    - ./plugins/b-first\n",
        );
    let (found, problems) = discover(&project).await;
    assert_eq!(
        found,
        [
            "@user/scoped Project on",
            "same Project on hides 1",
            "own User on",
            "mimir-plugin-listed NodeModules on",
            "@user/mimir-custom NodeModules on",
            "far Listed on",
        ]
    );
    assert_eq!(problems, [""; 0]);
}

#[tokio::test]
async fn what_is_disabled_stays_so_however_it_is_named() {
    let project = Project::new();
    project
        .plugin("work/.mimir/plugins/one", "one", CODE)
        .plugin("work/.mimir/plugins/two", "two", CODE)
        .plugin("home/.mimir/plugins/three", "three", CODE)
        .plugin("home/.mimir/plugins/four", "four", CODE)
        .write("home/.mimir/plugins/four/package.json", r#"{"name": "mimir-plugin-four"}"#)
        .write("home/.mimir/config.yml", "plugins:\n  disabled: [one, ./plugins/three, mimir-plugin-four, not-there]\n")
        .write("work/.mimir/config.yml", "plugins:\n  enabled: [one]\n");
    let (found, problems) = discover(&project).await;
    assert_eq!(found, ["one Project off", "two Project on", "four User off", "three User off"]);
    assert_eq!(problems, [""; 0]);
}

#[tokio::test]
async fn an_entry_that_names_nothing_is_told_with_the_nearest_name() {
    let project = Project::new();
    project
        .plugin("work/.mimir/plugins/formatter", "formatter", CODE)
        .plugin("work/node_modules/mimir-plugin-budget", "mimir-plugin-budget", CODE)
        .write("work/.mimir/plugins/empty/notes.txt", "")
        .write(
            "work/.mimir/config.yml",
            "plugins:\n  enabled:\n    - fromatter\n    - mimir-plugin-bugdet\n    - ./plugins/formater\n    - ./plugins/empty\n    - zzz\n",
        );
    let (found, problems) = discover(&project).await;
    assert_eq!(found, ["empty Project on broken", "formatter Project on"]);
    let expected = [
        ("config.yml:3: `fromatter` names no plugin", "did you mean `formatter`?"),
        ("config.yml:4: `mimir-plugin-bugdet` names no plugin", "did you mean `mimir-plugin-budget`?"),
        ("config.yml:5: `./plugins/formater` names no plugin", "did you mean `./plugins/formatter`?"),
        ("config.yml:7: `zzz` names no plugin", "looked in "),
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, (message, hint)) in problems.iter().zip(expected) {
        assert!(problem.contains(message) && problem.contains(hint), "{problem}");
    }
}

#[tokio::test]
async fn folders_named_for_a_run_are_plugins_or_hold_some() {
    let project = Project::new();
    project
        .plugin("extra/one", "one", CODE)
        .plugin("extra/two", "two", CODE)
        .plugin("single", "single", CODE)
        .plugin("work/.mimir/plugins/two", "two", CODE)
        .write("nothing/here.txt", "");
    let named = |dirs: &[&str]| {
        let dirs = dirs.iter().map(|dir| project.path(dir)).collect();
        let places = project.places().with_explicit(dirs);
        PluginLoader::with_bundler(places, project.config(false), VERSION, Box::new(bundler()))
    };
    let loader = named(&["extra", "single", "nothing", "missing"]);
    let discovery = loader.discover().await.unwrap();
    // Nobody trusts the project, so that its `two` does not hide the one that was named
    assert_eq!(told(&discovery.found), ["one Explicit on", "two Explicit on hides 1", "single Explicit on"]);
    let problems: Vec<_> =
        discovery.problems.iter().map(|problem| matches!(**problem, LoadError::NoPluginHere { .. })).collect();
    assert_eq!(problems, [true, true]);
    loader.trust().trust(&project.path("work")).unwrap();
    let discovery = loader.discover().await.unwrap();
    assert_eq!(told(&discovery.found), ["two Project on hides 1", "one Explicit on", "single Explicit on"]);
    // The project's own folder, named: whoever names it vouches for it
    let discovery = named(&["work/.mimir/plugins"]).discover().await.unwrap();
    assert_eq!(told(&discovery.found), ["two Explicit on"]);
    assert!(!discovery.found[0].needs_trust);
}

/// Every list of the configuration means a folder, and not one of the ways to write it.
#[tokio::test]
async fn a_folder_behind_a_link_is_that_folder() {
    let check = async |config: &str, expected: &str| {
        let project = Project::new();
        project
            .plugin("home/real/one", "one", CODE)
            .plugin("home/real/two", "two", CODE)
            .write("home/.mimir/config.yml", &config.replace("LINK", &project.path("link").display().to_string()));
        symlink(project.path("home/real"), project.path("link")).unwrap();
        symlink("real", project.path("home/linked")).unwrap();
        for name in ["one", "two"] {
            symlink(project.path("link").join(name), project.path("home/.mimir/plugins").join(name)).unwrap();
        }
        let (found, problems) = discover(&project).await;
        assert_eq!(found.join(", "), expected, "{config}");
        assert_eq!(problems, [""; 0], "{config}");
    };
    check("plugins: {}", "one User on, two User on").await;
    check("plugins: { disabled: [LINK/one] }", "one User off, two User on").await;
    check("plugins: { disabled: [~/linked/two] }", "one User on, two User off").await;
    check("teams: { plugins: { blocklist: [LINK/one] } }", "one User off, two User on").await;
    check("teams: { plugins: { blocklist: [~/linked] } }", "one User off, two User off").await;
    check("teams: { plugins: { allowlist: [LINK/one] } }", "one User on, two User off").await;
    check("teams: { plugins: { blocklist: [LINK/other] } }", "one User on, two User on").await;
    check(
        "plugins: { disabled: [one, two] }\nteams: { plugins: { required: [~/linked/one] } }",
        "one User on, two User off",
    )
    .await;
}

/// Trusted or not, a checkout can't take the place of what must run.
#[tokio::test]
async fn what_is_required_is_hidden_by_nothing() {
    let required = |entry: &str| format!("teams: {{ plugins: {{ required: ['{entry}'] }} }}\n");
    let project = Project::new();
    project
        .plugin("work/.mimir/plugins/guard", "guard", CODE)
        .plugin("home/.mimir/plugins/guard", "guard", CODE)
        .plugin("home/company/guard", "guard", CODE)
        .write("home/.mimir/config.yml", &required("~/company/guard"));
    let discovery = project.loader().discover().await.unwrap();
    assert_eq!(told(&discovery.found), ["guard Listed on hides 2"]);
    assert!(discovery.problems.is_empty(), "{:?}", discovery.problems);

    // A folder that only bears the name of a package
    let project = Project::new();
    project
        .plugin("work/.mimir/plugins/guard", "mimir-plugin-guard", CODE)
        .write("home/.mimir/config.yml", &required("mimir-plugin-guard"));
    let (found, problems) = discover(&project).await;
    assert_eq!(found, ["mimir-plugin-guard Project on"]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`mimir-plugin-guard` is required, and `"), "{problems:?}");
}

/// A checkout can't switch off the user's own guard by bringing a plugin of its name, or a link to it.
#[tokio::test]
async fn an_untrusted_project_hides_nothing_of_the_users() {
    let project = Project::new();
    project
        .plugin("home/.mimir/plugins/guard", "guard", CODE)
        .plugin("home/.mimir/plugins/other", "other", CODE)
        .plugin("work/.mimir/plugins/guard", "guard", CODE);
    symlink(project.path("home/.mimir/plugins/other"), project.path("work/.mimir/plugins/other")).unwrap();
    let discovery = project.loader_of_stranger().discover().await.unwrap();
    assert_eq!(told(&discovery.found), ["other User on", "guard User on hides 1"]);
    assert!(discovery.found.iter().all(|found| !found.needs_trust));
    let discovery = project.loader().discover().await.unwrap();
    assert_eq!(told(&discovery.found), ["guard Project on hides 1", "other User on"]);
}

#[tokio::test]
async fn a_broken_manifest_is_a_finding_and_not_the_end() {
    let project = Project::new();
    project.plugin("work/.mimir/plugins/good", "good", CODE).write(
        "work/.mimir/plugins/bad/plugin.yml",
        "name: bad\nversion: 1.0.0\ncapabilites: {}\nevents: [tool.before]\n",
    );
    let discovery = project.loader().discover().await.unwrap();
    assert_eq!(told(&discovery.found), ["bad Project on broken", "good Project on"]);
    let error = discovery.found[0].manifest.as_ref().unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(|problem| (problem.file.as_str(), problem.line)).collect();
    assert_eq!(lines, [("plugin.yml", Some(3)), ("plugin.yml", Some(4))], "{error:?}");
    assert!(error.hint().contains("capabilities"), "{}", error.hint());
}

#[test]
fn the_project_is_the_nearest_folder_with_a_mark() {
    let project = Project::new();
    project
        .write("work/deep/er/file", "")
        .write("repo/.git/HEAD", "")
        .write("repo/a/b/file", "")
        .write("home/x/file", "");
    let check = |cwd: &str, root: &str| {
        let places = Places::new(&project.path(cwd), project.path("home/.mimir"));
        assert_eq!(places.project, project.path(root), "{cwd}");
    };
    check("work/deep/er", "work");
    check("work", "work");
    check("repo/a/b", "repo");
    // ~/.mimir is no project's
    check("home/x", "home/x");
}

#[test]
fn places_are_ordered_as_they_win() {
    assert!(Place::Project < Place::User && Place::User < Place::NodeModules);
    assert!(Place::NodeModules < Place::Listed && Place::Listed < Place::Explicit);
}
