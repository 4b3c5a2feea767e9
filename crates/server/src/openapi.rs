//! The OpenAPI document: the table of routes in the words of OpenAPI 3.1. Schemas of what goes in
//! and out are kept in `openapi/schemas.json`; tests hold real answers against them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use postroom_core::problem::{self, Kind};
use serde_json::{Map, Value, json};

use crate::App;
use crate::route::{Answer, Content, Parameter, Route, Token};

const SCHEMAS: &str = include_str!("openapi/schemas.json");

/// Answers the document.
pub(crate) async fn serve(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.document.clone()).into_response()
}

/// The document of a table.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let method = route.method.as_str().to_lowercase();
        paths.entry(&route.path).or_default().insert(method, operation(route));
    }
    let mut schemas: Value =
        serde_json::from_str(SCHEMAS).expect("schemas.json is JSON, as a test has seen");
    schemas["Problem"]["properties"]["code"]["enum"] = codes(routes);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postroom",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Events in, runs and dead letters out.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "admin": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The admin token of the data folder.",
                },
                "source": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that the configuration sets for the source.",
                },
            },
        },
    })
}

/// Every code that a route can answer, with those of paths and methods that are not there.
fn codes(routes: &[Route]) -> Value {
    let general = [&problem::NOT_FOUND, &problem::METHOD_NOT_ALLOWED];
    let told = |kind: &&&Kind| {
        general.contains(*kind) || routes.iter().any(|route| route.about.problems.contains(*kind))
    };
    problem::ALL.iter().filter(told).map(|kind| kind.code).collect()
}

fn operation(route: &Route) -> Value {
    let about = &route.about;
    let mut operation = json!({
        "operationId": about.operation,
        "summary": about.summary,
        "responses": responses(route),
    });
    if !about.parameters.is_empty() {
        operation["parameters"] = about.parameters.iter().map(parameter).collect();
    }
    if let Some((schema, optional)) = about.body {
        operation["requestBody"] = json!({
            "required": !optional,
            "content": { "application/json": { "schema": reference(schema) } },
        });
    }
    match about.token {
        Token::None => {}
        Token::Admin => operation["security"] = json!([{ "admin": [] }]),
        Token::Source => operation["security"] = json!([{ "source": [] }]),
    }
    operation
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.about,
        "schema": reference(parameter.schema),
    })
}

fn responses(route: &Route) -> Value {
    let mut responses: BTreeMap<u16, Value> = BTreeMap::new();
    for Answer { status, about, content } in &route.about.answers {
        let content = match content {
            Content::Json(schema) => json!({ "application/json": { "schema": reference(schema) } }),
            Content::Text(media_type) => json!({ *media_type: { "schema": { "type": "string" } } }),
        };
        responses.insert(*status, json!({ "description": about, "content": content }));
    }
    for kind in &route.about.problems {
        refuse(responses.entry(kind.status).or_insert_with(|| json!({})), kind);
    }
    let named = responses.into_iter().map(|(status, response)| (status.to_string(), response));
    Value::Object(named.collect())
}

/// Adds a problem to what is said of a status.
fn refuse(response: &mut Value, kind: &Kind) {
    let said = format!("`{}`: {}.", kind.code, kind.title);
    let before = response["description"].as_str().unwrap_or_default();
    if before.contains(&said) {
        return;
    }
    response["description"] = match before {
        "" => said.into(),
        before => format!("{before} {said}").into(),
    };
    response["content"]["application/problem+json"] = json!({ "schema": reference("Problem") });
    if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS]
        .iter()
        .any(|again| kind.status == *again)
    {
        let about = "Seconds after which to try again.";
        response["headers"]["Retry-After"] =
            json!({ "description": about, "schema": { "type": "integer" } });
    }
}
