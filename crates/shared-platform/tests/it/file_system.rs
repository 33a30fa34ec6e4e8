use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Barrier;

use mimir_shared_platform::{FileKind, FileSystem, OsFileSystem, PlatformError};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn writes_whole_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("größe 🎉.txt");
    let fs_port = OsFileSystem;

    assert!(!fs_port.exists(&path));
    assert!(fs_port.read(&path).unwrap_err().is_not_found());

    fs_port.write_atomic(&path, b"one", Some(0o600)).unwrap();
    assert_eq!((fs_port.read_to_string(&path).unwrap().as_str(), mode(&path)), ("one", 0o600));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    fs_port.write_atomic(&path, &vec![b'x'; 1 << 20], None).unwrap();
    assert_eq!((fs_port.metadata(&path).unwrap().len, mode(&path)), (1 << 20, 0o640), "permissions are kept");

    fs_port.write_atomic(&path, &[0xff], None).unwrap();
    assert!(matches!(fs_port.read_to_string(&path), Err(PlatformError::NotUtf8 { .. })));
    assert_eq!(fs_port.read_dir(dir.path()).unwrap().len(), 1, "no temporary file stays");

    let new = dir.path().join("new");
    fs_port.write_atomic(&new, b"", None).unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(mode(&new), mode(&plain), "a new file gets the mode that any file gets");
}

#[test]
fn writes_where_a_link_leads() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("dotfiles.yml"), dir.path().join("config.yml"));
    fs::write(&target, "old").unwrap();
    symlink(&target, &link).unwrap();
    OsFileSystem.write_atomic(&link, b"new", None).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
}

#[test]
fn removes_links_and_not_where_they_lead() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, link) = (dir.path().join("folder"), dir.path().join("link"));
    OsFileSystem.create_dir_all(&folder.join("a/b"), Some(0o700)).unwrap();
    assert_eq!(mode(&folder), 0o700);
    fs::write(folder.join("a/b/c"), "").unwrap();
    symlink(&folder, &link).unwrap();
    assert_eq!(
        OsFileSystem.read_dir(dir.path()).unwrap().into_iter().map(|entry| entry.kind).collect::<Vec<_>>(),
        [FileKind::Directory, FileKind::Symlink]
    );

    OsFileSystem.remove(&link).unwrap();
    assert!(folder.join("a/b/c").exists());
    OsFileSystem.remove(&folder).unwrap();
    OsFileSystem.remove(&folder).unwrap();
    assert!(OsFileSystem.read_dir(dir.path()).unwrap().is_empty());
}

#[test]
fn updates_by_many_at_once_all_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/count");
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..10 {
                    OsFileSystem
                        .update(&path, Some(0o600), &mut |before| {
                            let count: u32 = before.map_or(0, |text| String::from_utf8(text).unwrap().parse().unwrap());
                            Ok(Some((count + 1).to_string().into_bytes()))
                        })
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "80");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn an_update_that_gives_up_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    OsFileSystem
        .update(&path, None, &mut |before| {
            assert_eq!(before, None);
            Ok(None)
        })
        .unwrap();
    assert!(!path.exists());
    fs::write(&path, "kept").unwrap();
    let error = OsFileSystem.update(&path, None, &mut |_| Err("no".into())).unwrap_err();
    assert!(matches!(error, PlatformError::Update { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}
