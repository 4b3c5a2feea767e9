//! Postroom core.
