//! The `postroom` binary.
fn main() {}
