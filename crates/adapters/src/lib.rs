//! Postroom adapters.
