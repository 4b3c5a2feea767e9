//! Access tokens: renewed by one of all who need them, on disk before they are used, and waited for
//! where a person has to allow access anew.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod stage;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_adapters::{Catalog, HttpRequest, HttpResponse};
use postroom_core::definition::{Defaults, Stored};
use postroom_core::run::{Run, RunState, StepState};
use postroom_core::{Entry, parse};
use postroom_engine::Clock as _;
use postroom_engine::oauth::{Folder, Login, Standing, logout};
use postroom_engine::outbound::{Answered, Purpose, Sent, Transport};
use postroom_engine::secrets::Fixed;
use postroom_engine::{Bell, Connection, Engine, Parts, Project, Settings};
use postroom_store::model::Model;
use postroom_store::{RunFilter, Store};
use stage::{Hands, arriving, soon};
use tokio::sync::watch;

const ACME: &str = r#"
adapter: acme
title: Acme
docs: https://docs.acme.test
base_url: https://api.acme.test
credentials:
  client_id: { env: ACME_ID, summary: Id. }
  client_secret: { env: ACME_SECRET, summary: Secret. }
oauth:
  authorize: https://acme.test/allow
  token: https://acme.test/token
  scopes: [write]
auth:
  - { header: Authorization, template: "Bearer {}", credential: access_token }
failure: { message: "${{ response.body.message }}" }
actions:
  - action: make
    version: 1
    summary: Makes a thing.
    input: { type: object }
    output: { type: object }
    idempotency: none
    request: { method: POST, path: /things, json: {} }
"#;

const WORKFLOWS: &str = "
workflow: make
on: [{event: MAKE}]
steps:
  - { id: make, uses: acme/make }
---
workflow: echo
on: [{event: ECHO}]
steps:
  - { id: say, uses: local/echo, with: { n: 1 } }
";

/// A provider whose refresh tokens are good once.
#[derive(Default)]
struct Provider {
    books: Mutex<Books>,
    asked: watch::Sender<usize>,
    called: watch::Sender<usize>,
    /// How many requests for tokens may be answered.
    answers: watch::Sender<usize>,
    /// How many calls may be answered.
    lets: watch::Sender<usize>,
}

#[derive(Default)]
struct Books {
    access: String,
    refresh: String,
    count: usize,
    /// Answers to the next requests for tokens, in place of its own.
    says: VecDeque<(u16, String)>,
    /// The folder in which whatever is used must lie already.
    folder: Option<std::path::PathBuf>,
    /// The answer to calls.
    answer: Option<(u16, String)>,
}

impl Provider {
    fn new() -> Arc<Self> {
        let provider = Self::default();
        provider.answers.send_replace(usize::MAX);
        provider.lets.send_replace(usize::MAX);
        Arc::new(provider)
    }

    fn says(&self, status: u16, body: &str) {
        self.books.lock().says.push_back((status, body.to_owned()));
    }

    fn asks(&self) -> usize {
        *self.asked.borrow()
    }

    async fn asked(&self, count: usize) {
        let mut asked = self.asked.subscribe();
        soon("a request for a token", asked.wait_for(|n| *n >= count)).await.unwrap();
    }

    fn token(&self, body: &str) -> (u16, String) {
        let mut books = self.books.lock();
        if let Some(said) = books.says.pop_front() {
            return said;
        }
        let fields: BTreeMap<&str, &str> =
            body.split('&').filter_map(|field| field.split_once('=')).collect();
        let known = match fields["grant_type"] {
            "refresh_token" => fields["refresh_token"] == books.refresh,
            "authorization_code" => fields["code"] == "good" && fields["code_verifier"].len() == 43,
            other => other == "client_credentials",
        };
        if !known {
            let told = fields.get("refresh_token").copied().unwrap_or_default();
            let body = format!(
                r#"{{"error":"invalid_grant","error_description":"{told} has been revoked"}}"#
            );
            return (400, body);
        }
        books.count += 1;
        books.access = format!("access-{}", books.count);
        books.refresh = format!("refresh-{}", books.count);
        let (access, refresh) = (&books.access, &books.refresh);
        (
            200,
            format!(
                r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":3600}}"#
            ),
        )
    }

