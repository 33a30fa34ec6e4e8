//! V8 isolates in a process without rights.

#![forbid(unsafe_code)]
