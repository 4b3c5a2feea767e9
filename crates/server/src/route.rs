//! A route as an entry of a table: what answers it, and what is to be known of it. Router, OpenAPI
//! document and tests walk the same table.

use std::borrow::Cow;
use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use postroom_core::problem::{self, Kind};

use crate::App;

/// A query parameter: name, schema, meaning.
pub(crate) type Query = (&'static str, &'static str, &'static str);

/// One method of one path.
pub(crate) struct Route {
    pub method: Method,
    pub path: Cow<'static, str>,
    pub handler: MethodRouter<Arc<App>>,
    pub about: About,
}

/// What is to be known of a route. Schemas are named as in `openapi/schemas.json`.
#[derive(Default)]
pub(crate) struct About {
    /// The name of the operation, for generated clients.
    pub operation: Cow<'static, str>,
    pub summary: Cow<'static, str>,
    pub token: Token,
    pub parameters: Vec<Parameter>,
    /// The schema of the body, and whether it may be left out.
    pub body: Option<(&'static str, bool)>,
    pub answers: Vec<Answer>,
    pub problems: Vec<&'static Kind>,
}

/// The bearer token that a route asks for.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    #[default]
    None,
    Admin,
    Source,
}

/// A value of the path, the query or a header.
pub(crate) struct Parameter {
    pub name: Cow<'static, str>,
    /// `path`, `query` or `header`.
    pub place: &'static str,
    pub schema: &'static str,
    pub about: &'static str,
}

/// An answer that is no problem.
pub(crate) struct Answer {
    pub status: u16,
    pub about: &'static str,
    pub content: Content,
}

/// What an answer holds.
pub(crate) enum Content {
    /// JSON of this schema.
    Json(&'static str),
    /// Text of this media type.
    Text(&'static str),
}

/// Reads; `HEAD` comes with it.
pub(crate) fn get<H, T>(path: impl Into<Cow<'static, str>>, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    Route::new(Method::GET, path.into(), on(MethodFilter::GET, handler))
}

/// Orders something.
pub(crate) fn post<H, T>(path: impl Into<Cow<'static, str>>, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    Route::new(Method::POST, path.into(), on(MethodFilter::POST, handler))
}

impl Route {
    fn new(method: Method, path: Cow<'static, str>, handler: MethodRouter<Arc<App>>) -> Self {
        Self { method, path, handler, about: About::default() }
    }

    /// Its operation and what it does.
    pub fn does(
        mut self,
        operation: impl Into<Cow<'static, str>>,
        summary: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.about.operation = operation.into();
        self.about.summary = summary.into();
        self
    }

    /// Its path ends in, or goes through, an id of this schema.
    pub fn of(mut self, schema: &'static str) -> Self {
        let name = Cow::Borrowed("id");
        self.about.parameters.push(Parameter { name, place: "path", schema, about: "The id." });
        self.refuses(&[&problem::BAD_QUERY, &problem::NOT_FOUND])
    }

    /// Its path goes through the name of something.
    pub fn named(mut self, about: &'static str) -> Self {
        let name = Cow::Borrowed("name");
        self.about.parameters.push(Parameter { name, place: "path", schema: "Name", about });
        self.refuses(&[&problem::BAD_QUERY, &problem::NOT_FOUND])
    }

    /// It takes query parameters.
    pub fn query(mut self, parameters: &[Query]) -> Self {
        let parameter = |(name, schema, about): &Query| Parameter {
            name: Cow::Borrowed(*name),
            place: "query",
            schema,
            about,
        };
        self.about.parameters.extend(parameters.iter().map(parameter));
        self.refuses(&[&problem::BAD_QUERY])
    }

    /// It reads a header.
    pub fn header(mut self, name: String, about: &'static str) -> Self {
        let name = Cow::Owned(name);
        self.about.parameters.push(Parameter { name, place: "header", schema: "Name", about });
        self
    }

    /// It asks for something that is true or false, by the query or by a header.
    pub fn flag(mut self, place: &'static str, name: &'static str, about: &'static str) -> Self {
        let name = Cow::Borrowed(name);
        self.about.parameters.push(Parameter { name, place, schema: "Flag", about });
        self
    }

    /// It takes an order, which may be left out.
    pub fn order(mut self, schema: &'static str) -> Self {
        self.about.body = Some((schema, true));
        self.refuses(&[&problem::BAD_BODY]).bounded()
    }

    /// It takes an event.
    pub fn event(mut self, schema: &'static str) -> Self {
        self.about.body = Some((schema, false));
        self.refuses(&[&problem::BAD_ENVELOPE, &problem::TOO_DEEP, &problem::OVERLOADED]).bounded()
    }

    /// It reads a body within bounds.
    fn bounded(self) -> Self {
        self.refuses(&[
            &problem::BAD_JSON,
            &problem::NOT_UTF8,
            &problem::BODY_TOO_LARGE,
            &problem::BODY_TIMEOUT,
        ])
    }

    pub fn answers(mut self, status: u16, schema: &'static str, about: &'static str) -> Self {
        self.about.answers.push(Answer { status, about, content: Content::Json(schema) });
        self
    }

    pub fn says(mut self, media_type: &'static str, about: &'static str) -> Self {
        let content = Content::Text(media_type);
        self.about.answers.push(Answer { status: 200, about, content });
        self
    }

    pub fn refuses(mut self, problems: &[&'static Kind]) -> Self {
        self.about.problems.extend(problems);
        self
    }

    /// It asks the store, which may be unable to answer.
    pub fn stored(self) -> Self {
        self.refuses(&[&problem::UNAVAILABLE, &problem::LOST])
    }

    pub fn token(mut self, token: Token) -> Self {
        self.about.token = token;
        match token {
            Token::None => self,
            _ => self.refuses(&[&problem::UNAUTHENTICATED, &problem::FORBIDDEN]),
        }
    }

    /// The same below a path.
    pub fn below(mut self, path: &str) -> Self {
        self.path = Cow::Owned(format!("{path}{}", self.path));
        self
    }
}
