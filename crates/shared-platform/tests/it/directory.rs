use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mimir_shared_platform::{Directory, FileKind, FileSystem, Links, OsFileSystem, PlatformError};
use tempfile::TempDir;

/// `outside/secret` beside `root/`, which holds files, folders and all kinds of links.
struct Tree {
    _temp: TempDir,
    outside: PathBuf,
    root: PathBuf,
    dir: Arc<dyn Directory>,
}

fn tree() -> Tree {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().canonicalize().unwrap();
    let (outside, root) = (base.join("outside"), base.join("root"));
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(root.join("src/deep")).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(root.join("src/a.ts"), "a").unwrap();
    fs::write(root.join("src/deep/ü 🎉.ts"), "b").unwrap();
    symlink("src/a.ts", root.join("link-in")).unwrap();
    symlink("src", root.join("folder-link")).unwrap();
    symlink(outside.join("secret"), root.join("link-out")).unwrap();
    symlink("../outside", root.join("folder-out")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink(&root, root.join("absolute-in")).unwrap();
    let dir = OsFileSystem.open_directory(&root).unwrap();
    Tree { _temp: temp, outside, root, dir }
}

/// What reading `path` gives: the contents and where they really stand, or which error.
fn check_read(tree: &Tree, path: &str, expected: Result<(&str, &str), &str>) {
    let read = tree.dir.place(Path::new(path), Links::Follow).and_then(|place| {
        let real = place.real_path().strip_prefix(&tree.root).unwrap().to_str().unwrap().to_owned();
        Ok((String::from_utf8(place.read(1_000)?).unwrap(), real))
    });
    let found = read.map_err(|error| match error {
        PlatformError::Outside { .. } => "outside".to_owned(),
        PlatformError::WrongKind { found, .. } => found.to_owned(),
        error => format!("{:?}", error.io_kind()),
    });
    let expected = expected.map(|(text, real)| (text.to_owned(), real.to_owned())).map_err(str::to_owned);
    assert_eq!(found, expected, "{path}");
}

#[test]
fn no_path_leads_out() {
    let tree = tree();
    for path in ["../outside/secret", "src/../../outside/secret", "link-out", "folder-out/secret", "..", "src/../.."] {
        check_read(&tree, path, Err("outside"));
    }
    check_read(&tree, &tree.outside.join("secret").display().to_string(), Err("outside"));
    check_read(&tree, &tree.root.join("src/a.ts").display().to_string(), Err("outside"));
    check_read(&tree, "absolute-in/src/a.ts", Err("outside"));
    check_read(&tree, "loop", Err("Some(FilesystemLoop)"));
}

#[test]
fn reads_what_stands_beneath_the_root() {
    let tree = tree();
    check_read(&tree, "src/a.ts", Ok(("a", "src/a.ts")));
    check_read(&tree, "./src/./deep/../a.ts", Ok(("a", "src/a.ts")));
    check_read(&tree, "link-in", Ok(("a", "src/a.ts")));
    check_read(&tree, "folder-link/deep/ü 🎉.ts", Ok(("b", "src/deep/ü 🎉.ts")));
    check_read(&tree, "folder-link/../src/a.ts", Ok(("a", "src/a.ts")));
    check_read(&tree, "missing", Err("Some(NotFound)"));
    check_read(&tree, "missing/file", Err("Some(NotFound)"));
    check_read(&tree, "src", Err("a folder"));
    check_read(&tree, "", Err("a folder"));
    check_read(&tree, "dangling", Err("Some(NotFound)"));
    check_read(&tree, "src/a.ts/b", Err("Some(NotADirectory)"));
}

#[test]
fn a_pipe_keeps_nobody_waiting() {
    let tree = tree();
    let fifo = tree.root.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    check_read(&tree, "fifo", Err("a device or pipe"));
    let place = tree.dir.place(Path::new("fifo"), Links::Follow).unwrap();
    assert!(matches!(place.write(b"x"), Err(PlatformError::WrongKind { .. })));
    assert!(matches!(place.append(b"x", 10), Err(PlatformError::WrongKind { .. })));
}

#[test]
fn writes_beneath_the_root_alone() {
    let tree = tree();
    let write = |path: &str| tree.dir.place(Path::new(path), Links::Follow).and_then(|place| place.write(b"new"));

    write("src/new.ts").unwrap();
    write("link-in").unwrap();
    assert!(tree.root.join("link-in").is_symlink());
    assert_eq!(fs::read_to_string(tree.root.join("src/a.ts")).unwrap(), "new");
    for path in ["link-out", "folder-out/x", "../x", "folder-out/secret"] {
        assert!(matches!(write(path), Err(PlatformError::Outside { .. })), "{path}");
    }
    write("dangling").unwrap();
    assert!(tree.root.join("dangling").is_symlink());
    assert_eq!(fs::read_to_string(tree.root.join("nowhere")).unwrap(), "new");
    assert!(matches!(write("src"), Err(PlatformError::WrongKind { .. })));
    assert!(matches!(write(""), Err(PlatformError::WrongKind { .. })));
    assert_eq!(fs::read_to_string(tree.outside.join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(&tree.outside).unwrap().count(), 1);

    let script = tree.root.join("run.sh");
    fs::write(&script, "old").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    write("run.sh").unwrap();
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o755);

    let long = "x".repeat(255);
    write(&long).unwrap();
    assert_eq!(fs::read_to_string(tree.root.join(long)).unwrap(), "new");
    let left: Vec<_> = fs::read_dir(&tree.root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn appends_up_to_the_limit() {
    let tree = tree();
    let place = tree.dir.place(Path::new("log"), Links::Follow).unwrap();
    place.append(b"12345", 10).unwrap();
    place.append(b"67890", 10).unwrap();
    assert!(matches!(place.append(b"!", 10), Err(PlatformError::TooLarge { limit: 10, .. })));
    assert_eq!(place.read(10).unwrap(), b"1234567890");
    assert!(matches!(place.read(9), Err(PlatformError::TooLarge { limit: 9, .. })));
}

#[test]
fn a_link_that_leads_nowhere_stands_for_where_it_leads() {
    let tree = tree();
    symlink("src/../dangling", tree.root.join("second")).unwrap();
    symlink("../nowhere", tree.root.join("src/third")).unwrap();
    symlink("../outside/nowhere", tree.root.join("nowhere-out")).unwrap();
    for link in ["dangling", "second", "src/third", "folder-link/third"] {
        let place = tree.dir.place(Path::new(link), Links::Follow).unwrap();
        assert_eq!(place.real_path(), tree.root.join("nowhere"), "{link}");
        assert_eq!(place.metadata().unwrap(), None);
    }
    let out = tree.dir.place(Path::new("nowhere-out"), Links::Follow);
    assert!(matches!(out, Err(PlatformError::Outside { .. })));
}

#[test]
fn the_kernels_files_stay_closed() {
    let proc = OsFileSystem.open_directory(Path::new("/proc/self")).unwrap();
    let place = proc.place(Path::new("status"), Links::Follow).unwrap();
    assert!(matches!(place.read(100_000), Err(PlatformError::WrongKind { .. })));
    assert!(matches!(place.append(b"x", 10), Err(PlatformError::WrongKind { .. })));
}

#[test]
fn what_has_other_names_is_replaced_and_not_changed() {
    let tree = tree();
    fs::hard_link(tree.outside.join("secret"), tree.root.join("shared")).unwrap();
    let place = tree.dir.place(Path::new("shared"), Links::Follow).unwrap();
    assert!(matches!(place.append(b"x", 100), Err(PlatformError::WrongKind { .. })));
    place.write(b"new").unwrap();
    place.append(b"!", 100).unwrap();
    assert_eq!(fs::read_to_string(tree.root.join("shared")).unwrap(), "new!");
    assert_eq!(fs::read_to_string(tree.outside.join("secret")).unwrap(), "secret");
}

#[test]
fn a_folder_that_was_moved_is_not_taken_for_what_it_was() {
    let tree = tree();
    let place = |path: &str| tree.dir.place(Path::new(path), Links::Keep).unwrap();
    let [file, new, folder] = ["src/a.ts", "src/new", "src/deep"].map(place);
    fs::rename(tree.root.join("src"), tree.root.join("moved")).unwrap();
    assert!(file.read(10).is_err() && file.write(b"x").is_err() && file.append(b"x", 10).is_err());
    assert!(file.remove().is_err() && new.write(b"x").is_err() && new.create_dir().is_err());
    assert!(folder.read_dir(10).is_err() && folder.child("x").is_err() && folder.remove().is_err());
    let left: Vec<_> = fs::read_dir(tree.root.join("moved")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fs::read_to_string(tree.root.join("moved/a.ts")).unwrap(), "a");
}

#[test]
fn a_file_stays_as_private_as_it_was() {
    let tree = tree();
    let private = tree.root.join("private");
    for mode in [0o600, 0o640, 0o4755] {
        fs::write(&private, "old").unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(mode)).unwrap();
        tree.dir.place(Path::new("private"), Links::Follow).unwrap().write(b"new").unwrap();
        // What runs as its owner does so no more once somebody else has written it
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o7777, mode & 0o777);
    }
}

#[test]
fn lists_and_walks_into_folders() {
    let tree = tree();
    let root = tree.dir.place(Path::new("."), Links::Follow).unwrap();
    let names: Vec<String> = root.read_dir(100).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["absolute-in", "dangling", "folder-link", "folder-out", "link-in", "link-out", "loop", "src"]);
    assert!(matches!(root.read_dir(7), Err(PlatformError::TooLarge { limit: 7, .. })));

    let child = root.child("src").unwrap().child("deep").unwrap();
    assert_eq!(child.real_path(), tree.root.join("src/deep"));
    assert_eq!(child.read_dir(10).unwrap().len(), 1);
    for name in ["..", ".", "", "a/b", "/", "src/"] {
        assert!(root.child(name).is_err(), "{name:?}");
    }
    // A link is never walked through
    assert!(root.child("folder-out").unwrap().read_dir(10).is_err());
    assert!(root.child("folder-out").unwrap().child("secret").is_err());
}

