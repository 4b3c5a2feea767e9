//! Every metric in one place: names, help and labels. Label values are names from configuration
//! and closed lists, never data from events, so that their number is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use postroom_core::run::RunState;
use postroom_core::{Outcome, Run, Workflow};
use postroom_store::Stats;
use postroom_store::stats::Histogram as StoredHistogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Labels of events taken in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// The source.
    pub source: String,
    /// `queued`, `duplicate`, `unrouted` or `refused`.
    pub result: &'static str,
}

/// Labels of requests that a source refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// The source.
    pub source: String,
    /// The code of the problem, from its table.
    pub code: &'static str,
}

/// Labels of attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptLabels {
    /// The adapter.
    pub adapter: String,
    /// The action.
    pub action: String,
    /// `done`, `retry`, `refused`, `unknown`, `wait` or `skipped`.
    pub outcome: &'static str,
}

/// Labels of failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    /// The adapter.
    pub adapter: String,
    /// The failure's code; codes beyond the first hundred of an adapter count as `other`.
    pub code: String,
}

/// Labels of runs that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RunLabels {
    /// The workflow.
    pub workflow: String,
    /// `succeeded`, `dead` or `cancelled`.
    pub state: &'static str,
}

/// Labels of dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeadLabels {
    /// The workflow.
    pub workflow: String,
    /// Why, from the closed list of reasons.
    pub reason: &'static str,
}

/// Labels of connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    /// The connection.
    pub connection: String,
}

/// Labels of steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StepLabels {
    /// The adapter.
    pub adapter: String,
    /// The action.
    pub action: String,
}

type Histograms = Family<StepLabels, Histogram, fn() -> Histogram>;

/// The engine's metrics.
pub struct Signals {
    registry: Registry,
    stats: Arc<Mutex<Stats>>,
    /// Events taken in.
    pub events: Family<EventLabels, Counter>,
    /// Requests that sources refused before they became events.
    pub source_refusals: Family<RefusalLabels, Counter>,
    /// Time from the last byte of a request to its durable acknowledgement.
    pub ingest_seconds: Histogram,
    /// Attempts of steps.
    pub attempts: Family<AttemptLabels, Counter>,
    /// Failures of steps by the provider's or our code.
    pub failures: Family<FailureLabels, Counter>,
    /// How long attempts take.
    pub step_seconds: Histograms,
    /// Runs that ended.
    pub runs_finished: Family<RunLabels, Counter>,
    /// Calls and events that `mode: dry` kept back.
    pub planned: Family<StepLabels, Counter>,
    /// Runs that died.
    pub dead_letters: Family<DeadLabels, Counter>,
    /// Whether a person has to do something about a connection.
    pub connections_broken: Family<ConnectionLabels, Gauge>,
    failure_codes: Mutex<std::collections::HashSet<(String, String)>>,
    sources: RwLock<HashMap<String, Arc<SourceSignals>>>,
}

/// How events of a source were taken in.
pub(crate) struct SourceSignals {
    pub queued: Counter,
    pub duplicate: Counter,
    pub unrouted: Counter,
    pub refused: Counter,
}

/// Different failure codes told apart; a provider that puts ids into its codes must not fill
/// memory.
const FAILURE_CODES: usize = 500;

fn latency() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

