use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use mimir_shared_platform::{PlatformError, read_private_file};

#[test]
fn only_a_file_that_is_the_users_alone_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("secrets.yml");
    assert_eq!(read_private_file(&path).unwrap(), None);
    fs::write(&path, "A: b").unwrap();
    for (mode, is_private) in
        [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false), (0o601, false)]
    {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match read_private_file(&path) {
            Ok(text) => assert!(is_private && text.as_deref() == Some("A: b"), "{mode:o}"),
            Err(error) => {
                assert!(!is_private && matches!(error, PlatformError::NotPrivate { .. }), "{mode:o}: {error}");
            }
        }
    }
    // The file counts, not the link to it
    let link = temp.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(read_private_file(&link).unwrap_err(), PlatformError::NotPrivate { .. }));
    assert!(matches!(read_private_file(temp.path()).unwrap_err(), PlatformError::WrongKind { .. }));
    fs::write(&path, [0xff]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(read_private_file(&path).unwrap_err(), PlatformError::NotUtf8 { .. }));
}
