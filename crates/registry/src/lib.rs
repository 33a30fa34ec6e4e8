//! Which plugins there are, and who gets which event in which order.

#![forbid(unsafe_code)]