#[test]
fn removes_links_files_and_empty_folders() {
    let tree = tree();
    let keep = |path: &str| tree.dir.place(Path::new(path), Links::Keep).unwrap();
    assert_eq!(keep("link-out").metadata().unwrap().unwrap().kind, FileKind::Symlink);
    keep("link-out").remove().unwrap();
    keep("folder-out").remove().unwrap();
    assert!(tree.outside.join("secret").exists());
    assert!(keep("src").remove().is_err(), "not empty");
    assert!(keep("").remove().is_err(), "the root stays");
    assert!(keep("missing").remove().unwrap_err().is_not_found());
    keep("made").create_dir().unwrap();
    assert!(keep("made").create_dir().is_err());
    keep("made").remove().unwrap();
    assert!(!tree.root.join("made").exists());
}

#[test]
fn a_link_swapped_in_meanwhile_is_not_followed() {
    let tree = tree();
    let (good, bad) = (tree.root.join("good"), tree.root.join("bad"));
    fs::create_dir(&good).unwrap();
    fs::write(good.join("secret"), "harmless").unwrap();
    symlink(&tree.outside, &bad).unwrap();
    let stop = AtomicBool::new(false);
    let mut seen = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // `at` is the good folder and the bad link in turn
            let at = tree.root.join("at");
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&good, &at).unwrap();
                fs::rename(&at, &good).unwrap();
                fs::rename(&bad, &at).unwrap();
                fs::rename(&at, &bad).unwrap();
            }
        });
        for _ in 0..20_000 {
            if let Ok(place) = tree.dir.place(Path::new("at/secret"), Links::Follow)
                && let Ok(text) = place.read(100)
            {
                assert_eq!(text, b"harmless");
                seen += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen > 0, "the race was run");
    assert_eq!(fs::read_to_string(tree.outside.join("secret")).unwrap(), "secret");
}
