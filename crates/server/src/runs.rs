//! Runs and dead letters over the API: list, show, cancel, redrive, discard; one or by filter.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use postroom_core::run::{Reason, RunState};
use postroom_core::{Problem, Run, RunId, problem};
use postroom_engine::{Bulk, BulkProgress, Command, Ordered, RunFilter, Selection};
use serde_json::{Value, json};

use crate::App;
use crate::answer::Refusal;
use crate::extract::{Body, BulkWish, Parameters, Path, Version, Wish, actor};
use crate::route::{Query, Route, get, post};
use crate::views::{List, RunPage, RunView};

/// Runs that one bulk order touches at the most; callers go on at `next` until there is none.
const BULK: usize = 1_000;

const STATE: Query = ("state", "RunState", "Only in this state.");
const WORKFLOW: Query = ("workflow", "Name", "Only of this workflow.");
const EVENT: Query = ("event", "EventId", "Only of this event.");
const CODE: Query = ("code", "Name", "Only those whose last failure has this code.");
const CURSOR: Query = ("cursor", "RunId", "The `next` of the page before.");
const LIMIT: Query = ("limit", "Limit", "Rows at the most.");

pub(crate) fn routes() -> Vec<Route> {
    let list = get("/runs", list)
        .does("listRuns", "Runs, newest first.")
        .query(&[STATE, WORKFLOW, EVENT, CODE, CURSOR, LIMIT])
        .answers(200, "RunList", "One page.")
        .stored();
    let dead = get("/dead-letters", dead)
        .does("listDeadLetters", "Runs that wait for a person, newest first.")
        .query(&[WORKFLOW, EVENT, CODE, CURSOR, LIMIT])
        .answers(200, "RunList", "One page.")
        .stored();
    let count = get("/dead-letters/count", count)
        .does("countDeadLetters", "How many runs wait for a person.")
        .query(&[WORKFLOW, CODE])
        .answers(200, "Count", "As it is now.")
        .stored();
    let show_run = get("/runs/{id}", show).does("getRun", "A run with its journal.");
    let show_dead = get("/dead-letters/{id}", show).does("getDeadLetter", "The same as for a run.");
    let shows = [show_run, show_dead]
        .map(|route| route.of("RunId").answers(200, "RunPage", "The run.").stored());
    let orders = [
        post("/runs/{id}/cancel", cancel).does("cancelRun", "Ends a run."),
        post("/runs/{id}/redrive", redrive)
            .does("redriveRun", "Sends a run out again from the step that failed."),
        post("/dead-letters/{id}/redrive", redrive)
            .does("redriveDeadLetter", "The same as for a run."),
        post("/dead-letters/{id}/discard", discard)
            .does("discardDeadLetter", "Ends a dead letter for good."),
    ]
    .map(|route| route.of("RunId").order("Wish").answers(200, "Run", "The run as it is now."))
    .map(|route| route.refuses(&[&problem::CONFLICT]).stored());
    let bulk = [
        post("/dead-letters/redrive", redrive_all)
            .does("redriveDeadLetters", "Sends the dead letters of a selection out again."),
        post("/dead-letters/discard", discard_all)
            .does("discardDeadLetters", "Ends the dead letters of a selection for good."),
    ]
    .map(|route| route.order("BulkWish").answers(200, "BulkProgress", "What was done."))
    .map(Route::stored);
    [list, dead, count].into_iter().chain(shows).chain(orders).chain(bulk).collect()
}

type Rows = Result<Json<List<RunView>>, Refusal>;

async fn list(State(app): State<Arc<App>>, mut parameters: Parameters) -> Rows {
    let state = parameters.take("state").map(|text| state(&text)).transpose()?;
    page(&app, parameters, state).await
}

async fn dead(State(app): State<Arc<App>>, parameters: Parameters) -> Rows {
    page(&app, parameters, Some(RunState::Dead)).await
}

fn state(text: &str) -> Result<RunState, Problem> {
    RunState::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
        let names: Vec<&str> = RunState::ALL.iter().map(|state| state.name()).collect();
        let detail = format!("`state` is `{text}`, but must be one of {}", names.join(", "));
        Problem::new(&problem::BAD_QUERY, detail)
    })
}

async fn page(app: &App, mut parameters: Parameters, state: Option<RunState>) -> Rows {
    let filter = RunFilter {
        state,
        workflow: parameters.take("workflow"),
        event: parameters.parse("event")?,
        code: parameters.take("code"),
        before: parameters.parse("cursor")?,
        limit: parameters.limit()?,
    };
    parameters.finish()?;
    let page = app.engine.runs(filter).await?;
    let next = page.rows.last().filter(|_| page.more).map(|(run, _)| run.id.to_string());
    let view = |(run, correlation)| RunView { run, correlation };
    Ok(Json(List { data: page.rows.into_iter().map(view).collect(), next }))
}

