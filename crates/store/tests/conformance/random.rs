//! Random sequences, later.
