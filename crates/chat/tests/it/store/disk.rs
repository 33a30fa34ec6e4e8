//! What the disk may do to a database.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use mimir_chat::{ChatError, SessionStore, SqliteSessions, StoreError};

use super::{Place, START, assert_sound, begin, clock, texts, user};

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let home = place.sessions().parent().unwrap().to_owned();
    let store = place.store().await;
    begin(&store).await;
    assert_eq!((mode(&home), mode(&place.sessions()), mode(&place.database())), (0o700, 0o700, 0o600));
    for file in fs::read_dir(place.sessions()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.shutdown().await;
    fs::set_permissions(place.sessions(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.database(), fs::Permissions::from_mode(0o644)).unwrap();
    place.store().await.shutdown().await;
    assert_eq!((mode(&place.sessions()), mode(&place.database())), (0o700, 0o600));
}

#[tokio::test]
async fn nothing_is_made_where_there_is_nothing() {
    let place = Place::new();
    assert!(SqliteSessions::existing(&place.sessions(), clock()).await.unwrap().is_none());
    assert!(!place.sessions().parent().unwrap().exists());
    place.store().await.shutdown().await;
    assert!(SqliteSessions::existing(&place.sessions(), clock()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_database_is_left_as_it_is() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    for number in 0..50 {
        store.append(&session, None, user(format!("{number} {}", "x".repeat(2_000)))).await.unwrap();
    }
    store.shutdown().await;
    let good = fs::read(place.database()).unwrap();
    let mut without_tables = good.clone();
    without_tables[100..4_000].fill(0xaa);
    let mut torn = good.clone();
    torn.truncate(good.len() / 2 + 100);
    let mut middle = good.clone();
    middle[4_096..].fill(0x55);
    for (name, bytes) in [
        (
            "nonsense",
            b"this is no database at all, but it is longer than a header of one is, which has 100 bytes....".to_vec(),
        ),
        ("without tables", without_tables),
        ("torn", torn),
        ("damaged pages", middle),
    ] {
        fs::write(place.database(), &bytes).unwrap();
        let error = match SqliteSessions::open(&place.sessions(), clock()).await {
            Err(error) => error,
            Ok(store) => {
                let error = store.export(&session).await.unwrap_err();
                store.shutdown().await;
                error
            }
        };
        assert!(matches!(&error, StoreError::Damaged { path, .. } if *path == place.database()), "{name}: {error:?}");
        assert!(error.to_string().ends_with("sessions.db are damaged"), "{name}: {error}");
        // Said once: what `sqlx` says of it holds it already
        let first = std::iter::successors(error.source(), |&error| error.source()).last();
        let cause = first.unwrap().to_string();
        assert_eq!(ChatError::Store(error).in_one_line().matches(&cause).count(), 1, "{name}: {cause}");
        assert!(fs::read(place.database()).unwrap() == bytes, "{name}: the file is as it was");
    }
    // A file without anything is a database without anything
    fs::write(place.database(), b"").unwrap();
    assert_eq!(place.store().await.list(None).await.unwrap(), []);
}

#[tokio::test]
async fn a_later_version_is_refused() {
    let place = Place::new();
    place.store().await.shutdown().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.database());
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&pool).await.unwrap();
    pool.close().await;
    let error = place.refused().await;
    assert!(matches!(error, StoreError::TooNew { found: 99, known: 1 }), "{error}");
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    let done = Command::new("mount").args(arguments).arg(folder).output();
    done.is_ok_and(|output| output.status.success())
}

/// A file system of its own, unmounted in any case.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let place = Place::new();
    fs::create_dir_all(place.sessions()).unwrap();
    let folder = place.sessions();
    if !mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"], &folder) {
        eprintln!("skipped: this user can't mount");
        return;
    }
    let _mounted = Mounted(&folder);
    let store = place.store().await;
    let session = begin(&store).await.id;
    fs::write(folder.join("filler"), vec![0; 512 * 1024]).unwrap();
    let mut kept = Vec::new();
    let error = loop {
        let text = format!("{} {}", kept.len(), "x".repeat(20_000));
        match store.append(&session, None, user(&text)).await {
            Ok(_) => kept.push(text),
            Err(error) => break error,
        }
        assert!(kept.len() < 200, "it must be full by now");
    };
    assert!(matches!(&error, StoreError::Full { path, .. } if *path == folder), "{error:?}");
    assert!(error.to_string().starts_with("there is no room left"), "{error}");
    assert_eq!(texts(&store.conversation(&session, None).await.unwrap()), kept);
    // Another process finds it full as well, and says so
    fs::write(folder.join("filler-2"), "").unwrap();
    let _ = fs::write(folder.join("filler-2"), vec![0; 4 << 20]);
    let begun = store.create(super::new_session("another")).await.unwrap_err();
    assert!(matches!(begun, StoreError::Full { .. }), "{begun:?}");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let locks: Vec<_> = names.filter(|name| name.ends_with(".lock") || name.ends_with(".probe")).collect();
    assert_eq!(locks, [format!("{session}.lock")]);
    fs::remove_file(folder.join("filler")).unwrap();
    fs::remove_file(folder.join("filler-2")).unwrap();
    store.append(&session, None, user("there is room again")).await.unwrap();
    let found = store.export(&session).await.unwrap();
    assert_eq!((found.messages.len(), found.session.messages), (kept.len() + 1, kept.len() as u64 + 1));
    assert_eq!(found.session.created_at, START);
    store.shutdown().await;
    assert_sound(&place.database()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_at_the_beginning() {
    let place = Place::new();
    let folder = place.sessions();
    fs::create_dir_all(&folder).unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=64k", "tmpfs"], &folder) {
        eprintln!("skipped: this user can't mount");
        return;
    }
    let _mounted = Mounted(&folder);
    let _ = fs::write(folder.join("filler"), vec![0; 1 << 20]);
    let error = place.refused().await;
    assert!(matches!(&error, StoreError::Full { path, .. } if *path == folder), "{error:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_home_that_cannot_be_written() {
    let place = Place::new();
    let folder = place.sessions();
    fs::create_dir_all(&folder).unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &folder) {
        eprintln!("skipped: this user can't mount");
        return;
    }
    let _mounted = Mounted(&folder);
    let check = |error: StoreError, name: &str| {
        assert!(matches!(&error, StoreError::ReadOnly { path, .. } if *path == folder), "{name}: {error:?}");
        assert!(error.to_string().ends_with("can't be written"), "{name}: {error}");
    };
    assert!(mount(&["-o", "remount,ro"], &folder));
    check(place.refused().await, "without a database");
    assert!(mount(&["-o", "remount,rw"], &folder));
    let store = place.store().await;
    let session = begin(&store).await.id;
    store.append(&session, None, user("kept")).await.unwrap();
    store.shutdown().await;
    assert!(mount(&["-o", "remount,ro"], &folder));
    check(place.refused().await, "with one");
    assert!(mount(&["-o", "remount,rw"], &folder));
    let store = place.store().await;
    assert_eq!(texts(&store.conversation(&session, None).await.unwrap()), ["kept"]);
}
