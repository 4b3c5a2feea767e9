//! Postroom store.
