//! What providers answer in a rehearsal: by step and call, in order; what the script does not say
//! is answered from the manifest's example.

use std::sync::Arc;

use postroom_adapters::{HttpResponse, Lost};
use postroom_core::Json;

use super::recorder::Made;
use crate::Arriving;

/// The answers of a rehearsal.
#[derive(Clone, Default)]
pub struct Script {
    /// What calls are answered.
    pub lines: Vec<Line>,
    /// What steps come to once their calls are done, whatever those came to.
    pub outputs: Vec<(Cue, Json)>,
    /// Events that come in after the first.
    pub later: Vec<Later>,
    /// What people answer.
    pub people: Vec<Said>,
    /// Whoever is asked and has no answer above approves, instead of being silent.
    pub approve: bool,
}

/// An event that comes in after the first.
#[derive(Clone, Debug)]
pub struct Later {
    /// How long after it, in milliseconds.
    pub after_ms: u64,
    /// The event.
    pub event: Arriving,
}

/// What a person answers to a step that asks.
#[derive(Clone, Debug)]
pub struct Said {
    /// The step.
    pub cue: Cue,
    /// Yes or no.
    pub approved: bool,
    /// Who.
    pub by: String,
    /// Why.
    pub note: Option<String>,
}

/// A step, in one workflow or in any that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// The workflow, if it matters.
    pub workflow: Option<String>,
    /// The step's id.
    pub step: String,
}

impl Cue {
    pub(super) fn fits(&self, workflow: &str, step: &str) -> bool {
        self.step == step && self.workflow.as_deref().is_none_or(|wanted| wanted == workflow)
    }
}

/// What the calls of a step are answered.
#[derive(Clone)]
pub struct Line {
    /// The step.
    pub cue: Cue,
    /// The call, where the step's action makes several.
    pub call: Option<String>,
    /// The answers, one after the other. The last one stays, unless it says how often it holds.
    pub answers: Vec<Answer>,
}

/// Whether a request is of a kind.
pub type Like = Arc<dyn Fn(&Made) -> bool + Send + Sync>;

/// An answer.
#[derive(Clone)]
pub struct Answer {
    /// What happens.
    pub gives: Gives,
    /// How often it holds; once if another follows, else always.
    pub times: Option<u32>,
    /// Only for requests of which this is true.
    pub to: Option<Like>,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Gives {
    /// It is answered.
    Response(HttpResponse),
    /// The call comes to this.
    Result(Json),
    /// There is no answer.
    Lost(Lost),
}

/// A script being played: which answers were used up.
pub(super) struct Playing {
    script: Script,
    /// How often each answer of each line was given.
    given: Vec<Vec<u32>>,
}

impl Playing {
    pub fn new(script: Script) -> Self {
        let given = script.lines.iter().map(|line| vec![0; line.answers.len()]).collect();
        Self { script, given }
    }

    /// What the script says to a request, if it says something.
    pub fn answer(&mut self, made: &Made) -> Option<Gives> {
        let lines = self.script.lines.iter().zip(&mut self.given);
        for (line, given) in lines.filter(|(line, _)| line.fits(made)) {
            let last = line.answers.len() - 1;
            for (index, answer) in line.answers.iter().enumerate() {
                let times = answer.times.unwrap_or(if index == last { u32::MAX } else { 1 });
                if given[index] < times && answer.to.as_ref().is_none_or(|fits| fits(made)) {
                    given[index] += 1;
                    return Some(answer.gives.clone());
                }
            }
        }
        None
    }

    pub fn output(&self, workflow: &str, step: &str) -> Option<Json> {
        let found = self.script.outputs.iter().find(|(cue, _)| cue.fits(workflow, step));
        found.map(|(_, output)| output.clone())
    }
}

impl Line {
    fn fits(&self, made: &Made) -> bool {
        self.cue.fits(&made.workflow, &made.step)
            && self.call.as_ref().is_none_or(|call| *call == made.call)
            && !self.answers.is_empty()
    }
}
