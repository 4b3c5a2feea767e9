//! Every route of the table refuses what it cannot use with a problem document of ours, and the
//! OpenAPI document is the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier};

use axum::body::Body;
use axum::http::{Method, Request, header};
use axum::response::Response;
use http_body_util::BodyExt;
use postroom_adapters::Catalog;
use postroom_core::run::RunState;
use postroom_engine::clock::SystemClock;
use postroom_engine::outbound::Http;
use postroom_engine::rehearsal::EmptyStore;
use postroom_engine::secrets::Fixed;
use postroom_engine::source::{Keep, Mounted, Takes};
use postroom_engine::{Bell, Engine, Parts, Project, Settings, Source};
use postroom_store::model::Model;
use serde_json::Value;
use tower::ServiceExt;

use crate::{AdminToken, Options, api, openapi, router, table};

#[path = "../../core/tests/bless/mod.rs"]
mod bless;

const LIMIT: usize = 1_000;

/// A source of events in the envelope, as every project has it.
fn ingest() -> Source {
    Source {
        name: "ingest".to_owned(),
        path: "/api/webhooks/ingest".to_owned(),
        takes: Takes::Envelope { token: None },
    }
}

/// A server on a store in memory.
async fn server() -> axum::Router {
    server_over(|bell| Arc::new(Model::new(bell as _))).await
}

/// The same, with stores for dry runs from elsewhere.
async fn server_over(empty: EmptyStore) -> axum::Router {
    let bell = Arc::new(Bell::default());
    let parts = Parts {
        store: Arc::new(Model::new(Arc::clone(&bell) as _)),
        bell,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(Fixed::default()),
        transport: Arc::new(Http::default()),
        tokens: None,
        settings: Settings::default(),
    };
    let project = Project::new(Vec::new(), Arc::new(Catalog::default()), BTreeMap::new()).unwrap();
    let engine = Engine::new(parts, project).await.unwrap();
    let options = Options { max_body_bytes: LIMIT, ..Options::default() };
    router(engine, &[Arc::new(ingest())], vec![AdminToken::of("t")], options, empty)
}

async fn ask(router: &axum::Router, method: Method, path: &str, body: Body) -> Response {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, "Bearer t").body(body).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

/// Asserts that an answer is a problem of a status and a code.
async fn problem(what: &str, response: Response, status: u16, code: &str) -> Value {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert_eq!(head.status, status, "{what}: {text}");
    assert_eq!(head.headers[header::CONTENT_TYPE], "application/problem+json", "{what}: {text}");
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["code"], code, "{what}: {text}");
    assert_eq!(document["status"], status, "{what}: {text}");
    document
}

/// A path of the table with something in place of its variable.
fn full(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{name}", id)
}

const ID: &str = "00000000000000000000000000000001";

