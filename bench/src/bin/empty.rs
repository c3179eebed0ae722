//! An executable that does nothing: what a process costs before it does anything.

fn main() {}
