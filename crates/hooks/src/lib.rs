//! What each event means and what an answer to it does.

#![forbid(unsafe_code)]
