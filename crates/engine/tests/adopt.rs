//! A changed project is taken over without a stop: what came in before keeps its definition, what
//! comes in after meets the new one.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_adapters::Catalog;
use postroom_core::definition::{Defaults, Stored};
use postroom_core::{DefinitionHash, Json, parse};
use postroom_engine::clock::SystemClock;
use postroom_engine::outbound::Http;
use postroom_engine::secrets::Fixed;
use postroom_engine::{Arriving, Bell, Engine, Parts, Project, Settings};
use postroom_store::Store;
use postroom_store::model::Model;

/// A project with one workflow that takes events of this type, and the hash of its definition.
fn project(event: &str) -> (Project, DefinitionHash) {
    let text = format!(
        "{{workflow: w, on: [{{event: {event}}}], steps: [{{id: a, uses: local/echo, with: {{}}}}]}}"
    );
    let defaults = Defaults::default();
    let stored = Stored { v: 1, file: "w.yaml".into(), text, defaults, first_seen_ms: None };
    let workflow = parse::workflow(&stored).unwrap();
    let hash = workflow.hash;
    let catalog = Arc::new(Catalog::builtin());
    (Project::new(vec![(stored, workflow)], catalog, BTreeMap::new()).unwrap(), hash)
}

/// Takes an event in; gives back the definitions of the runs it started.
async fn started_by(engine: &Engine, kind: &str) -> Vec<DefinitionHash> {
    let arriving = Arriving {
        source: "ingest".into(),
        kind: kind.into(),
        data: Json::parse("{}".to_owned()).unwrap(),
        key: None,
        correlation: None,
        subject: None,
        time_ms: None,
    };
    let accepted = engine.ingest(arriving).await.unwrap();
    let details = engine.event(accepted.event).await.unwrap().unwrap();
    details.runs.iter().map(|run| run.definition).collect()
}

#[tokio::test]
async fn events_meet_the_new_project_and_runs_keep_their_definition() {
    let bell = Arc::new(Bell::default());
    let store = Arc::new(Model::new(Arc::clone(&bell) as _));
    let (first, old) = project("A");
    let parts = Parts {
        store: Arc::clone(&store) as _,
        bell,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(Fixed::default()),
        transport: Arc::new(Http::default()),
        tokens: None,
        settings: Settings::default(),
    };
    let engine = Engine::new(parts, first).await.unwrap();
    assert_eq!(started_by(&engine, "A").await, [old]);
    let (second, new) = project("B");
    engine.adopt(second).await.unwrap();
    assert_eq!(started_by(&engine, "A").await, []);
    assert_eq!(started_by(&engine, "B").await, [new]);
    let kept = store.definitions(Some(vec![old, new])).await.unwrap();
    assert_eq!(kept.len(), 2, "the old one stays for the run that waits");
}