    fn call(&self, request: &HttpRequest) -> (u16, String) {
        let books = self.books.lock();
        let header = request.headers.iter().find(|(name, _)| name == "Authorization");
        let token = header.unwrap().1.strip_prefix("Bearer ").unwrap();
        if let Some(folder) = &books.folder {
            let kept = std::fs::read_to_string(folder.join("oauth/acme.json")).unwrap();
            assert!(kept.contains(token), "{token} is used and not kept");
        }
        match &books.answer {
            _ if token != books.access => (401, r#"{"message":"who are you?"}"#.to_owned()),
            Some((status, body)) => (*status, body.replace("{}", token)),
            None => (201, "{}".to_owned()),
        }
    }
}

fn answer((status, body): (u16, String)) -> Answered {
    Answered::Response(HttpResponse { status, headers: Vec::new(), body: body.into_bytes() })
}

impl Transport for Provider {
    fn send<'a>(&'a self, request: HttpRequest, _: u64, _: Purpose<'a>) -> Sent<'a> {
        Box::pin(async move {
            let mut number = 0;
            self.called.send_modify(|count| {
                *count += 1;
                number = *count;
            });
            self.lets.subscribe().wait_for(|lets| *lets >= number).await.unwrap();
            Ok(answer(self.call(&request)))
        })
    }

    fn ask<'a>(&'a self, request: HttpRequest, _: u64, _: &'a Connection) -> Sent<'a> {
        Box::pin(async move {
            let mut number = 0;
            self.asked.send_modify(|count| {
                *count += 1;
                number = *count;
            });
            self.answers.subscribe().wait_for(|answers| *answers >= number).await.unwrap();
            Ok(answer(self.token(std::str::from_utf8(&request.body).unwrap())))
        })
    }
}

fn secrets() -> Fixed {
    let secret = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Fixed(vec![secret("ACME_ID", "id"), secret("ACME_SECRET", "acme-secret")])
}

fn project(manifest: &str) -> Project {
    let read = |text: &str| {
        let stored = Stored::new("w.yaml".to_owned(), text.to_owned(), Defaults::default());
        let workflow = parse::workflow(&stored).unwrap();
        (stored, workflow)
    };
    let mut catalog = Catalog::builtin();
    catalog.add("acme.yaml", manifest).unwrap();
    let workflows = WORKFLOWS.split("---\n").map(read).collect();
    Project::new(workflows, Arc::new(catalog), BTreeMap::new()).unwrap()
}

/// An engine that shares its provider, its clock and its folder with others.
struct Desk {
    engine: Engine,
    model: Arc<Model>,
}

impl Desk {
    async fn with(data: &Path, provider: &Arc<Provider>, clock: &Arc<Hands>) -> Self {
        Self::of(ACME, data, provider, clock).await
    }

    async fn of(manifest: &str, data: &Path, provider: &Arc<Provider>, clock: &Arc<Hands>) -> Self {
        let bell = Arc::new(Bell::default());
        let model = Arc::new(Model::new(Arc::clone(&bell) as _));
        Self::over(manifest, data, provider, clock, (model, bell)).await
    }

    async fn over(
        manifest: &str,
        data: &Path,
        provider: &Arc<Provider>,
        clock: &Arc<Hands>,
        (model, bell): (Arc<Model>, Arc<Bell>),
    ) -> Self {
        let parts = Parts {
            store: Arc::clone(&model) as _,
            bell,
            clock: Arc::clone(clock) as _,
            secrets: Arc::new(secrets()),
            transport: Arc::clone(provider) as _,
            tokens: Some(Folder::below(data)),
            settings: Settings { concurrency: 2, ..Settings::default() },
        };
        let engine = Engine::new(parts, project(manifest)).await.unwrap();
        engine.start();
        Self { engine, model }
    }

    async fn send(&self, event: &str) {
        self.engine.ingest(arriving(event, "{}")).await.unwrap();
    }

    async fn runs(&self, workflow: &str) -> Vec<Run> {
        let workflow = Some(workflow.to_owned());
        let filter = RunFilter { workflow, limit: 99, ..RunFilter::default() };
        self.model.runs(filter).await.unwrap().rows.into_iter().map(|(run, _)| run).collect()
    }