#[tokio::test]
async fn ids_that_are_none_are_refused_by_every_route_that_takes_one() {
    let router = server().await;
    for route in api::table().into_iter().filter(|route| route.path.contains("{id}")) {
        for id in ["%ff", "nope", "%00", "run_1"] {
            let path = full(&route.path, id);
            let response = ask(&router, route.method.clone(), &path, Body::empty()).await;
            problem(&path, response, 400, "request/bad-query").await;
        }
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_used_are_refused_by_every_route_that_takes_one() {
    let router = server().await;
    let id = |path: &str| match path.contains("/events/") {
        true => format!("evt_{ID}"),
        false => format!("run_{ID}"),
    };
    for route in api::table().into_iter().filter(|route| route.method == Method::POST) {
        let path = full(&route.path, &id(&route.path));
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
        let path = full(&route.path, "x");
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

/// The sources and options of the configuration template.
fn template() -> (Vec<Arc<Source>>, Options) {
    let catalog = Catalog::builtin();
    let adapter = Arc::clone(catalog.adapter("stripe").unwrap());
    let stripe = Source {
        name: "stripe-invoice".to_owned(),
        path: "/api/webhooks/stripe".to_owned(),
        takes: Takes::Webhook(Mounted {
            title: adapter.title.clone(),
            webhook: Arc::clone(adapter.webhook.as_ref().unwrap()),
            secrets: Vec::new(),
            address: None,
            keep: Keep::nowhere(),
        }),
    };
    (vec![Arc::new(ingest()), Arc::new(stripe)], Options::default())
}

#[test]
fn the_document_is_the_committed_one() {
    let (sources, options) = template();
    let document = openapi::document(&table(&sources, &options));
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    bless::check(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"), &text);
}

/// Every schema that is referred to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str);
            let name = name.map(|name| name.strip_prefix("#/components/schemas/").unwrap());
            found.extend(name.map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_document_names_each_operation_once_and_every_schema_is_used() {
    let (sources, options) = template();
    let routes = table(&sources, &options);
    let names: BTreeSet<&str> = routes.iter().map(|route| &*route.about.operation).collect();
    assert_eq!(names.len(), routes.len());
    assert!(!names.contains(""));
    for route in &routes {
        assert!(route.about.summary.ends_with('.'), "{}", route.path);
        assert!(!route.about.answers.is_empty(), "{}", route.path);
        let id = route.about.parameters.iter().any(|parameter| parameter.place == "path");
        assert_eq!(id, route.path.contains('{'), "{}", route.path);
    }
    let document = openapi::document(&routes);
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let known: BTreeSet<String> = schemas.keys().cloned().collect();
    assert_eq!(used, known);
    let states = RunState::ALL.map(RunState::name);
    assert_eq!(schemas["RunState"]["enum"], serde_json::json!(states));
}

#[tokio::test]
async fn parameters_of_the_document_are_known_to_their_routes() {
    let router = server().await;
    for route in table(&[Arc::new(ingest())], &Options::default()) {
        let query = route.about.parameters.iter().filter(|parameter| parameter.place == "query");
        for parameter in query {
            let value = match parameter.schema {
                "EventId" => format!("evt_{ID}"),
                "RunId" => format!("run_{ID}"),
                "Limit" => "500".to_owned(),
                "Flag" => "true".to_owned(),
                "RunState" => "dead".to_owned(),
                _ => "x".to_owned(),
            };
            let path = format!("{}?{}={value}", full(&route.path, "x"), parameter.name);
            let body = match route.method == Method::POST {
                true => Body::from(r#"{"event":"A","payload":{}}"#),
                false => Body::empty(),
            };
            let response = ask(&router, route.method.clone(), &path, body).await;
            // There is nothing of that name; the parameter was read before that was said.
            let status = if route.path.contains('{') { 404 } else { 200 };
            assert_eq!(response.status(), status, "{path}");
        }
    }
}

/// Where dry runs of the test below meet it: once they are under way, and before they go on.
static UNDER_WAY: Barrier = Barrier::new(3);
static GO_ON: Barrier = Barrier::new(3);

#[tokio::test]
async fn few_dry_runs_go_at_a_time_and_one_more_is_told_when_to_come_back() {
    let router = server_over(|bell| {
        UNDER_WAY.wait();
        GO_ON.wait();
        Arc::new(Model::new(bell as _))
    })
    .await;
    let dry = || {
        let router = router.clone();
        let body = Body::from(r#"{"event":"A","payload":{}}"#);
        async move { ask(&router, Method::POST, "/api/webhooks/ingest?dry=true", body).await }
    };
    let under_way = [tokio::spawn(dry()), tokio::spawn(dry())];
    tokio::task::spawn_blocking(|| UNDER_WAY.wait()).await.unwrap();
    let refused = dry().await;
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    problem("a third", refused, 429, "dry-run/busy").await;
    // What is meant is not held up.
    let live = Body::from(r#"{"event":"A","payload":{}}"#);
    let live = ask(&router, Method::POST, "/api/webhooks/ingest", live).await;
    assert_eq!(live.status(), 202);
    tokio::task::spawn_blocking(|| GO_ON.wait()).await.unwrap();
    for answer in under_way {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}