impl Signals {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("postroom");
        let stats = Arc::new(Mutex::new(Stats::default()));
        let signals = Self {
            stats: Arc::clone(&stats),
            events: Family::default(),
            source_refusals: Family::default(),
            ingest_seconds: latency(),
            attempts: Family::default(),
            failures: Family::default(),
            step_seconds: Family::new_with_constructor(latency),
            runs_finished: Family::default(),
            planned: Family::default(),
            dead_letters: Family::default(),
            connections_broken: Family::default(),
            failure_codes: Mutex::default(),
            sources: RwLock::default(),
            registry: Registry::default(),
        };
        let r = &mut registry;
        r.register("events", "Events taken in, by source and result", signals.events.clone());
        r.register(
            "source_refusals",
            "Requests that sources refused, by code",
            signals.source_refusals.clone(),
        );
        r.register_with_unit(
            "ingest",
            "Time from a complete request to its durable acknowledgement",
            Unit::Seconds,
            signals.ingest_seconds.clone(),
        );
        r.register("attempts", "Attempts of steps, by outcome", signals.attempts.clone());
        r.register("failures", "Failed attempts, by failure code", signals.failures.clone());
        r.register_with_unit(
            "step",
            "Time an attempt took",
            Unit::Seconds,
            signals.step_seconds.clone(),
        );
        r.register("runs_finished", "Runs that ended, by state", signals.runs_finished.clone());
        r.register(
            "planned",
            "Calls and events that were planned and not sent, by `mode: dry`",
            signals.planned.clone(),
        );
        r.register("dead_letters", "Runs that died, by reason", signals.dead_letters.clone());
        r.register(
            "connection_broken",
            "1 while a person has to do something about a connection, such as logging in again",
            signals.connections_broken.clone(),
        );
        r.register_collector(Box::new(StoreCollector { stats }));
        Self { registry, ..signals }
    }

    /// The metrics of a source, looked up once.
    pub(crate) fn of_source(&self, name: &str) -> Arc<SourceSignals> {
        if let Some(known) = self.sources.read().get(name) {
            return Arc::clone(known);
        }
        let counter = |result| {
            self.events.get_or_create_owned(&EventLabels { source: name.to_owned(), result })
        };
        let signals = Arc::new(SourceSignals {
            queued: counter("queued"),
            duplicate: counter("duplicate"),
            unrouted: counter("unrouted"),
            refused: counter("refused"),
        });
        self.sources.write().insert(name.to_owned(), Arc::clone(&signals));
        signals
    }

    /// Counts a request that a source refused.
    pub(crate) fn source_refused(&self, source: &str, code: &'static str) {
        let labels = RefusalLabels { source: source.to_owned(), code };
        self.source_refusals.get_or_create(&labels).inc();
    }

    /// Counts a call or an event that was planned.
    pub(crate) fn planned(&self, adapter: &str, action: &str) {
        let labels = StepLabels { adapter: adapter.to_owned(), action: action.to_owned() };
        self.planned.get_or_create(&labels).inc();
    }

    /// Notes whether a person has to do something about a connection.
    pub(crate) fn connection_broken(&self, connection: &str, broken: bool) {
        let labels = ConnectionLabels { connection: connection.to_owned() };
        self.connections_broken.get_or_create(&labels).set(i64::from(broken));
    }

    /// Counts a run that has died.
    pub(crate) fn died(&self, run: &Run) {
        let reason = run.failure.as_ref().map_or("", |failure| failure.reason.name());
        let labels = DeadLabels { workflow: run.workflow.clone(), reason };
        self.dead_letters.get_or_create(&labels).inc();
    }

    /// Counts a failure, with the number of different codes bounded.
    pub(crate) fn failed(&self, adapter: &str, code: &str) {
        let mut known = self.failure_codes.lock();
        let pair = (adapter.to_owned(), code.to_owned());
        let fits = known.contains(&pair) || known.len() < FAILURE_CODES;
        if fits {
            known.insert(pair);
        }
        let code = if fits { code } else { "other" };
        let labels = FailureLabels { adapter: adapter.to_owned(), code: code.to_owned() };
        self.failures.get_or_create(&labels).inc();
    }

    /// All metrics in the OpenMetrics text format, with the store's as they are now.
    #[must_use]
    pub fn render(&self, stats: Stats) -> String {
        *self.stats.lock() = stats;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

/// The metrics of a workflow's runs, looked up once.
pub(crate) struct WorkflowSignals {
    finished: [Counter; RunState::ALL.len()],
    /// Those of its steps, in order.
    pub steps: Vec<StepSignals>,
}

/// The metrics of a step's attempts, looked up once.
pub(crate) struct StepSignals {
    pub seconds: Histogram,
    attempts: [Counter; OUTCOMES.len()],
}

/// The names of outcomes, in the order of [`outcome_index`].
const OUTCOMES: [&str; 9] =
    ["done", "skipped", "wait", "retry", "refused", "unknown", "parked", "items", "cancelled"];

fn outcome_index(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Done { .. } => 0,
        Outcome::Skipped => 1,
        Outcome::Wait { .. } => 2,
        Outcome::Retry { .. } => 3,
        Outcome::Refused { .. } => 4,
        Outcome::Unknown { .. } => 5,
        Outcome::Park { .. } => 6,
        Outcome::Items { .. } => 7,
        Outcome::Cancel(_) => 8,
    }
}

