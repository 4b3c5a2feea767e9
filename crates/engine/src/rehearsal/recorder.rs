//! The transport of a rehearsal: writes every request down, answers from the script or the
//! manifest's example. It holds no client and could not send anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use postroom_adapters::{ACCESS_TOKEN, HttpRequest, HttpResponse, Lost, SANDBOX_HEADER};
use postroom_core::{Json, RunId};
use serde::{Deserialize, Serialize};

use super::clock::Jumping;
use super::script::{Gives, Playing, Script};
use crate::clock::Clock;
use crate::outbound::{Answered, NoAnswer, Purpose, Sent, Transport};

/// A request that would have been sent.
#[derive(Clone, Debug)]
pub struct Made {
    /// When, by the clock of the rehearsal.
    pub at_ms: i64,
    /// By which run.
    pub run: RunId,
    /// The run's workflow.
    pub workflow: String,
    /// By which step.
    pub step: String,
    /// In which attempt, from 1.
    pub attempt: u32,
    /// By which call of the step's action.
    pub call: String,
    /// Whether the action makes several calls.
    pub several: bool,
    /// The request. In place of credentials stand their names: `{api_key: STRIPE_API_KEY}`.
    pub request: HttpRequest,
    /// The names of the headers that carry credentials.
    pub auth: Vec<String>,
    /// A live run would only plan it, by `mode: dry`.
    pub dry: bool,
    /// What was assumed to happen to it.
    pub gives: Gives,
    /// Where that was taken from.
    pub origin: Origin,
}

/// Where an assumed answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The script.
    #[serde(rename = "answers")]
    Script,
    /// The example of the manifest.
    Example,
    /// Neither says anything: the call is refused.
    Nowhere,
}

/// The status that stands for an answer nobody knows.
const UNKNOWN: u16 = 424;

/// What a request that is written down costs beside its URL and body, about.
const FRAME_BYTES: usize = 512;

/// Writes down instead of sending.
pub(super) struct Recorder {
    clock: Arc<Jumping>,
    played: Mutex<(Playing, Vec<Made>)>,
    /// Bytes written down so far, and how many may be.
    bytes: AtomicUsize,
    most_bytes: usize,
}

impl Recorder {
    pub fn new(script: Script, clock: Arc<Jumping>, most_bytes: usize) -> Self {
        let played = Mutex::new((Playing::new(script), Vec::new()));
        Self { clock, played, bytes: AtomicUsize::new(0), most_bytes }
    }

    /// Bytes written down, and those that were too many to be.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many requests were written down so far.
    pub fn count(&self) -> usize {
        self.played.lock().1.len()
    }

    /// What was written down.
    pub fn take(&self) -> Vec<Made> {
        std::mem::take(&mut self.played.lock().1)
    }

    fn record(&self, request: HttpRequest, purpose: &Purpose<'_>) -> Gives {
        let bytes = FRAME_BYTES + request.url.len() + request.body.len();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.most_bytes {
            // The rehearsal ends as soon as this run does.
            return Gives::Response(unknown("the rehearsal is too large"));
        }
        let example = example(&request, purpose);
        let mut made = Made {
            at_ms: self.clock.now_ms(),
            run: purpose.run.id,
            workflow: purpose.run.workflow.clone(),
            step: purpose.step.to_owned(),
            attempt: purpose.attempt,
            call: purpose.action.calls.get(purpose.call).map(|c| c.id.clone()).unwrap_or_default(),
            several: purpose.action.calls.len() > 1,
            request: veiled(request, purpose),
            auth: purpose.auth.iter().map(|slot| slot.header.clone()).collect(),
            dry: purpose.dry,
            gives: Gives::Lost(Lost::NotSent),
            origin: Origin::Script,
        };
        let mut played = self.played.lock();
        (made.gives, made.origin) = match (played.0.answer(&made), example) {
            (Some(gives), _) => (gives, Origin::Script),
            (None, Ok(response)) => (Gives::Response(response), Origin::Example),
            (None, Err(why)) => (Gives::Response(unknown(&why)), Origin::Nowhere),
        };
        let gives = made.gives.clone();
        played.1.push(made);
        gives
    }
}

/// The recorded answer of the manifest.
fn example(request: &HttpRequest, purpose: &Purpose<'_>) -> Result<HttpResponse, String> {
    let answer = purpose.action.sandbox(purpose.call, request, purpose.context);
    let mut response = answer.map_err(|failure| failure.message)?;
    response.headers.retain(|(name, _)| name != SANDBOX_HEADER);
    Ok(response)
}

fn unknown(why: &str) -> HttpResponse {
    let body = format!("no answer is known: {why}").into_bytes();
    HttpResponse { status: UNKNOWN, headers: Vec::new(), body }
}

/// The request with names in place of credentials.
fn veiled(mut request: HttpRequest, purpose: &Purpose<'_>) -> HttpRequest {
    for slot in purpose.auth {
        let name = purpose.credentials.get(&slot.credential).map(String::as_str);
        let token = || if slot.credential == ACCESS_TOKEN { "by OAuth2" } else { "" };
        let name = name.unwrap_or_else(token);
        let shown = slot.template.replace("{}", &format!("{{{}: {name}}}", slot.credential));
        let shown = if slot.basic { format!("Basic base64({shown})") } else { shown };
        for (_, value) in request.headers.iter_mut().filter(|(name, _)| *name == slot.header) {
            value.clone_from(&shown);
        }
    }
    request
}

impl Transport for Recorder {
    fn send<'a>(&'a self, request: HttpRequest, timeout_ms: u64, purpose: Purpose<'a>) -> Sent<'a> {
        let gives = self.record(request, &purpose);
        Box::pin(async move {
            match gives {
                Gives::Response(response) => Ok(Answered::Response(response)),
                Gives::Result(result) => Ok(Answered::Result(result)),
                Gives::Lost(lost) => {
                    if lost == Lost::TimedOut {
                        let waits_ms = i64::try_from(timeout_ms).unwrap_or(i64::MAX / 2);
                        self.clock.sleep_until(self.clock.now_ms() + waits_ms).await;
                    }
                    Err(NoAnswer { lost, detail: String::new(), for_good: None })
                }
            }
        })
    }

    fn rehearses(&self) -> bool {
        true
    }

    fn output(&self, workflow: &str, step: &str) -> Option<Json> {
        self.played.lock().0.output(workflow, step)
    }
}