fn missing(id: RunId) -> Problem {
    Problem::new(&problem::NOT_FOUND, format!("there is no run {id}"))
}

async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<RunId>,
) -> Result<Json<RunPage>, Refusal> {
    let details = app.engine.run(id).await?.ok_or_else(|| missing(id))?;
    let lineage = app.engine.lineage(&details).await?;
    Ok(Json((details, lineage).into()))
}

async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<RunId>,
    Body(wish): Body<Wish>,
) -> Result<Json<Run>, Refusal> {
    order(&app, id, Command::Cancel, &wish, None).await
}

async fn discard(
    State(app): State<Arc<App>>,
    Path(id): Path<RunId>,
    Body(wish): Body<Wish>,
) -> Result<Json<Run>, Refusal> {
    order(&app, id, Command::Cancel, &wish, Some(RunState::Dead)).await
}

async fn redrive(
    State(app): State<Arc<App>>,
    Path(id): Path<RunId>,
    Body(wish): Body<Wish>,
) -> Result<Json<Run>, Refusal> {
    let mut definition = None;
    if wish.version == Some(Version::Newest) {
        let details = app.engine.run(id).await?.ok_or_else(|| missing(id))?;
        let newest = app.engine.newest(&details.run).await?;
        definition = Some(newest.map_err(|why| Problem::new(&problem::CONFLICT, why))?);
    }
    order(&app, id, Command::Redrive { definition }, &wish, None).await
}

/// Carries an order out, if the run is in the state it is meant for.
async fn order(
    app: &App,
    run: RunId,
    command: Command,
    wish: &Wish,
    only: Option<RunState>,
) -> Result<Json<Run>, Refusal> {
    if let Some(only) = only {
        let details = app.engine.run(run).await?.ok_or_else(|| missing(run))?;
        if details.run.state != only {
            return Err(conflict(&details.run).into());
        }
    }
    match app.engine.order(run, command, actor(wish.actor.as_deref()), wish.note.as_deref()).await?
    {
        Ordered::Done(run) => Ok(Json(*run)),
        Ordered::Refused(run) => Err(conflict(&run).into()),
        Ordered::Missing => Err(missing(run).into()),
    }
}

fn conflict(run: &Run) -> Problem {
    let problem = Problem::new(&problem::CONFLICT, format!("{} is {}", run.id, run.state.name()));
    match &run.failure {
        // Whether it should have run at all is not known; only its event can be sorted again.
        Some(failure) if failure.reason == Reason::Unroutable => {
            problem.hint(format!("mend the workflow, then `postroom events replay {}`", run.event))
        }
        _ => problem,
    }
}

async fn count(
    State(app): State<Arc<App>>,
    mut parameters: Parameters,
) -> Result<Json<Value>, Refusal> {
    let (workflow, code) = (parameters.take("workflow"), parameters.take("code"));
    parameters.finish()?;
    let selection = Selection { state: Some(RunState::Dead), workflow, code };
    Ok(Json(json!({ "count": app.engine.count(&selection, 1_000_000).await? })))
}

async fn redrive_all(
    State(app): State<Arc<App>>,
    Body(wish): Body<BulkWish>,
) -> Result<Json<BulkProgress>, Refusal> {
    order_all(&app, Command::Redrive { definition: None }, &wish).await
}

async fn discard_all(
    State(app): State<Arc<App>>,
    Body(wish): Body<BulkWish>,
) -> Result<Json<BulkProgress>, Refusal> {
    order_all(&app, Command::Cancel, &wish).await
}

async fn order_all(
    app: &App,
    command: Command,
    wish: &BulkWish,
) -> Result<Json<BulkProgress>, Refusal> {
    let limit = wish.limit.unwrap_or(BULK);
    if !(1..=BULK).contains(&limit) {
        let detail = format!("`limit` is {limit}, but must lie between 1 and {BULK}");
        return Err(Problem::new(&problem::BAD_BODY, detail).into());
    }
    let (workflow, code) = (wish.workflow.clone(), wish.code.clone());
    let selection = Selection { state: Some(RunState::Dead), workflow, code };
    let bulk = Bulk {
        selection: &selection,
        command,
        newest: wish.version == Some(Version::Newest),
        actor: actor(wish.actor.as_deref()),
        note: wish.note.as_deref(),
        before: wish.cursor,
        limit,
    };
    Ok(Json(app.engine.order_all(bulk).await?))
}
