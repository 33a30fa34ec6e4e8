//! A process that does nothing: how long starting one takes.

fn main() {}
