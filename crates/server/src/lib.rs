//! Postroom server.
