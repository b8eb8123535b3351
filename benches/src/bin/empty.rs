//! The floor: a program that does nothing, as Rust links it.

fn main() {}
