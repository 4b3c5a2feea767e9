//! Every route of the table refuses what it cannot use with a problem document of ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, header};
use axum::response::Response;
use http_body_util::BodyExt;
use postroom_adapters::Catalog;
use postroom_engine::clock::SystemClock;
use postroom_engine::outbound::Http;
use postroom_engine::secrets::Fixed;
use postroom_engine::source::Takes;
use postroom_engine::{Bell, Engine, Parts, Project, Settings, Source};
use postroom_store::model::Model;
use tower::ServiceExt;

use crate::{AdminToken, Options, api, router};

const LIMIT: usize = 1_000;

/// A server on a store in memory.
async fn server() -> axum::Router {
    let bell = Arc::new(Bell::default());
    let parts = Parts {
        store: Arc::new(Model::new(Arc::clone(&bell) as _)),
        bell,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(Fixed::default()),
        transport: Arc::new(Http::default()),
        settings: Settings::default(),
    };
    let project = Project::new(Vec::new(), Arc::new(Catalog::default()), BTreeMap::new()).unwrap();
    let engine = Engine::new(parts, project).await.unwrap();
    let source = Source {
        name: "ingest".to_owned(),
        path: "/api/webhooks/ingest".to_owned(),
        takes: Takes::Envelope { token: None },
    };
    let options = Options { max_body_bytes: LIMIT, ..Options::default() };
    router(engine, vec![Arc::new(source)], vec![AdminToken::of("t")], options)
}

async fn ask(router: &axum::Router, method: Method, path: &str, body: Body) -> Response {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, "Bearer t").body(body).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

/// Asserts that an answer is a problem of a status and a code.
async fn problem(what: &str, response: Response, status: u16, code: &str) -> serde_json::Value {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert_eq!(head.status, status, "{what}: {text}");
    assert_eq!(head.headers[header::CONTENT_TYPE], "application/problem+json", "{what}: {text}");
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["code"], code, "{what}: {text}");
    assert_eq!(document["status"], status, "{what}: {text}");
    document
}

/// A path of the table with something in place of its variable.
fn full(path: &str, id: &str) -> String {
    format!("/api/v1{}", path.replace("{id}", id))
}

#[tokio::test]
async fn ids_that_are_none_are_refused_by_every_route_that_takes_one() {
    let router = server().await;
    for route in api::table().into_iter().filter(|route| route.path.contains("{id}")) {
        for id in ["%ff", "nope", "%00", "run_1"] {
            let path = full(route.path, id);
            let response = ask(&router, route.method.clone(), &path, Body::empty()).await;
            problem(&path, response, 400, "request/bad-query").await;
        }
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_used_are_refused_by_every_route_that_takes_one() {
    let router = server().await;
    let id = |path: &str| match path.starts_with("/events") {
        true => "evt_00000000000000000000000000000001",
        false => "run_00000000000000000000000000000001",
    };
    for route in api::table().into_iter().filter(|route| route.method == Method::POST) {
        let path = full(route.path, id(route.path));
        for (body, status, code) in [
            (" ".repeat(LIMIT + 1).into_bytes(), 413, "request/body-too-large"),
            (b"{".to_vec(), 400, "request/malformed-json"),
            (b"{\"note\":\"\xff\"}".to_vec(), 400, "request/not-utf8"),
            (b"{\"nowt\":1}".to_vec(), 400, "request/bad-body"),
            (b"{\"note\":1}".to_vec(), 400, "request/bad-body"),
        ] {
            let response = ask(&router, Method::POST, &path, Body::from(body)).await;
            problem(&path, response, status, code).await;
        }
    }
}

#[tokio::test]
async fn the_bound_on_a_body_is_the_configured_one() {
    let router = server().await;
    let path = "/api/v1/dead-letters/discard";
    let note = |length: usize| {
        let empty = r#"{"note":""}"#.len();
        Body::from(format!(r#"{{"note":"{}"}}"#, "x".repeat(length - empty)))
    };
    assert_eq!(ask(&router, Method::POST, path, note(LIMIT)).await.status(), 200);
    let over = ask(&router, Method::POST, path, note(LIMIT + 1)).await;
    let document = problem(path, over, 413, "request/body-too-large").await;
    assert_eq!(document["detail"], "the body is larger than 1000 bytes");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_everywhere() {
    let router = server().await;
    for route in api::table() {
        let path = full(route.path, "x");
        let response = ask(&router, Method::DELETE, &path, Body::empty()).await;
        let allowed = response.headers()[header::ALLOW].to_str().unwrap().to_owned();
        assert!(allowed.contains(route.method.as_str()), "{path}: {allowed}");
        problem(&path, response, 405, "api/method-not-allowed").await;
        let path = format!("{path}/nothing/here");
        let response = ask(&router, route.method, &path, Body::empty()).await;
        problem(&path, response, 404, "api/not-found").await;
    }
    for path in ["/", "/healthz", "/readyz", "/metrics", "/api/webhooks/ingest"] {
        let response = ask(&router, Method::DELETE, path, Body::empty()).await;
        problem(path, response, 405, "api/method-not-allowed").await;
    }
    for path in ["/%ff", "/api/v1", "/api/v1/", "/api/v1/%ff", "/api/webhooks/ingest/%ff"] {
        let response = ask(&router, Method::GET, path, Body::empty()).await;
        problem(path, response, 404, "api/not-found").await;
    }
}

#[tokio::test]
async fn queries_that_mean_nothing_are_refused() {
    let router = server().await;
    for list in ["/api/v1/events", "/api/v1/runs", "/api/v1/dead-letters"] {
        for query in ["limit=-1", "limit=501", "cursor=%ff", "nope=1", "limit=1&limit=2", "%ff=1"] {
            let path = format!("{list}?{query}");
            let response = ask(&router, Method::GET, &path, Body::empty()).await;
            problem(&path, response, 400, "request/bad-query").await;
        }
    }
    for path in ["/api/v1/runs?workflow=%ff", "/api/v1/dead-letters/count?code=%ff"] {
        let response = ask(&router, Method::GET, path, Body::empty()).await;
        problem(path, response, 400, "request/bad-query").await;
    }
}
