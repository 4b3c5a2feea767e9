//! An order about many dead letters. They are looked up first, so that what is confirmed is what
//! is done: each one is ordered exactly once, also if it dies again meanwhile. Several orders are
//! under way at once, because the store writes what arrives together in one transaction.

use std::cell::Cell;

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::versions::{self, On};
use super::{List, ask, progress, read, read_row, runs};
use crate::cli::{Version, Word};
use crate::exit::{Failed, Refused, Said};
use crate::output::{self, Output, plain};
use crate::reach::{Ask, Reach};

/// Orders under way at once.
const AT_ONCE: usize = 16;
/// Rows looked up at once; the most the API gives.
const PAGE: usize = 500;

/// Which dead letters; all of them if nothing is named.
pub(super) struct Selection {
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Whose last failure has this code.
    pub code: Option<String>,
}

/// What to do with them.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    /// Send them out again, on this version if it is said.
    Redrive(Option<Version>),
    /// End them.
    Discard,
}

impl Verb {
    /// The word of the API and of questions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redrive(_) => "redrive",
            Self::Discard => "discard",
        }
    }
}

/// An order about many.
pub(super) struct Bulk<'a> {
    /// What to do.
    pub verb: Verb,
    /// Who wants it and why.
    pub word: &'a Word,
    /// Which.
    pub selection: Selection,
    /// Nobody is to be asked.
    pub yes: bool,
    /// The way to the API.
    pub reach: &'a Reach,
    /// Where to say what.
    pub output: &'a Output,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(flatten)]
    on: On,
}

#[derive(Default)]
struct Done {
    done: usize,
    refused: usize,
    failed: Option<Failed>,
}