/// The word for an outcome in metrics and logs.
pub(crate) fn outcome_name(outcome: &Outcome) -> &'static str {
    OUTCOMES[outcome_index(outcome)]
}

impl WorkflowSignals {
    /// Runs that came to a state.
    pub fn finished(&self, state: RunState) -> &Counter {
        let index = RunState::ALL.iter().position(|known| *known == state);
        &self.finished[index.unwrap_or_default()]
    }
}

impl StepSignals {
    /// Attempts that ended so.
    pub fn attempts(&self, outcome: &Outcome) -> &Counter {
        &self.attempts[outcome_index(outcome)]
    }
}

impl Signals {
    /// The metrics of a workflow's runs, at 0 from the start, so that a first failure is a change.
    pub(crate) fn of_workflow(&self, workflow: &Workflow) -> WorkflowSignals {
        let finished = RunState::ALL.map(|state| {
            let labels = RunLabels { workflow: workflow.name.clone(), state: state.name() };
            match state.ended() {
                true => self.runs_finished.get_or_create_owned(&labels),
                false => Counter::default(),
            }
        });
        let steps = workflow.steps.iter().map(|step| {
            let (adapter, action) = step.labels();
            let labels = StepLabels { adapter: adapter.to_owned(), action: action.to_owned() };
            let attempts = OUTCOMES.map(|outcome| {
                let (adapter, action) = (adapter.to_owned(), action.to_owned());
                let labels = AttemptLabels { adapter, action, outcome };
                self.attempts.get_or_create_owned(&labels)
            });
            StepSignals { seconds: self.step_seconds.get_or_create_owned(&labels), attempts }
        });
        WorkflowSignals { finished, steps: steps.collect() }
    }
}

/// The store's own figures, read when somebody asks.
#[derive(Debug)]
struct StoreCollector {
    stats: Arc<Mutex<Stats>>,
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stats = self.stats.lock();
        let help = "Runs by the state last committed";
        let metric = prometheus_client::metrics::MetricType::Gauge;
        let mut family = encoder.encode_descriptor("queue_depth", help, None, metric)?;
        for (state, runs) in &stats.runs {
            let gauge = ConstGauge::new(i64::try_from(*runs).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("state", state.name())])?)?;
        }
        let gauges = [
            ("runs_at_work", "Runs under an owner", stats.at_work),
            ("dedupe_keys", "De-duplication keys remembered", stats.dedupe_keys),
            ("store_disk_bytes", "Bytes the store takes on disk", stats.disk_bytes),
            ("store_failing", "1 while the last write failed", u64::from(stats.failing.is_some())),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, metric)?)?;
        }
        histogram(
            &mut encoder,
            "store_group_size",
            "Requests in one commit",
            &stats.group_size,
            1.0,
        )?;
        let help = "Time one commit took, in seconds";
        histogram(&mut encoder, "store_commit_seconds", help, &stats.commit_us, 1e6)
    }
}

/// Writes a histogram that the store has filled.
#[allow(clippy::cast_precision_loss)]
fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    filled: &StoredHistogram,
    scale: f64,
) -> std::fmt::Result {
    let bound = |index| filled.bounds.get(index).map_or(f64::MAX, |bound| *bound as f64 / scale);
    let counts = filled.counts.iter().enumerate();
    let buckets: Vec<(f64, u64)> = counts.map(|(index, count)| (bound(index), *count)).collect();
    let total = filled.counts.iter().sum();
    let kind = prometheus_client::metrics::MetricType::Histogram;
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    family.encode_histogram::<NoLabelSet>(filled.sum as f64 / scale, total, &buckets, None)
}
