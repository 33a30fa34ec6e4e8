//! What a plugin can call, seen from the host.

#![forbid(unsafe_code)]