    async fn until(&self, workflow: &str, what: &str, fits: impl Fn(&Run) -> bool) -> Vec<Run> {
        let look = async {
            loop {
                let runs = self.runs(workflow).await;
                if !runs.is_empty() && runs.iter().all(&fits) {
                    return runs;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(what, look).await
    }

    async fn journal(&self, run: &Run) -> Vec<Entry> {
        self.model.run(run.id).await.unwrap().unwrap().2
    }

    fn connection(&self) -> Arc<Connection> {
        self.engine.project().connection(None, "acme").unwrap()
    }

    fn metrics(&self) -> String {
        self.engine.signals().render(postroom_engine::Stats::default())
    }
}

/// A person allows access, as `postroom connections login` has it done in a process of its own.
async fn login(data: &Path, provider: &Provider, clock: &Hands) {
    let (project, secrets) = (project(ACME), secrets());
    let connection = project.connection(None, "acme").unwrap();
    let redirect = "http://127.0.0.1:1/callback".to_owned();
    let login = Login::begin(&connection, &secrets, redirect).unwrap();
    let url = login.url();
    let state = url.split_once("&state=").unwrap().1.split('&').next().unwrap();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let code = login.code(&[field("state", state), field("code", "good")]).unwrap();
    let state = login.finish(&code, provider, &Folder::below(data), clock).await.unwrap();
    assert_eq!((state.state, state.renews), (Standing::Connected, true));
}

const HOUR_MS: i64 = 3_600_000;

fn succeeded(run: &Run) -> bool {
    run.state == RunState::Succeeded
}

fn waiting(run: &Run) -> bool {
    run.state == RunState::Sleeping && run.steps[0].state == StepState::Waiting
}

#[tokio::test]
async fn a_token_that_runs_out_is_renewed_once_for_all_who_need_it() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    provider.books.lock().folder = Some(data.path().to_owned());
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    desk.until("make", "a first run", succeeded).await;
    assert_eq!(provider.asks(), 1, "the login's token is good");
    clock.move_by(HOUR_MS - 59_000);
    for _ in 0..10 {
        desk.send("MAKE").await;
    }
    let runs = desk.until("make", "eleven runs", succeeded).await;
    assert_eq!((runs.len(), provider.asks()), (11, 2), "within the last minute it is renewed");
    let state = desk.engine.access_state(&desk.connection()).unwrap();
    assert_eq!(state.state, Standing::Connected);
    assert_eq!(state.expires_ms, Some(clock.now_ms() + HOUR_MS));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_only_one_asks() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(2 * HOUR_MS);
    provider.answers.send_replace(1);
    let one = Desk::with(data.path(), &provider, &clock).await;
    let two = Desk::with(data.path(), &provider, &clock).await;
    one.send("MAKE").await;
    provider.asked(2).await;
    two.send("MAKE").await;
    provider.answers.send_replace(usize::MAX);
    one.until("make", "the first run", succeeded).await;
    two.until("make", "the second run", succeeded).await;
    assert_eq!(provider.asks(), 2, "whoever came second uses what the first has stored");
}

#[tokio::test]
async fn a_token_that_was_given_out_outlives_its_process() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(2 * HOUR_MS);
    provider.lets.send_replace(0);
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    // The new token is on its way to its first use when the process ends.
    soon("a call", provider.called.subscribe().wait_for(|n| *n == 1)).await.unwrap();
    desk.engine.stop(Duration::ZERO).await;
    provider.lets.send_replace(usize::MAX);
    provider.books.lock().folder = Some(data.path().to_owned());
    let next = Desk::with(data.path(), &provider, &clock).await;
    next.send("MAKE").await;
    next.until("make", "a run of the next process", succeeded).await;
    assert_eq!(provider.asks(), 2, "the login, and the first process");
}

#[tokio::test]
async fn a_connection_that_is_broken_makes_its_runs_wait_until_a_person_mends_it() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(2 * HOUR_MS);
    provider.books.lock().refresh = "another".to_owned();
    let desk = Desk::with(data.path(), &provider, &clock).await;
    for _ in 0..5 {
        desk.send("MAKE").await;
    }
    let runs = desk.until("make", "runs that wait", waiting).await;
    for run in &runs {
        assert_eq!((run.steps[0].attempts, run.steps[0].generation), (0, 0), "{run:?}");
        assert_eq!(desk.journal(run).await.len(), 0, "a wait is not written into the journal");
    }
    // There is room for others.
    desk.send("ECHO").await;
    desk.until("echo", "another workflow", succeeded).await;
    assert_eq!(provider.asks(), 2, "nobody asks again");
    let state = desk.engine.access_state(&desk.connection()).unwrap();
    assert_eq!((state.state, state.code.as_deref()), (Standing::Broken, Some("invalid_grant")));
    assert_eq!(state.detail.as_deref(), Some("*** has been revoked"));
    assert_eq!(state.reconnect.as_deref(), Some("postroom connections login acme"));
    let metrics = desk.metrics();
    assert!(metrics.contains("postroom_connection_broken{connection=\"acme\"} 1"), "{metrics}");
    // It stays broken for the next process, which does not ask either.
    let next = Desk::with(data.path(), &provider, &clock).await;
    next.send("MAKE").await;
    next.until("make", "a run of the next process", waiting).await;
    assert_eq!(provider.asks(), 2);
    login(data.path(), &provider, &clock).await;
    clock.move_by(15_000);
    for desk in [&desk, &next] {
        desk.until("make", "runs that go on", succeeded).await;
        let metrics = desk.metrics();
        assert!(metrics.contains("postroom_connection_broken{connection=\"acme\"} 0"), "{metrics}");
    }
    for run in &desk.runs("make").await {
        assert_eq!(run.steps[0].attempts, 1, "no attempt was burnt");
    }
}

#[tokio::test]
async fn who_never_logged_in_or_logged_out_is_waited_for() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    desk.until("make", "a run that waits", waiting).await;
    let state = desk.engine.access_state(&desk.connection()).unwrap();
    assert_eq!((state.state, provider.asks()), (Standing::NotConnected, 0));
    login(data.path(), &provider, &clock).await;
    clock.move_by(15_000);
    desk.until("make", "a run that goes on", succeeded).await;
    assert!(logout(&Folder::below(data.path()), "acme").unwrap());
    desk.send("MAKE").await;
    desk.until("make", "one of each", |run| waiting(run) || succeeded(run)).await;
    let state = desk.engine.access_state(&desk.connection()).unwrap();
    assert_eq!(state.state, Standing::NotConnected);
}

