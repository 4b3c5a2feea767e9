//! Requests: from a call and its context to bytes that are safe to send.
//!
//! Owns what may stand in a path, URL, header and body. Refuses what would let an input leave its
//! place: a path segment that climbs, a header with a line break, a second body.

use postroom_core::{Failure, Json};
use postroom_expr::{JsonView, Kind, Mapping, Scope, Template, Value};

use crate::adapter::{Action, Call, Idempotency, PATH, SecretHeader, VEILED};
use crate::exchange::{Context, HttpRequest, Planned, READS};
use crate::form::{self, Lists};
use crate::headers::{Headers, header_value, is_header_name};
use crate::mail::Reader;
use crate::pages::Reading;
use crate::scope::LIMITS;
use crate::smtp::Server;
use crate::url::{self, PathPart};

/// The methods a request may have.
pub(crate) const METHODS: &[&str] = &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// Headers that belong to the connection and are set by whoever sends.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request of a manifest.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: Template,
    pub target: Target,
    /// The fields of a message, which the rest of the request reads as `mail`.
    pub mail: Option<Mapping>,
    pub query: Option<Mapping>,
    pub headers: Option<Mapping>,
    /// At most one of them may yield something.
    pub bodies: Vec<Body>,
    pub lists: Lists,
}

/// A request of a manifest with the place at which it stands there, for messages.
pub(crate) struct Asked<'a> {
    pub place: String,
    pub request: &'a Request,
    /// The key of its call.
    pub key: &'a str,
    /// Whether the provider honours that key on it.
    pub honoured: bool,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// Below the base URL.
    Path(Vec<PathPart>),
    /// Anywhere, or below the base URL when it starts with `/`.
    Url(Template),
    /// A mail server, which is given the message.
    Server(Box<Server>),
}

/// A body of a request.
#[derive(Debug)]
pub(crate) struct Body {
    pub kind: BodyKind,
    /// An object with the body under the key `body`, so that `omit()` can leave it out.
    pub content: Mapping,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Form,
    Text,
}

impl BodyKind {
    pub const ALL: [Self; 3] = [Self::Json, Self::Form, Self::Text];

