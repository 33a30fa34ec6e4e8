//! What must hold for anything that somebody may write; the checks are those of the fuzz targets.

#[path = "../../../../fuzz/properties/address.rs"]
mod address;
#[path = "../../../../fuzz/properties/command.rs"]
mod command;
#[path = "../../../../fuzz/properties/configuration.rs"]
mod configuration;
#[path = "../../../../fuzz/properties/drive.rs"]
mod drive;
#[path = "../../../../fuzz/properties/manifest.rs"]
mod manifest;
#[cfg(unix)]
#[path = "../../../../fuzz/properties/path.rs"]
mod path;

use drive::drive;

#[test]
fn manifests() {
    drive("manifest", manifest::check);
}

#[test]
fn configurations() {
    drive("configuration", configuration::check);
}

#[test]
fn commands() {
    drive("command", command::check);
}

#[test]
fn addresses() {
    drive("address", address::check);
}

#[cfg(unix)]
#[test]
fn paths() {
    drive("path", path::check);
}
