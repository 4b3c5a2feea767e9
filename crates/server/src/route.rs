//! A route as an entry of a table, so that tests and documents can walk what is mounted.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::App;

/// One method of one path.
pub(crate) struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "tests walk the table by it"))]
    pub method: Method,
    /// Below where the table is mounted.
    pub path: &'static str,
    pub handler: MethodRouter<Arc<App>>,
}

/// Reads; `HEAD` comes with it.
pub(crate) fn get<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    Route { method: Method::GET, path, handler: on(MethodFilter::GET, handler) }
}

/// Orders something.
pub(crate) fn post<H, T>(path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    Route { method: Method::POST, path, handler: on(MethodFilter::POST, handler) }
}
