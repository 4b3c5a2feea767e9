//! Questions of runs to people over the API: list, approve, reject.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use postroom_core::{Problem, Run, RunId, problem};
use postroom_engine::{Answer, Asked, Unasked};

use crate::App;
use crate::answer::Refusal;
use crate::extract::{AnswerWish, Body, Parameters, Path, actor};
use crate::route::{Route, get, post};
use crate::views::List;

pub(crate) fn routes() -> Vec<Route> {
    let list = get("/approvals", list)
        .does("listApprovals", "Questions that wait for a person, newest first.")
        .query(&[
            ("cursor", "RunId", "The `next` of the page before."),
            ("limit", "Limit", "Rows at the most."),
        ])
        .answers(200, "ApprovalList", "One page.")
        .stored();
    let answers = [
        post("/runs/{id}/approve", approve)
            .does("approveRun", "Answers yes to what a run asks; it goes on."),
        post("/runs/{id}/reject", reject)
            .does("rejectRun", "Answers no; the run ends as cancelled, or goes on knowing it."),
    ]
    .map(|route| route.of("RunId").order("AnswerWish").answers(200, "Run", "The run as it is now."))
    .map(|route| route.refuses(&[&problem::NOTHING_WAITS]).stored());
    std::iter::once(list).chain(answers).collect()
}

async fn list(
    State(app): State<Arc<App>>,
    mut parameters: Parameters,
) -> Result<Json<List<Asked>>, Refusal> {
    let (before, limit) = (parameters.parse("cursor")?, parameters.limit()?);
    parameters.finish()?;
    let (data, next) = app.engine.asked(before, limit).await?;
    Ok(Json(List { data, next: next.map(|id| id.to_string()) }))
}

async fn approve(
    State(app): State<Arc<App>>,
    Path(id): Path<RunId>,
    Body(wish): Body<AnswerWish>,
) -> Result<Json<Run>, Refusal> {
    answer(&app, id, true, &wish).await
}

async fn reject(
    State(app): State<Arc<App>>,
    Path(id): Path<RunId>,
    Body(wish): Body<AnswerWish>,
) -> Result<Json<Run>, Refusal> {
    answer(&app, id, false, &wish).await
}

async fn answer(
    app: &App,
    id: RunId,
    approved: bool,
    wish: &AnswerWish,
) -> Result<Json<Run>, Refusal> {
    let answer = Answer {
        approved,
        step: wish.step.as_deref(),
        actor: actor(wish.actor.as_deref()),
        note: wish.note.as_deref(),
    };
    match app.engine.answer(id, answer).await? {
        Ok(run) => Ok(Json(run)),
        Err(Unasked::Missing) => {
            Err(Problem::new(&problem::NOT_FOUND, format!("there is no run {id}")).into())
        }
        Err(Unasked::Nothing(run)) => {
            let step = wish.step.as_ref().map(|step| format!(" at step `{step}`"));
            let step = step.unwrap_or_default();
            let detail = format!("{id} is {} and asks nobody{step}", run.state.name());
            let hint = format!("see `postroom runs show {id}`");
            Err(Problem::new(&problem::NOTHING_WAITS, detail).hint(hint).into())
        }
    }
}
