//! What a request of the API holds, taken out of its path, query and body. Whatever cannot be used
//! is refused with a problem of ours; no refusal of the framework gets out. Handlers take nothing
//! from a request but by way of these and the headers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use postroom_core::{Problem, RunId, problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::App;
use crate::answer::Refusal;
use crate::ingest::collect;

/// The most rows of a page.
const MAX_LIMIT: usize = 500;

/// The variable segment of the path.
pub(crate) struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: FromStr<Err: Display>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let bad = |why: String| Refusal(Problem::new(&problem::BAD_QUERY, why));
        let segment = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let axum::extract::Path(text) = segment.map_err(|error| bad(error.body_text()))?;
        text.parse().map(Self).map_err(|error: T::Err| bad(error.to_string()))
    }
}

/// Query parameters, each of which a handler has to know.
pub(crate) struct Parameters(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let bad = |why: String| Refusal(Problem::new(&problem::BAD_QUERY, why));
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) = query.map_err(|error| bad(error.body_text()))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            // Bytes that are no UTF-8 come out of the decoder as this character.
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(bad(format!("`{name}` is not UTF-8 text")));
            }
            if parameters.contains_key(&name) {
                return Err(bad(format!("`{name}` stands twice")));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }
}

impl Parameters {
    /// A parameter as text; an empty one is none.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// A parameter that is more than text.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let parsed = self.take(name).map(|text| text.parse::<T>()).transpose();
        parsed.map_err(|why| Problem::new(&problem::BAD_QUERY, format!("`{name}`: {why}")))
    }

    /// How many rows are wanted: 50 unless said, 500 at the most.
    pub fn limit(&mut self) -> Result<usize, Problem> {
        let limit = self.parse::<usize>("limit")?.unwrap_or(50);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("`limit` is {limit}, but must lie between 1 and {MAX_LIMIT}");
        Err(Problem::new(&problem::BAD_QUERY, detail))
    }

    /// Refuses what nobody asked for: a filter with a slip in it would select everything.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let detail = format!("there is no parameter `{name}` here");
                Err(Problem::new(&problem::BAD_QUERY, detail))
            }
        }
    }
}

/// The body, JSON within the bounds of the server; one that is left out says nothing in
/// particular.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let body = collect(app, request.into_body()).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let text = std::str::from_utf8(&body).map_err(|error| {
            let detail = format!("byte {} of the body is not UTF-8", error.valid_up_to());
            Problem::new(&problem::NOT_UTF8, detail)
        })?;
        let read = serde_json::from_str(text).map_err(|error| {
            let kind = if error.is_data() { &problem::BAD_BODY } else { &problem::BAD_JSON };
            Problem::new(kind, error.to_string())
        });
        Ok(Self(read?))
    }
}

/// The body of a route that needs to be told nothing.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The body of an order about one run.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Why, in the person's words.
    pub note: Option<String>,
    /// Who, if the caller knows better than "api".
    pub actor: Option<String>,
    /// Which version of the workflow a redrive goes on with; the same unless said.
    pub version: Option<Version>,
}

/// The body of a person's answer.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerWish {
    /// Why, in the person's words.
    pub note: Option<String>,
    /// Who, if the caller knows better than "api".
    pub actor: Option<String>,
    /// The step that asks.
    pub step: Option<String>,
}

/// The body of an order about all dead letters of a selection.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkWish {
    /// Why, in the person's words.
    pub note: Option<String>,
    /// Who, if the caller knows better than "api".
    pub actor: Option<String>,
    /// Which version of its workflow each redrive goes on with; the same unless said.
    pub version: Option<Version>,
    /// Those of this workflow.
    pub workflow: Option<String>,
    /// Those whose last failure has this code.
    pub code: Option<String>,
    /// Runs at the most.
    pub limit: Option<usize>,
    /// The `next` of the answer before.
    pub cursor: Option<RunId>,
}

/// Which version of its workflow a run goes on with.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Version {
    /// The one it started with.
    Same,
    /// The one the project has now.
    Newest,
}

/// Who orders, unless said.
pub(crate) fn actor(said: Option<&str>) -> &str {
    said.unwrap_or("api")
}
