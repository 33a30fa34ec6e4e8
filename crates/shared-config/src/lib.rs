//! What people write in manifests and configuration, and what follows from it.

#![forbid(unsafe_code)]
