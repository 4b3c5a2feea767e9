//! Calls that read on, calls that are looked up, and connections that are told to wait.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod stage;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_adapters::{Catalog, HttpRequest, HttpResponse, Lost};
use postroom_core::definition::{Defaults, Stored};
use postroom_core::parse;
use postroom_core::run::{Reason, Run, RunState};
use postroom_engine::outbound::{Answered, NoAnswer, Purpose, Sent, Transport};
use postroom_engine::secrets::Fixed;
use postroom_engine::{Bell, Engine, Parts, Project, Settings};
use postroom_store::model::Model;
use postroom_store::{RunFilter, Store};
use stage::{Hands, arriving, soon};

const NOTES: &str = "
adapter: notes
title: Notes
docs: https://example.com
base_url: https://api.example.com
limit_headers: [{ remaining: left, reset: reset, as: ms }]
actions:
  - action: list
    version: 1
    summary: Reads notes.
    input: { type: object }
    output: {}
    request: { method: GET, path: /notes, query: { at: '${{ page.next }}' } }
    pages: { items: '${{ response.body.notes }}', next: '${{ response.body?.next }}' }
    result: { notes: '${{ items }}' }
  - action: make
    version: 1
    summary: Makes a note.
    input: { type: object }
    output: {}
    idempotency: none
    request: { method: POST, path: /notes, json: {} }
    result: { id: '${{ response.body.id }}' }
    lookup:
      after: 1ms
      request: { method: GET, path: /notes }
      found: response.body.notes.size() > 0
      result: { id: '${{ response.body.notes[0] }}' }
";

const WORKFLOWS: &str = "
workflow: read
on: [{event: READ}]
steps: [{ id: s, uses: notes/list }]
---
workflow: make
on: [{event: MAKE}]
steps: [{ id: s, uses: notes/make, retry: { attempts: 2, backoff: fixed, delay: 1ms } }]
";

/// Answers in the order of a script and writes down what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<HttpResponse, Lost>>>,
    asked: Mutex<Vec<String>>,
}

impl Transport for Script {
    fn send<'a>(&'a self, request: HttpRequest, _: u64, _: Purpose<'a>) -> Sent<'a> {
        let path = request.url.replace("https://api.example.com", "");
        self.asked.lock().push(format!("{} {path}", request.method));
        let answer = self.answers.lock().pop_front().expect("an answer is left");
        Box::pin(async move {
            let detail = String::new();
            answer.map(Answered::Response).map_err(|lost| NoAnswer { lost, detail, for_good: None })
        })
    }
}

fn ok(body: &str) -> Result<HttpResponse, Lost> {
    with(body, &[])
}

fn with(body: &str, headers: &[(&str, &str)]) -> Result<HttpResponse, Lost> {
    let own = ("content-type", "application/json");
    let headers = headers.iter().chain([&own]);
    let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Ok(HttpResponse { status: 200, headers: headers.collect(), body: body.as_bytes().to_vec() })
}

/// Plays one event against a script: the run, its output, and what was asked.
async fn play(
    event: &str,
    answers: impl IntoIterator<Item = Result<HttpResponse, Lost>>,
) -> (Run, String, Vec<String>) {
    let script = Arc::new(Script::default());
    script.answers.lock().extend(answers);
    let (engine, store) = engine(&script).await;
    engine.start();
    engine.ingest(arriving(event, "{}")).await.unwrap();
    let run = ended(&store).await;
    let (_, _, journal) = store.run(run.id).await.unwrap().unwrap();
    let output = journal.iter().filter_map(|entry| entry.output.as_ref()).next_back();
    let output = output.map_or_else(String::new, |output| output.text().to_owned());
    let asked = script.asked.lock().clone();
    (run, output, asked)
}

async fn engine(script: &Arc<Script>) -> (Engine, Arc<Model>) {
    let read = |text: &str| {
        let file = "workflows/w.yaml".to_owned();
        let stored = Stored::new(file, text.to_owned(), Defaults::default());
        let workflow = parse::workflow(&stored).unwrap();
        (stored, workflow)
    };
    let mut catalog = Catalog::default();
    catalog.add("notes.yaml", NOTES).unwrap();
    let workflows = WORKFLOWS.split("---\n").map(read).collect();
    let project = Project::new(workflows, Arc::new(catalog), BTreeMap::new()).unwrap();
    let bell = Arc::new(Bell::default());
    let store = Arc::new(Model::new(Arc::clone(&bell) as _));
    let parts = Parts {
        store: Arc::clone(&store) as _,
        bell,
        clock: Arc::new(Hands::Turning),
        secrets: Arc::new(Fixed::default()),
        transport: Arc::clone(script) as _,
        tokens: None,
        settings: Settings::default(),
    };
    (Engine::new(parts, project).await.unwrap(), store)
}

/// The only run, once it has ended.
async fn ended(store: &Model) -> Run {
    let look = async {
        loop {
            let filter = RunFilter { limit: 1, ..RunFilter::default() };
            let run = store.runs(filter).await.unwrap().rows.remove(0).0;
            if run.state.ended() {
                return run;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("the run ends", look).await
}

#[tokio::test]
async fn a_step_reads_all_pages() {
    let pages = [ok(r#"{"notes":[1,2],"next":"b"}"#), ok(r#"{"notes":[3]}"#)];
    let (run, output, asked) = play("READ", pages).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(output, r#"{"notes":[1,2,3]}"#);
    assert_eq!(asked, ["GET /notes", "GET /notes?at=b"]);
}

#[tokio::test]
async fn a_lost_call_that_took_effect_is_done() {
    for lost in [Lost::NoAnswer, Lost::TimedOut] {
        let (run, output, asked) = play("MAKE", [Err(lost), ok(r#"{"notes":["n1"]}"#)]).await;
        assert_eq!(run.state, RunState::Succeeded);
        assert_eq!(output, r#"{"id":"n1"}"#);
        assert_eq!(asked, ["POST /notes", "GET /notes"]);
    }
}

#[tokio::test]
async fn a_lost_call_that_took_no_effect_is_made_again() {
    let answers = [Err(Lost::NoAnswer), ok(r#"{"notes":[]}"#), ok(r#"{"id":"n2"}"#)];
    let (run, output, asked) = play("MAKE", answers).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(output, r#"{"id":"n2"}"#);
    assert_eq!(asked, ["POST /notes", "GET /notes", "POST /notes"]);
}

#[tokio::test]
async fn a_lost_call_that_cannot_be_looked_up_waits_for_a_person() {
    let down = ok("{}").map(|answer| HttpResponse { status: 503, ..answer });
    for answer in [Err(Lost::NotSent), down] {
        let (run, _, asked) = play("MAKE", [Err(Lost::TimedOut), answer]).await;
        assert_eq!(run.state, RunState::Dead);
        assert_eq!(run.failure.unwrap().reason, Reason::Unknown);
        assert_eq!(asked, ["POST /notes", "GET /notes"]);
    }
}

#[tokio::test]
async fn a_spent_limit_holds_the_next_page_back() {
    let left = [("left", "0"), ("reset", "300")];
    let pages = [with(r#"{"notes":[1],"next":"b"}"#, &left), ok(r#"{"notes":[2]}"#)];
    let began = std::time::Instant::now();
    let (run, output, _) = play("READ", pages).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(output, r#"{"notes":[1,2]}"#);
    assert!(began.elapsed().as_millis() >= 300, "it went on after {:?}", began.elapsed());
}
