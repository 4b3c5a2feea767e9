//! Reading page by page: a call that asks again with what the last answer told it, until it has
//! all or as many items as are wanted.

use std::borrow::Cow;

use postroom_core::{Failure, Json, Outcome};
use postroom_expr::{Kind, Scope, Template, Value};

use crate::adapter::{Action, Call};
use crate::exchange::{Context, HttpResponse, Planned};
use crate::scope::LIMITS;

/// Items that are read where the manifest does not say how many.
const USUAL_ITEMS: usize = 1_000;

/// The most items of one call.
const MAX_ITEMS: usize = 10_000;

/// The most pages of one call.
const MAX_PAGES: usize = 100;

/// The most bytes of items that are kept.
const MAX_BYTES: usize = 4 << 20;

/// How a call goes on from page to page.
#[derive(Debug)]
pub(crate) struct Pages {
    /// The items of an answer.
    pub items: Template,
    /// What the next page is asked for by; null, false or empty text on the last one.
    pub next: Template,
    /// How many items are wanted in all.
    pub limit: Option<Template>,
}

/// Where the reading of a call stands.
#[derive(Debug)]
pub struct Reading {
    next: Json,
    index: usize,
    limit: usize,
    items: String,
    count: usize,
}

impl Default for Reading {
    fn default() -> Self {
        let (items, limit) = (String::from("["), USUAL_ITEMS);
        Self { next: Json::null(), index: 0, limit, items, count: 0 }
    }
}

/// What an answer to a call came to.
#[derive(Clone, Debug)]
pub enum Paged {
    /// There is another page to ask for.
    More,
    /// That was all.
    Ended(Outcome),
}

impl Reading {
    /// Whether nothing was read yet.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.index == 0
    }

    /// The value of the root `page`.
    pub(crate) fn page(&self) -> Value<'_> {
        let int = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        Value::object(vec![
            (Cow::Borrowed("next"), Value::Json(self.next.view())),
            (Cow::Borrowed("index"), int(self.index)),
            (Cow::Borrowed("left"), int(self.limit - self.count)),
        ])
    }

    /// All items read.
    pub(crate) fn items(&self) -> Json {
        Json::parse(format!("{}]", self.items)).unwrap_or_else(|_| Json::null())
    }

    fn add(&mut self, list: &Json) -> Result<(), String> {
        if list.view().kind() != Kind::Array {
            let found = Value::Json(list.view()).type_name();
            return Err(format!("a list of items was expected, not {found}"));
        }
        for item in list.view().items().take(self.limit - self.count) {
            if self.items.len() + item.raw().len() > MAX_BYTES {
                return Err(format!("the items have more than {MAX_BYTES} bytes; ask for fewer"));
            }
            if self.count > 0 {
                self.items.push(',');
            }
            self.items.push_str(item.raw());
            self.count += 1;
        }
        Ok(())
    }

    /// Goes on with the next page, if there is one and more is wanted.
    fn turn(&mut self, next: Json) -> bool {
        let value = Value::Json(next.view());
        let last = value.is_null()
            || value.as_bool() == Some(false)
            || value.as_str().is_some_and(|text| text.is_empty());
        self.next = if last { Json::null() } else { next };
        self.index += 1;
        !last && self.count < self.limit && self.index < MAX_PAGES
    }
}

impl Action {
    /// What a call sends for the page that is next, or that it is skipped.
    ///
    /// # Errors
    /// As [`Action::request`].
    pub fn request_page(
        &self,
        call: usize,
        context: &Context<'_>,
        reading: &mut Reading,
    ) -> Result<Planned, Failure> {
        let known = self.call(call)?;
        if let Some(limit) = known.pages.as_ref().and_then(|pages| pages.limit.as_ref()) {
            let key = self.call_key(known, context);
            let scope = self.scope(context, &key);
            let place = format!("{}.pages.limit", known.id);
            let limit = self.text(limit, &scope, &place)?;
            let limit = limit.parse::<usize>().ok().filter(|n| (1..=MAX_ITEMS).contains(n));
            reading.limit = limit.ok_or_else(|| {
                let message = format!("{self}, {place}: it must be from 1 to {MAX_ITEMS}");
                Failure::new("adapter/bad-request", message)
            })?;
        }
        self.planned(known, context, reading)
    }

    /// What an answer to a call came to, and whether another page is to be asked for.
    #[must_use]
    pub fn interpret_page(
        &self,
        call: usize,
        response: &HttpResponse,
        context: &Context<'_>,
        reading: &mut Reading,
    ) -> Paged {
        let (known, pages) = match self.call(call) {
            Ok(known) => (known, known.pages.as_ref()),
            Err(failure) => return Paged::Ended(Outcome::Refused { failure }),
        };
        let Some(pages) = pages else {
            return Paged::Ended(self.interpret_read(call, response, context, reading));
        };
        match self.read_page(known, pages, response, context, reading) {
            Ok(true) => Paged::More,
            Ok(false) => Paged::Ended(self.interpret_read(call, response, context, reading)),
            // The answer is none of a page: what it is instead is told by the rules.
            Err(failure) => match self.interpret_read(call, response, context, reading) {
                Outcome::Done { .. } => Paged::Ended(Outcome::Refused { failure }),
                other => Paged::Ended(other),
            },
        }
    }

    fn read_page(
        &self,
        call: &Call,
        pages: &Pages,
        response: &HttpResponse,
        context: &Context<'_>,
        reading: &mut Reading,
    ) -> Result<bool, Failure> {
        let answer = crate::answer::Answer::read(response);
        let key = self.call_key(call, context);
        // What is read stays read: only the two values leave the scope, not all items before.
        let scope = self.answered(context, &key, &answer, reading);
        let place = format!("{}.pages", call.id);
        let items = self.value(&pages.items, &scope, &format!("{place}.items"))?;
        let next = self.value(&pages.next, &scope, &format!("{place}.next"));
        drop(scope);
        reading.add(&items).map_err(|why| {
            let message = format!("{self}, {place}.items: {why}");
            Failure::new("call/unexpected-answer", message).with_status(response.status)
        })?;
        Ok(reading.turn(next?))
    }

    /// What a template comes to, apart from what it was read of.
    fn value(&self, template: &Template, scope: &Scope<'_>, place: &str) -> Result<Json, Failure> {
        let value = template.eval(scope, LIMITS).map_err(|fault| {
            let path = String::new();
            self.fault(postroom_expr::MappingFault { path, fault }, place)
        })?;
        let mut text = String::new();
        value.write_json(&mut text);
        Json::parse(text)
            .map_err(|error| Failure::new("internal", format!("{self}, {place}: {error}")))
    }
}