impl Bulk<'_> {
    /// Counts, asks, orders, and says how far it came.
    pub async fn run(self) -> Result<(), Failed> {
        let rows = tokio::select! {
            rows = self.look_up() => rows?,
            _ = tokio::signal::ctrl_c() => return Err(Failed::Interrupted),
        };
        let version = self.version(&rows).await?;
        if !rows.is_empty()
            && !self.yes
            && !ask::yes(&self.question(rows.len()), self.output).await?
        {
            return Err(Failed::Declined);
        }
        let total = rows.len();
        let done = self.order(rows, &self.wish(version)).await;
        self.report(total, version, done)
    }

    /// The version they go on with; nobody is asked who said `--yes`.
    async fn version(&self, rows: &[Row]) -> Result<Version, Failed> {
        match self.verb {
            Verb::Redrive(None) if !self.yes => {
                let runs: Vec<On> = rows.iter().map(|row| row.on.clone()).collect();
                versions::for_many(&runs, None, self.reach, self.output).await
            }
            Verb::Redrive(said) => Ok(said.unwrap_or(Version::Same)),
            Verb::Discard => Ok(Version::Same),
        }
    }

    /// What goes with each order.
    fn wish(&self, version: Version) -> Value {
        match self.verb {
            Verb::Redrive(_) => runs::redrive(self.word, version),
            Verb::Discard => runs::wish(self.word),
        }
    }

    async fn look_up(&self) -> Result<Vec<Row>, Failed> {
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let ask = Ask::get(&["dead-letters"])
                .query("limit", Some(PAGE))
                .query("workflow", self.selection.workflow.as_ref())
                .query("code", self.selection.code.as_ref())
                .query("cursor", cursor.as_ref());
            let answer = self.reach.ask(ask).await?;
            let page: List<'_> = read(&answer)?;
            for row in &page.data {
                rows.push(read_row::<Row>(row)?);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(rows),
            }
        }
    }

    fn question(&self, total: usize) -> String {
        let mut what = match total {
            1 => "1 dead letter".to_owned(),
            total => format!("{total} dead letters"),
        };
        if let Some(workflow) = &self.selection.workflow {
            what.push_str(&format!(" of workflow `{}`", plain(workflow)));
        }
        if let Some(code) = &self.selection.code {
            what.push_str(&format!(" that failed with `{}`", plain(code)));
        }
        format!("{} {what}?", self.verb.name())
    }

    /// Orders one after the other until the end, a failure, or Ctrl-C; what is under way then is
    /// waited for, so that the count is right.
    async fn order(&self, rows: Vec<Row>, wish: &Value) -> Done {
        let bar = progress(rows.len(), self.verb.name(), self.output);
        let stop = Cell::new(false);
        let wanted = rows.into_iter().take_while(|_| !stop.get());
        let orders = stream::iter(wanted).map(|row| self.one(row.id, wish));
        let orders = orders.buffer_unordered(AT_ONCE);
        let mut orders = std::pin::pin!(orders);
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut so_far = Done::default();
        loop {
            let ended = tokio::select! {
                ended = orders.next() => ended,
                _ = &mut interrupt, if !stop.get() => {
                    stop.set(true);
                    so_far.failed = Some(Failed::Interrupted);
                    continue;
                }
            };
            match ended {
                None => break,
                Some(Ok(())) => so_far.done += 1,
                Some(Err(Failed::Refused(Refused { status: 404 | 409, .. }))) => {
                    so_far.refused += 1;
                }
                Some(Err(failed)) => {
                    stop.set(true);
                    so_far.failed.get_or_insert(failed);
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        so_far
    }

    async fn one(&self, id: String, wish: &Value) -> Result<(), Failed> {
        let body = wish.to_string().into_bytes();
        self.reach.ask(Ask::post(&["dead-letters", &id, self.verb.name()], body)).await.map(|_| ())
    }

    fn report(&self, total: usize, version: Version, done: Done) -> Result<(), Failed> {
        let Done { done, refused, failed } = done;
        if self.output.json {
            self.output.print(&json!({ "done": done, "refused": refused }).to_string())?;
        } else {
            let how = match (self.verb, version) {
                (Verb::Discard, _) => "discarded",
                (_, Version::Same) => "redriven on the version each started with",
                (_, Version::Newest) => "redriven on the newest version",
            };
            self.output.print(&format!("{how}: {done} of {total}"))?;
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        if refused > 0 {
            let detail = format!("{refused} of {total} were no longer dead letters");
            let hint = "someone else was faster, or their workflow has other steps now or is gone";
            return Err(Failed::Conflict(Said { detail, hint: Some(hint.to_owned()) }));
        }
        if matches!(self.verb, Verb::Redrive(_)) && done > 0 && self.reach.without_server() {
            let start = "no server runs: they will be worked on once one starts";
            self.output.say(&output::hint(start));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::extract::{Path, RawQuery};
    use axum::http::StatusCode;
    use axum::routing::{get, post};

    use super::*;
    use crate::output::tests::still;
    use crate::project::Local;

    const TOTAL: usize = 30;

    /// An office with `TOTAL` letters in two pages; every seventh order meets `fault`.
    fn office(orders: &Arc<AtomicUsize>, fault: StatusCode) -> Reach {
        let row = |id| {
            let hash = "0".repeat(32);
            json!({ "id": format!("run_{id}"), "workflow": "a", "definition": hash })
        };
        let page = move |RawQuery(query): RawQuery| async move {
            let second = query.unwrap().contains("cursor=half");
            let ids = if second { TOTAL / 2..TOTAL } else { 0..TOTAL / 2 };
            let rows: Vec<Value> = ids.map(row).collect();
            let next = if second { Value::Null } else { json!("half") };
            axum::Json(json!({ "data": rows, "next": next }))
        };
        let orders = Arc::clone(orders);
        let redrive = move |Path(_): Path<String>| async move {
            let n = orders.fetch_add(1, Ordering::Relaxed);
            if n % 7 == 6 { fault } else { StatusCode::OK }
        };
        let router = axum::Router::new()
            .route("/api/v1/dead-letters", get(page))
            .route("/api/v1/dead-letters/{id}/redrive", post(redrive));
        Reach::Local(Local { router, token: "t".to_owned() })
    }

    fn bulk<'a>(reach: &'a Reach, output: &'a Output) -> Bulk<'a> {
        let selection = Selection { workflow: Some("a".to_owned()), code: None };
        let word = Box::leak(Box::new(Word { note: None, actor: "ann".to_owned() }));
        Bulk { verb: Verb::Redrive(None), word, selection, yes: true, reach, output }
    }

    #[tokio::test]
    async fn each_letter_is_ordered_once_and_those_that_are_gone_are_counted() {
        let orders = Arc::new(AtomicUsize::new(0));
        let (reach, output) = (office(&orders, StatusCode::CONFLICT), still());
        let bulk = bulk(&reach, &output);
        let ids = bulk.look_up().await.unwrap();
        assert_eq!(ids.len(), TOTAL);
        let done = bulk.order(ids, &json!({})).await;
        assert_eq!((done.done, done.refused), (26, 4));
        assert!(done.failed.is_none());
        assert_eq!(orders.load(Ordering::Relaxed), TOTAL);
        assert_eq!(bulk.report(TOTAL, Version::Same, done).unwrap_err().code(), 4);
    }

    #[tokio::test]
    async fn a_fault_stops_the_rest_and_is_told() {
        let orders = Arc::new(AtomicUsize::new(0));
        let (reach, output) = (office(&orders, StatusCode::SERVICE_UNAVAILABLE), still());
        let bulk = bulk(&reach, &output);
        let done = bulk.order(bulk.look_up().await.unwrap(), &json!({})).await;
        assert!(orders.load(Ordering::Relaxed) < TOTAL);
        assert!(done.done >= 6);
        assert_eq!(bulk.report(TOTAL, Version::Same, done).unwrap_err().code(), 1);
    }

    #[test]
    fn the_question_says_what_and_how_many() {
        let (reach, output) = (office(&Arc::default(), StatusCode::OK), still());
        let mut bulk = bulk(&reach, &output);
        assert_eq!(bulk.question(1), "redrive 1 dead letter of workflow `a`?");
        bulk.selection = Selection { workflow: None, code: Some("call/timeout".to_owned()) };
        assert_eq!(bulk.question(312), "redrive 312 dead letters that failed with `call/timeout`?");
    }
}
