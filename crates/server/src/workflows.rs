//! Workflows over the API: list, show, and the versions that are kept of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use postroom_core::definition::Mode;
use postroom_core::definition::{Defaults, Stored};
use postroom_core::{Problem, Workflow, problem};
use postroom_engine::Version;
use serde::Serialize;

use crate::App;
use crate::answer::Refusal;
use crate::extract::{Parameters, Path};
use crate::route::{Route, get};

pub(crate) fn routes() -> Vec<Route> {
    const NAME: &str = "The name of the workflow.";
    vec![
        get("/workflows", list).does("listWorkflows", "The workflows of the project.").answers(
            200,
            "WorkflowList",
            "All of them.",
        ),
        get("/workflows/{name}", show)
            .does("getWorkflow", "A workflow of the project, as new events start it.")
            .named(NAME)
            .answers(200, "WorkflowPage", "The workflow.")
            .stored(),
        get("/workflows/{name}/versions", versions)
            .does("listVersions", "Every version of a workflow that is kept, newest first.")
            .named(NAME)
            .query(&[("text", "Flag", "With the text of each, and what it was read under.")])
            .answers(200, "VersionList", "All of them.")
            .stored(),
    ]
}

#[derive(Serialize)]
struct WorkflowView {
    name: String,
    file: String,
    definition: String,
    mode: Mode,
    events: Vec<String>,
    steps: Vec<String>,
}

impl From<&Workflow> for WorkflowView {
    fn from(workflow: &Workflow) -> Self {
        let step = |step: &postroom_core::definition::Step| format!("{}: {}", step.id, step.task);
        Self {
            name: workflow.name.clone(),
            file: workflow.file.clone(),
            definition: workflow.hash.to_string(),
            mode: workflow.mode,
            events: workflow.triggers.iter().map(|trigger| trigger.event.clone()).collect(),
            steps: workflow.steps.iter().map(step).collect(),
        }
    }
}

/// A workflow with what else is known of it.
#[derive(Serialize)]
struct WorkflowPage {
    #[serde(flatten)]
    workflow: WorkflowView,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_ms: Option<i64>,
    /// How many versions of it are kept.
    versions: usize,
    /// Runs on any version of it that have not ended.
    open_runs: u64,
    counted_all: bool,
    text: String,
}

/// A version of a workflow.
#[derive(Serialize)]
struct VersionView {
    definition: String,
    active: bool,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_ms: Option<i64>,
    open_runs: u64,
    #[serde(flatten)]
    whole: Option<Whole>,
}

/// What a version is, so that others can read it as the engine does.
#[derive(Serialize)]
struct Whole {
    v: u32,
    text: String,
    defaults: Defaults,
}

#[derive(Serialize)]
struct VersionList {
    data: Vec<VersionView>,
    /// Whether `open_runs` are all there are.
    counted_all: bool,
}

impl VersionView {
    fn of(version: Version, text: bool) -> Self {
        let Stored { v, file, text: kept, defaults, first_seen_ms } = version.stored;
        Self {
            definition: version.hash.to_string(),
            active: version.active,
            file,
            first_seen_ms,
            open_runs: version.open,
            whole: text.then_some(Whole { v, text: kept, defaults }),
        }
    }
}

async fn list(State(app): State<Arc<App>>) -> Json<Vec<WorkflowView>> {
    let project = app.engine.project();
    Json(project.workflows.iter().map(|(_, workflow)| WorkflowView::from(&**workflow)).collect())
}

async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<WorkflowPage>, Refusal> {
    let project = app.engine.project();
    let found = project.workflows.iter().find(|(_, workflow)| workflow.name == name);
    let (stored, workflow) = found.ok_or_else(|| missing(&name))?;
    let kept = app.engine.versions(&name).await?;
    let active = kept.versions.iter().find(|version| version.active);
    Ok(Json(WorkflowPage {
        workflow: WorkflowView::from(&**workflow),
        first_seen_ms: active.and_then(|version| version.stored.first_seen_ms),
        versions: kept.versions.len(),
        open_runs: kept.versions.iter().map(|version| version.open).sum(),
        counted_all: !kept.more,
        text: stored.text.clone(),
    }))
}

async fn versions(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    mut parameters: Parameters,
) -> Result<Json<VersionList>, Refusal> {
    let text = parameters.parse("text")?.unwrap_or(false);
    parameters.finish()?;
    let kept = app.engine.versions(&name).await?;
    if kept.versions.is_empty() {
        return Err(missing(&name).into());
    }
    let data = kept.versions.into_iter().map(|version| VersionView::of(version, text)).collect();
    Ok(Json(VersionList { data, counted_all: !kept.more }))
}

fn missing(name: &str) -> Problem {
    let found = Problem::new(&problem::NOT_FOUND, format!("there is no workflow `{name}`"));
    found.hint("GET /api/v1/workflows lists those of the project")
}
