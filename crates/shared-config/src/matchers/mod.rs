//! What an entry of an allowlist covers. Pure: what is really touched (the opened file, the resolved address) is for
//! the caller to find out and to ask about again.

mod closed;
mod command;
mod glob;
mod host;
mod image;
mod injection;
mod path;
mod spelling;

pub use closed::{Change, Closed, ClosedPlaces, closed_path, git_folders, makes_git_folder};
pub(crate) use command::{CommandRefusal, check_command};
pub use command::{ExecRule, command_line};
pub(crate) use glob::Glob;
pub use host::{HostPattern, InvalidHostPattern, is_public_address};
pub(crate) use host::{is_address_allowed, is_url_allowed};
pub use image::normal_image;
pub(crate) use image::{image_glob, is_image_allowed};
pub use injection::dangerous_options;
pub(crate) use path::{RestrictedPaths, beneath, restricted_problem};
