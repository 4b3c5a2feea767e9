//! An order about many dead letters. They are looked up first, so that what is confirmed is what
//! is done: each one is ordered exactly once, also if it dies again meanwhile. Several orders are
//! under way at once, because the store writes what arrives together in one transaction.

use std::cell::Cell;

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{List, progress, read, read_row};
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

/// An order about many.
pub(super) struct Bulk<'a> {
    /// `redrive` or `discard`.
    pub verb: &'static str,
    /// What goes with the order.
    pub wish: Value,
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
        let ids = tokio::select! {
            ids = self.look_up() => ids?,
            _ = tokio::signal::ctrl_c() => return Err(Failed::Interrupted),
        };
        if !ids.is_empty() && !self.yes && !self.confirmed(ids.len()).await? {
            return Err(Failed::Declined);
        }
        let total = ids.len();
        let done = self.order(ids).await;
        self.report(total, done)
    }

    async fn look_up(&self) -> Result<Vec<String>, Failed> {
        let mut ids = Vec::new();
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
                ids.push(read_row::<Row>(row)?.id);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(ids),
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
        format!("{} {what}? [y/N]", self.verb)
    }

    async fn confirmed(&self, total: usize) -> Result<bool, Failed> {
        self.output.say(&self.question(total));
        let read = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = tokio::select! {
            line = read => line.map_err(|error| Failed::Other(error.into()))??,
            _ = tokio::signal::ctrl_c() => return Err(Failed::Interrupted),
        };
        Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Orders one after the other until the end, a failure, or Ctrl-C; what is under way then is
    /// waited for, so that the count is right.
    async fn order(&self, ids: Vec<String>) -> Done {
        let bar = progress(ids.len(), self.verb, self.output);
        let stop = Cell::new(false);
        let wanted = ids.into_iter().take_while(|_| !stop.get());
        let orders = stream::iter(wanted).map(|id| self.one(id)).buffer_unordered(AT_ONCE);
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

    async fn one(&self, id: String) -> Result<(), Failed> {
        let body = self.wish.to_string().into_bytes();
        self.reach.ask(Ask::post(&["dead-letters", &id, self.verb], body)).await.map(|_| ())
    }

    fn report(&self, total: usize, done: Done) -> Result<(), Failed> {
        let Done { done, refused, failed } = done;
        if self.output.json {
            self.output.print(&json!({ "done": done, "refused": refused }).to_string())?;
        } else {
            let verb = match self.verb {
                "redrive" => "redriven",
                _ => "discarded",
            };
            self.output.print(&format!("{verb}: {done} of {total}"))?;
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        if refused > 0 {
            let detail = format!("{refused} of {total} were no longer dead letters");
            let hint = "someone else was faster, or their workflow is gone from the project";
            return Err(Failed::Conflict(Said { detail, hint: Some(hint.to_owned()) }));
        }
        if self.verb == "redrive" && done > 0 && self.reach.without_server() {
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
        let page = |RawQuery(query): RawQuery| async move {
            let second = query.unwrap().contains("cursor=half");
            let ids = if second { TOTAL / 2..TOTAL } else { 0..TOTAL / 2 };
            let rows: Vec<Value> = ids.map(|id| json!({ "id": format!("run_{id}") })).collect();
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
        Bulk { verb: "redrive", wish: json!({}), selection, yes: true, reach, output }
    }

    #[tokio::test]
    async fn each_letter_is_ordered_once_and_those_that_are_gone_are_counted() {
        let orders = Arc::new(AtomicUsize::new(0));
        let (reach, output) = (office(&orders, StatusCode::CONFLICT), still());
        let bulk = bulk(&reach, &output);
        let ids = bulk.look_up().await.unwrap();
        assert_eq!(ids.len(), TOTAL);
        let done = bulk.order(ids).await;
        assert_eq!((done.done, done.refused), (26, 4));
        assert!(done.failed.is_none());
        assert_eq!(orders.load(Ordering::Relaxed), TOTAL);
        assert_eq!(bulk.report(TOTAL, done).unwrap_err().code(), 4);
    }

    #[tokio::test]
    async fn a_fault_stops_the_rest_and_is_told() {
        let orders = Arc::new(AtomicUsize::new(0));
        let (reach, output) = (office(&orders, StatusCode::SERVICE_UNAVAILABLE), still());
        let bulk = bulk(&reach, &output);
        let done = bulk.order(bulk.look_up().await.unwrap()).await;
        assert!(orders.load(Ordering::Relaxed) < TOTAL);
        assert!(done.done >= 6);
        assert_eq!(bulk.report(TOTAL, done).unwrap_err().code(), 1);
    }

    #[test]
    fn the_question_says_what_and_how_many() {
        let (reach, output) = (office(&Arc::default(), StatusCode::OK), still());
        let mut bulk = bulk(&reach, &output);
        assert_eq!(bulk.question(1), "redrive 1 dead letter of workflow `a`? [y/N]");
        bulk.selection = Selection { workflow: None, code: Some("call/timeout".to_owned()) };
        assert_eq!(
            bulk.question(312),
            "redrive 312 dead letters that failed with `call/timeout`? [y/N]"
        );
    }
}
