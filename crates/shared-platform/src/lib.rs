//! Ports to the outside world and their real adapters.

#![forbid(unsafe_code)]
