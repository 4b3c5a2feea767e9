//! Postroom expr.
