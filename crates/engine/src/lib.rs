//! Postroom engine.
