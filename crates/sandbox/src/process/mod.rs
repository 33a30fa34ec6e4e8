//! The outer wall: sandbox processes, seen from both sides.

pub(crate) mod child;
pub(crate) mod link;
mod seal;
pub(crate) mod spawn;

/// The argument that makes the binary a sandbox process.
pub(crate) const SANDBOX_ARGUMENT: &str = "__mimir-sandbox";

/// How a sandbox process ends that could not be sealed as the agent requires it.
pub(crate) const EXIT_UNSEALED: i32 = 87;

/// Where a sandbox process finds what it was given: its lifeline, the shared page, then a socket for each lane.
pub(crate) const LIFELINE_FD: i32 = 3;
pub(crate) const PAGE_FD: i32 = 4;
pub(crate) const FIRST_LANE_FD: i32 = 5;