#[tokio::test]
async fn a_provider_that_has_no_time_is_asked_again_later() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(2 * HOUR_MS);
    for status in [503, 429, 503] {
        provider.says(status, "{}");
    }
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    for asks in 2..=4 {
        provider.asked(asks).await;
        let runs = desk.until("make", "a run that waits", waiting).await;
        assert_eq!(runs[0].steps[0].attempts, 0);
        let metrics = desk.metrics();
        assert!(metrics.contains("postroom_connection_broken{connection=\"acme\"} 0"), "{metrics}");
        assert_eq!(provider.asks(), asks, "nobody asks before it is time");
        clock.move_by(runs[0].steps[0].due_ms.unwrap() - clock.now_ms());
    }
    let runs = desk.until("make", "a run", succeeded).await;
    assert_eq!((runs[0].steps[0].attempts, provider.asks()), (1, 5));
}

#[tokio::test]
async fn a_good_token_is_used_to_its_end_while_there_is_no_next() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(HOUR_MS - 30_000);
    provider.says(503, "{}");
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    desk.until("make", "a run", succeeded).await;
    assert_eq!(provider.asks(), 2);
}

#[tokio::test]
async fn a_call_whose_token_was_refused_is_made_again_with_the_next() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    provider.books.lock().access = "taken back".to_owned();
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    let runs = desk.until("make", "a run", succeeded).await;
    assert_eq!((runs[0].steps[0].attempts, provider.asks()), (1, 2));
    assert_eq!(*provider.called.borrow(), 2);
    // Once: a provider that refuses every token is no reason to ask for ever more of them.
    provider.books.lock().answer = Some((401, r#"{"message":"not you, {}"}"#.to_owned()));
    desk.send("MAKE").await;
    let ended = |run: &Run| run.state.ended() || run.state == RunState::Dead;
    let runs = desk.until("make", "a run that is refused", ended).await;
    assert_eq!((*provider.called.borrow(), provider.asks()), (4, 3));
    let dead = runs.iter().find(|run| run.state == RunState::Dead).unwrap();
    let failure = &dead.failure.as_ref().unwrap().failure;
    assert_eq!(failure.message, "not you, ***", "tokens are secrets");
    let journal = format!("{:?}", desk.journal(dead).await);
    assert!(!journal.contains("access-") && !journal.contains("refresh-"), "{journal}");
}

#[tokio::test]
async fn a_client_that_is_not_known_is_told_of_and_asks_again_by_itself() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(2 * HOUR_MS);
    provider.says(401, r#"{"error":"invalid_client","error_description":"acme-secret is wrong"}"#);
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    desk.until("make", "a run that waits", waiting).await;
    let state = desk.engine.access_state(&desk.connection()).unwrap();
    assert_eq!((state.state, state.code.as_deref()), (Standing::Broken, Some("invalid_client")));
    assert_eq!(state.detail.as_deref(), Some("*** is wrong"));
    clock.move_by(61_000);
    desk.until("make", "a run", succeeded).await;
}

#[tokio::test]
async fn a_client_that_acts_for_itself_needs_nobody_and_keeps_nothing() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    let manifest = ACME.replace("authorize: https://acme.test/allow", "grant: client_credentials");
    let desk = Desk::of(&manifest, data.path(), &provider, &clock).await;
    for _ in 0..3 {
        desk.send("MAKE").await;
    }
    desk.until("make", "runs", succeeded).await;
    assert_eq!(provider.asks(), 1);
    clock.move_by(HOUR_MS);
    desk.send("MAKE").await;
    desk.until("make", "a run with the next token", succeeded).await;
    assert_eq!(provider.asks(), 2);
    assert!(!data.path().join("oauth").exists());
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_used_and_not_asked_for_twice() {
    let (data, provider) = (tempfile::tempdir().unwrap(), Provider::new());
    let clock = Arc::new(Hands::still());
    login(data.path(), &provider, &clock).await;
    clock.move_by(2 * HOUR_MS);
    // A folder of the name of the new file: nothing can be written there.
    let blocked = data.path().join("oauth/acme.new");
    std::fs::create_dir(&blocked).unwrap();
    let desk = Desk::with(data.path(), &provider, &clock).await;
    desk.send("MAKE").await;
    let runs = desk.until("make", "a run that waits", waiting).await;
    assert_eq!((*provider.called.borrow(), provider.asks()), (0, 2));
    std::fs::remove_dir(&blocked).unwrap();
    clock.move_by(runs[0].steps[0].due_ms.unwrap() - clock.now_ms());
    desk.until("make", "a run", succeeded).await;
    assert_eq!(provider.asks(), 2);
}

#[test]
fn what_comes_back_from_another_login_is_refused() {
    let (project, secrets) = (project(ACME), secrets());
    let connection = project.connection(None, "acme").unwrap();
    let login = Login::begin(&connection, &secrets, "http://127.0.0.1:1/".to_owned()).unwrap();
    let state = login.url().split_once("&state=").unwrap().1.split('&').next().unwrap().to_owned();
    let fields = |text: &str| -> Vec<(String, String)> {
        let text = text.replace("STATE", &state);
        let pairs = text.split('&').filter_map(|field| field.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    for (text, told) in [
        ("code=good&state=other", "belongs to another login"),
        ("code=good", "belongs to another login"),
        ("state=STATE", "nothing came back"),
        ("state=STATE&error=access_denied", "access was not allowed: access_denied"),
    ] {
        let failure = login.code(&fields(text)).unwrap_err();
        assert!(failure.message.contains(told), "{failure:?}");
    }
    assert_eq!(login.code(&fields("state=STATE&code=c")).unwrap(), "c");
}
