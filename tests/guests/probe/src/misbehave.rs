//! What a plugin must not do, done.

use std::hint::black_box;

/// Never ends, and never asks the host for anything.
#[inline(never)]
pub(crate) fn spin() -> u64 {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
        if black_box(false) {
            return turns;
        }
    }
}

/// Takes memory until there is none.
#[inline(never)]
pub(crate) fn hoard() -> usize {
    let mut all: Vec<Vec<u8>> = vec![];
    loop {
        all.push(black_box(vec![1; 1 << 20]));
        if black_box(false) {
            return all.len();
        }
    }
}

/// Calls itself until the stack ends.
#[inline(never)]
pub(crate) fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { black_box(recurse(depth + 1)) + 1 }
}

/// The outer of two functions, for a backtrace.
#[inline(never)]
pub(crate) fn outer_function(text: &str) -> usize {
    black_box(inner_function(text)) + 1
}

/// The inner of two functions, for a backtrace.
#[inline(never)]
pub(crate) fn inner_function(text: &str) -> usize {
    if black_box(true) {
        panic!("{text}");
    }
    text.len()
}

/// Makes resources that the host has to keep, and never gives one back.
#[inline(never)]
pub(crate) fn flood() -> u64 {
    let mut made = 0;
    loop {
        std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(1_000_000_000));
        made += 1;
        if black_box(false) {
            return made;
        }
    }
}