    pub fn key(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
            Self::Text => "text",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

impl Action {
    /// What it gives as a value of `input`, if it calls nobody.
    #[must_use]
    pub fn computed(&self) -> Option<&Mapping> {
        self.returns.as_ref().filter(|_| self.calls.is_empty())
    }

    /// Holds the input against the action's schema.
    ///
    /// # Errors
    /// Everything that does not fit, with the path of each value and what was expected.
    pub fn check_input(&self, input: &Json) -> Result<(), Failure> {
        let problems = crate::schema::check(&self.input, input.view(), "input");
        if problems.is_empty() {
            return Ok(());
        }
        let hint = problems.iter().find_map(|problem| problem.hint.clone());
        let told: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
        let failure = Failure::new("adapter/input", format!("{self}: {}", told.join("; ")));
        Err(match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        })
    }

    /// What a call sends, or that it is skipped.
    ///
    /// # Errors
    /// When an expression has no value or the request would not be safe to send. Nothing was sent;
    /// the same context yields the same failure.
    pub fn request(&self, call: usize, context: &Context<'_>) -> Result<Planned, Failure> {
        self.request_page(call, context, &mut Reading::default())
    }

    /// The request for the page at which a reading stands.
    pub(crate) fn planned(
        &self,
        call: &Call,
        context: &Context<'_>,
        reading: &Reading,
    ) -> Result<Planned, Failure> {
        let key = self.call_key(call, context);
        let scope = self.scope(context, &key).with("page", reading.page());
        if let Some(condition) = &call.condition
            && !self.holds(condition, &scope, &format!("{}.if", call.id))?
        {
            return Ok(Planned::Skip);
        }
        let honoured = self.idempotency_in(call, &scope) == Idempotency::Key;
        let place = format!("{}.request", call.id);
        let asked = Asked { place, request: &call.request, key: &key, honoured };
        self.built(&asked, context, &scope).map(Planned::Send)
    }

    /// The bytes of a request.
    pub(crate) fn built(
        &self,
        asked: &Asked<'_>,
        context: &Context<'_>,
        scope: &Scope<'_>,
    ) -> Result<HttpRequest, Failure> {
        let key = asked.honoured.then_some(asked.key);
        let place = |part: &str| format!("{}.{part}", asked.place);
        let request = asked.request;
        if let Target::Server(server) = &request.target {
            return self.posted(server, asked, scope);
        }
        let method = self.method(asked, scope)?;
        let mut url = match &request.target {
            Target::Server(_) => String::new(),
            Target::Path(parts) => self.path_url(parts, context, scope, &place("path"))?,
            Target::Url(template) => self.whole_url(template, context, scope, &place("url"))?,
        };
        let letter = request.mail.as_ref();
        let letter = letter
            .map(|mail| self.letter(mail, Reader::Provider, scope, asked.key, &place("mail")));
        let letter = letter.transpose()?;
        let with_letter;
        let scope = match &letter {
            Some(letter) => {
                with_letter = scope.clone().with("mail", Value::text(letter.text.as_str()));
                &with_letter
            }
            None => scope,
        };
        if let Some(query) = &request.query {
            self.push_query(&mut url, query, asked, scope)?;
        }
        if url.len() > url::MAX_BYTES {
            let message = format!("{self}, {}: longer than {} bytes", place("url"), url::MAX_BYTES);
            return Err(Failure::new("adapter/url-too-long", message));
        }
        let mut headers = Headers::default();
        for (mapping, part) in [(&self.provider.headers, None), (&request.headers, Some("headers"))]
        {
            if let Some(mapping) = mapping {
                let place = part.map_or_else(|| "headers".to_owned(), place);
                self.add_headers(&mut headers, mapping, scope, &place)?;
            }
        }
        if let Some(key) = key
            && let Some(name) = &self.provider.key_header
        {
            header_value(key).map_err(|why| self.bad_header(name, why))?;
            headers.set(name, key.to_owned());
        }
        let body = self.body(asked, scope)?;
        if let Some((kind, _)) = &body
            && !headers.has("content-type")
        {
            headers.set("Content-Type", kind.content_type().to_owned());
        }
        Ok(HttpRequest {
            method,
            url,
            headers: headers.0,
            body: body.map(|(_, bytes)| bytes).unwrap_or_default(),
            secrets: self.secrets(scope)?,
            idempotency_key: key.map(str::to_owned),
        })
    }

    /// The headers that the sender fills in with credentials.
    fn secrets(&self, scope: &Scope<'_>) -> Result<Vec<SecretHeader>, Failure> {
        let mut auth = self.provider.auth.clone();
        for (index, template) in &self.provider.auth_templates {
            auth[*index].template =
                self.text(template, scope, &format!("auth[{index}].template"))?;
        }
        Ok(auth)
    }

    /// What happens when this call is repeated, given its input.
    #[must_use]
    pub fn idempotency(&self, call: usize, context: &Context<'_>) -> Idempotency {
        let Some(call) = self.calls.get(call) else { return Idempotency::None };
        let key = self.call_key(call, context);
        self.idempotency_in(call, &self.scope(context, &key))
    }

    /// Whether every call asks and changes nothing, by its method, whatever its own condition says.
    /// A method that cannot be known yet is taken for one that changes something.
    #[must_use]
    pub fn only_reads(&self, context: &Context<'_>) -> bool {
        self.calls.iter().all(|call| {
            let scope = self.scope(context, context.key);
            let place = format!("{}.request", call.id);
            let key = context.key;
            let asked = Asked { place, request: &call.request, key, honoured: false };
            self.method(&asked, &scope).is_ok_and(|method| READS.contains(&method.as_str()))
        })
    }

    /// A word that cannot be evaluated is taken for the careful one.
    fn idempotency_in(&self, call: &Call, scope: &Scope<'_>) -> Idempotency {
        let Some(template) = &call.by_input else { return call.idempotency };
        let word = template.eval(scope, LIMITS).ok();
        let word = word.as_ref().and_then(|value| value.as_str());
        word.and_then(|word| Idempotency::from_word(&word)).unwrap_or(Idempotency::None)
    }

    /// The output of the action, once every call has its result or was skipped.
    ///
    /// # Errors
    /// When the mapping of the output has no value.
    pub fn output(&self, context: &Context<'_>) -> Result<Json, Failure> {
        if let Some(mapping) = &self.returns {
            return self.render(mapping, &self.scope(context, context.key), "return");
        }
        let last = self.calls.last().map(|call| call.id.as_str());
        let result = context.results.iter().find(|(id, _)| Some(id.as_str()) == last);
        Ok(result.map_or_else(Json::null, |(_, json)| json.clone()))
    }

    fn holds(
        &self,
        condition: &postroom_expr::Expr,
        scope: &Scope<'_>,
        place: &str,
    ) -> Result<bool, Failure> {
        let path = String::new;
        let value = condition.eval(scope, LIMITS).map_err(|fault| {
            self.fault(postroom_expr::MappingFault { path: path(), fault }, place)
        })?;
        value.as_bool().ok_or_else(|| {
            let kind = value.type_name();
            let message = format!("{self}, {place}: a condition is true or false, not {kind}");
            Failure::new(postroom_expr::code::TYPE, message)
        })
    }

    fn method(&self, asked: &Asked<'_>, scope: &Scope<'_>) -> Result<String, Failure> {
        let place = format!("{}.method", asked.place);
        let method = self.text(&asked.request.method, scope, &place)?.to_ascii_uppercase();
        if METHODS.contains(&method.as_str()) {
            return Ok(method);
        }
        let message = format!("{self}, {place}: `{}` is no method", shown(&method));
        Err(Failure::new("adapter/bad-method", message)
            .with_hint(format!("one of {}", METHODS.join(", "))))
    }

    fn base_url<'c>(&'c self, context: &Context<'c>) -> Result<&'c str, Failure> {
        let Some(base) = context.base_url.or(self.provider.base_url.as_deref()) else {
            let message = format!("{self}: the connection has no base URL");
            return Err(Failure::new("adapter/no-base-url", message)
                .with_hint("set `base_url` on the connection, or give the whole URL"));
        };
        match url::wrong_base(base) {
            None => Ok(base.trim_end_matches('/')),
            Some(why) => {
                let message = format!("{self}: the base URL `{}`: {why}", shown(base));
                Err(Failure::new("adapter/bad-url", message))
            }
        }
    }

    fn path_url(
        &self,
        parts: &[PathPart],
        context: &Context<'_>,
        scope: &Scope<'_>,
        place: &str,
    ) -> Result<String, Failure> {
        let mut path = String::new();
        for part in parts {
            match part {
                PathPart::Text(text) => path.push_str(text),
                PathPart::Value(template) => {
                    let value = self.text(template, scope, place)?;
                    if value.is_empty() {
                        let source = template.source();
                        let message = format!("{self}, {place}: `{source}` is empty");
                        return Err(Failure::new("adapter/bad-url", message)
                            .with_hint("an empty segment would name something else"));
                    }
                    url::push_segment(&mut path, &value);
                }
            }
        }
        if url::climbs(&path) {
            let message = format!("{self}, {place}: `{}` climbs out of its place", shown(&path));
            return Err(Failure::new("adapter/bad-url", message));
        }
        let veiled = self.provider.auth.iter().filter(|slot| slot.header == PATH);
        let veiled: String = veiled.map(|_| format!("/{VEILED}")).collect();
        Ok(format!("{}{veiled}{path}", self.base_url(context)?))
    }

    fn whole_url(
        &self,
        template: &Template,
        context: &Context<'_>,
        scope: &Scope<'_>,
        place: &str,
    ) -> Result<String, Failure> {
        let text = self.text(template, scope, place)?;
        let url = match text.starts_with('/') {
            true => format!("{}{text}", self.base_url(context)?),
            false => text,
        };
        match url::wrong_absolute(&url) {
            None => Ok(url),
            Some(why) => {
                let message = format!("{self}, {place}: `{}`: {why}", shown(&url));
                Err(Failure::new("adapter/bad-url", message))
            }
        }
    }

    fn push_query(
        &self,
        url: &mut String,
        query: &Mapping,
        asked: &Asked<'_>,
        scope: &Scope<'_>,
    ) -> Result<(), Failure> {
        let place = format!("{}.query", asked.place);
        let json = self.render(query, scope, &place)?;
        if json.view().kind() == Kind::Null {
            return Ok(());
        }
        let text = form::encode(json.view(), asked.request.lists)
            .ok_or_else(|| self.not_an_object(&place, json.view()))?;
        if !text.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&text);
        }
        Ok(())
    }

    fn add_headers(
        &self,
        headers: &mut Headers,
        mapping: &Mapping,
        scope: &Scope<'_>,
        place: &str,
    ) -> Result<(), Failure> {
        let json = self.render(mapping, scope, place)?;
        match json.view().kind() {
            Kind::Object => {}
            Kind::Null => return Ok(()),
            _ => return Err(self.not_an_object(place, json.view())),
        }
        for (name, value) in json.view().entries() {
            if let Some(why) = self.wrong_name(&name) {
                return Err(self.bad_header(&name, why));
            }
            match value.kind() {
                Kind::Null => continue,
                Kind::Array | Kind::Object => {
                    return Err(self.bad_header(&name, "its value must be text or a number"));
                }
                _ => {}
            }
            let value = form::scalar(value);
            header_value(&value).map_err(|why| self.bad_header(&name, why))?;
            headers.set(&name, value);
        }
        Ok(())
    }

    fn wrong_name(&self, name: &str) -> Option<&'static str> {
        if !is_header_name(name) {
            return Some("this is no header name");
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Some("this header belongs to the connection and is set when sending");
        }
        let secret = self.provider.auth.iter().any(|auth| name.eq_ignore_ascii_case(&auth.header));
        secret.then_some("this header carries the credential and is set when sending")
    }

    fn bad_header(&self, name: &str, why: &str) -> Failure {
        let message = format!("{self}: the header `{}`: {why}", shown(name));
        Failure::new("adapter/bad-header", message)
    }

    fn not_an_object(&self, place: &str, view: JsonView<'_>) -> Failure {
        let found = crate::schema::kind_name(view);
        Failure::new(
            "adapter/bad-request",
            format!("{self}, {place} must be an object, not {found}"),
        )
    }

    fn body(
        &self,
        asked: &Asked<'_>,
        scope: &Scope<'_>,
    ) -> Result<Option<(BodyKind, Vec<u8>)>, Failure> {
        let mut found: Option<(BodyKind, Vec<u8>)> = None;
        for body in &asked.request.bodies {
            let place = format!("{}.{}", asked.place, body.kind.key());
            let json = body.content.render(scope, LIMITS).map_err(|mut fault| {
                let inside = fault.path.strip_prefix("body").unwrap_or(&fault.path);
                fault.path = inside.trim_start_matches('.').to_owned();
                self.fault(fault, &place)
            })?;
            let view = JsonView::parse(&json)
                .map_err(|fault| Failure::new("internal", format!("{self}, {place}: {fault}")))?;
            let Some(view) = view.get("body") else { continue };
            if let Some((other, _)) = &found {
                let both = format!("both `{}` and `{}`", other.key(), body.kind.key());
                let message = format!("{self}, {} has {both}; a request has one body", asked.place);
                return Err(Failure::new("adapter/bad-request", message));
            }
            let bytes = match body.kind {
                BodyKind::Json => view.raw().to_owned(),
                BodyKind::Form => form::encode(view, asked.request.lists)
                    .ok_or_else(|| self.not_an_object(&place, view))?,
                BodyKind::Text => form::scalar(view),
            };
            found = Some((body.kind, bytes.into_bytes()));
        }
        Ok(found)
    }
}

/// Text from outside as a message shows it: short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String =
        text.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(200).is_some() {
        out.push('…');
    }
    out
}
