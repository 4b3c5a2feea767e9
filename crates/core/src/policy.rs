//! Policies: what decides when, and whether, a run of a workflow starts.
//!
//! Owns what a workflow says of it, what becomes of that when an event starts a run, and the
//! arithmetic of waiting for quiet and for a turn. Looks nothing up. See `docs/policies.md`.

use postroom_expr::{Fault, Limits, Number, Template, Value};

use crate::event::Event;
use crate::id::KeyHash;
use crate::run::Admission;
use crate::scope;

/// The furthest a priority moves a run, in seconds.
pub const MAX_PRIORITY_S: f64 = 600.0;

/// What a workflow says about the start of its runs.
#[derive(Debug, Default)]
pub struct Policies {
    /// Runs with the same value of this are one run.
    pub dedupe: Option<Dedupe>,
    /// How many runs with the same key may be at work at once.
    pub concurrency: Option<Concurrency>,
    /// A run starts once its key has been quiet for a while.
    pub debounce: Option<Debounce>,
    /// How many runs with the same key may start in a period.
    pub throttle: Option<Throttle>,
    /// Which runs go first among those that are due.
    pub priority: Option<Priority>,
}

/// Recognises a repetition of a run.
#[derive(Debug)]
pub struct Dedupe {
    /// What a repetition has in common with the first.
    pub key: Template,
    /// For how long, in milliseconds, if not for the project's window.
    pub window_ms: Option<i64>,
}

/// A bound on runs at work at once.
#[derive(Debug)]
pub struct Concurrency {
    /// Runs whose key has the same value share the bound.
    pub key: Template,
    /// The bound, at least 1.
    pub limit: u32,
    /// What becomes of one more.
    pub when_full: WhenFull,
}

/// What becomes of a run that would be one too many at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits.
    #[default]
    Queue,
    /// It starts, and the oldest are cancelled.
    CancelOlder,
}

/// A wait for quiet.
#[derive(Debug)]
pub struct Debounce {
    /// Runs whose key has the same value wait for each other; all of them, without one.
    pub key: Option<Template>,
    /// How long it has to be quiet, in milliseconds.
    pub delay_ms: i64,
    /// How long the first of them may be put off, in milliseconds; at least `delay_ms`.
    pub at_most_ms: Option<i64>,
}

/// A bound on starts.
#[derive(Debug)]
pub struct Throttle {
    /// Runs whose key has the same value share the bound; all of them, without one.
    pub key: Option<Template>,
    /// The bound, at least 1.
    pub limit: u32,
    /// The length of a period, in milliseconds. Periods begin at its multiples since 1970.
    pub per_ms: i64,
}

/// By how much earlier or later a run is placed than its event arrived.
#[derive(Debug)]
pub enum Priority {
    /// The same for every run, in seconds.
    Fixed(f64),
    /// What this comes to, in seconds.
    Asked(Template),
}

/// What the policies make of a run when its event arrives.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// The value of `dedupe`, if it has one.
    pub dedupe: Option<String>,
    /// Until when repetitions are recognised, if not for the project's window.
    pub dedupe_until_ms: Option<i64>,
    /// The bound that keeps it waiting.
    pub concurrency: Option<(KeyHash, u32)>,
    /// By what it is known until it starts.
    pub admission: Admission,
    /// When it is due.
    pub due_ms: i64,
}

impl Policies {
    /// Evaluates them for a run of `workflow` that `event` starts.
    ///
    /// # Errors
    /// The name of the policy that faults, and how.
    pub(crate) fn place(
        &self,
        workflow: &str,
        event: &Event,
        limits: Limits,
    ) -> Result<Placed, (&'static str, Fault)> {
        let ask = Ask { workflow, event, limits };
        let mut placed = Placed { due_ms: event.received_ms, ..Placed::default() };
        if let Some(Dedupe { key, window_ms }) = &self.dedupe {
            placed.dedupe = ask.text_or_none(key).map_err(|fault| ("`dedupe`", fault))?;
            placed.dedupe_until_ms = window_ms.map(|ms| event.received_ms.saturating_add(ms));
        }
        if let Some(Concurrency { key, limit, when_full }) = &self.concurrency {
            let key = ask.key("concurrency", Some(key));
            let key = key.map_err(|fault| ("`concurrency.key`", fault))?;
            match when_full {
                WhenFull::Queue => placed.concurrency = Some((key, *limit)),
                WhenFull::CancelOlder => placed.admission.cancel_older = Some(key),
            }
        }
        if let Some(throttle) = &self.throttle {
            let key = ask.key("throttle", throttle.key.as_ref());
            placed.admission.throttle = Some(key.map_err(|fault| ("`throttle.key`", fault))?);
        }
        if let Some(priority) = &self.priority {
            let earlier_ms = priority.ms(&ask).map_err(|fault| ("`priority`", fault))?;
            // Being due early makes it the first, being due late would let workers stand idle.
            if self.debounce.is_none() && earlier_ms > 0 {
                placed.due_ms = placed.due_ms.saturating_sub(earlier_ms);
            } else {
                placed.admission.later_ms = -earlier_ms;
            }
        }
        if let Some(debounce) = &self.debounce {
            let key = ask.key("debounce", debounce.key.as_ref());
            placed.admission.debounce = Some(key.map_err(|fault| ("`debounce.key`", fault))?);
            placed.due_ms = placed.due_ms.saturating_add(debounce.delay_ms);
        }
        Ok(placed)
    }
}

/// Whose policies are evaluated, for what.
struct Ask<'a> {
    workflow: &'a str,
    event: &'a Event,
    limits: Limits,
}

impl Ask<'_> {
    fn with<T>(
        &self,
        template: &Template,
        take: impl FnOnce(&Value<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let scope = scope::of_event(self.event);
        take(&template.eval(&scope, self.limits)?)
    }

    /// No key is no fault: what has none is not recognised again.
    fn text_or_none(&self, template: &Template) -> Result<Option<String>, Fault> {
        let text = self.with(template, |value| match value.is_null() {
            true => Ok(None),
            false => value.to_text().map(Some),
        })?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The hash under which runs share a policy. Without a template all runs of the workflow do.
    fn key(&self, policy: &str, template: Option<&Template>) -> Result<KeyHash, Fault> {
        let text = template.map(|template| self.with(template, |value| value.to_text()));
        let text = text.transpose()?;
        // A key that is empty text is another one than none.
        let scope = [policy, self.workflow];
        Ok(match text {
            Some(text) => KeyHash::of(&scope, &text),
            None => KeyHash::of(&scope[..1], self.workflow),
        })
    }
}

impl Priority {
    /// By how much earlier the run is placed, in milliseconds.
    fn ms(&self, ask: &Ask<'_>) -> Result<i64, Fault> {
        let seconds = match self {
            Self::Fixed(seconds) => *seconds,
            Self::Asked(template) => ask.with(template, seconds)?,
        };
        #[allow(clippy::cast_possible_truncation, reason = "it is clamped to 600,000 either way")]
        Ok((seconds.clamp(-MAX_PRIORITY_S, MAX_PRIORITY_S) * 1_000.0).round() as i64)
    }
}

fn seconds(value: &Value<'_>) -> Result<f64, Fault> {
    value.as_number().map(Number::as_f64).ok_or_else(|| Fault {
        code: "expr/type",
        span: 0..0,
        message: format!("a priority is a number of seconds, but this is {}", value.type_name()),
        hint: Some("give it a value with `??`, or convert it with `double(…)`".to_owned()),
    })
}

impl Debounce {
    /// When the event of a run may have come at the latest for which one gives way that is due, in
    /// milliseconds since 1970: with a later one the wait would be longer than allowed. `first_ms`
    /// is when the first event came that has been waiting since for quiet. `None` if any may have.
    #[must_use]
    pub fn latest_ms(&self, first_ms: i64) -> Option<i64> {
        let wait_ms = self.at_most_ms?.saturating_sub(self.delay_ms);
        Some(first_ms.saturating_add(wait_ms))
    }
}

/// The runs of one throttle that wait for a later period, as far as this process has put them off.
/// It says where the line ends; how many have started in a period is counted elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// When the period begins in which the line ends, in milliseconds since 1970.
    ends_ms: i64,
    /// How many places of that are taken.
    taken: u32,
    /// When the last period began that is known to be full.
    full_ms: i64,
}

impl Throttle {
    /// When the period began that a time lies in.
    fn began_ms(&self, at_ms: i64) -> i64 {
        at_ms.div_euclid(self.per_ms).saturating_mul(self.per_ms)
    }

    /// When the period after that of a time begins, in milliseconds since 1970.
    #[must_use]
    pub fn next_ms(&self, at_ms: i64) -> i64 {
        self.began_ms(at_ms).saturating_add(self.per_ms)
    }

    /// Whether a run that was due at `due_ms` need not ask whether there is room for it now: the
    /// period is full, or some wait for a later one and it has come in this one.
    #[must_use]
    pub fn must_line_up(&self, line: Line, due_ms: i64, now_ms: i64) -> bool {
        let began_ms = self.began_ms(now_ms);
        line.full_ms == began_ms || (line.ends_ms > began_ms && due_ms > began_ms)
    }

    /// Notes that the period is full.
    pub fn fill(&self, line: &mut Line, now_ms: i64) {
        line.full_ms = self.began_ms(now_ms);
    }

    /// Puts a run at the end of the line; gives the time at which it is its turn.
    pub fn line_up(&self, line: &mut Line, now_ms: i64) -> i64 {
        let next_ms = self.next_ms(now_ms);
        if line.ends_ms < next_ms {
            (line.ends_ms, line.taken) = (next_ms, 0);
        } else if line.taken >= self.limit {
            (line.ends_ms, line.taken) = (line.ends_ms.saturating_add(self.per_ms), 0);
        }
        line.taken += 1;
        line.ends_ms
    }
}

impl Line {
    /// Whether nobody stands in it any more.
    #[must_use]
    pub fn is_over(self, now_ms: i64) -> bool {
        self.ends_ms < now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_too_late_has_no_one_give_way() {
        let debounce = |at_most_ms| Debounce { key: None, delay_ms: 30, at_most_ms };
        assert_eq!(debounce(None).latest_ms(1_000), None);
        // It is due 30 later, when the first has waited for 100.
        assert_eq!(debounce(Some(100)).latest_ms(1_000), Some(1_070));
        assert_eq!(debounce(Some(30)).latest_ms(1_000), Some(1_000));
    }

    #[test]
    fn a_line_fills_period_after_period() {
        let throttle = Throttle { key: None, limit: 2, per_ms: 100 };
        let mut line = Line::default();
        assert!(!throttle.must_line_up(line, 1_050, 1_050));
        let mut place = |now_ms| throttle.line_up(&mut line, now_ms);
        assert_eq!(
            [1_050, 1_060, 1_070, 1_080, 1_090].map(&mut place),
            [1_100, 1_100, 1_200, 1_200, 1_300]
        );
        // Those of the line whose turn it is go, who has come since waits.
        assert!(!throttle.must_line_up(line, 1_100, 1_100));
        assert!(throttle.must_line_up(line, 1_101, 1_105));
        assert_eq!(throttle.line_up(&mut line, 1_105), 1_300);
        assert_eq!(throttle.line_up(&mut line, 1_105), 1_400);
        // Nobody waits any more.
        assert!(line.is_over(1_401) && !line.is_over(1_400));
        assert!(!throttle.must_line_up(line, 1_450, 1_450));
        throttle.fill(&mut line, 1_450);
        assert!(throttle.must_line_up(line, 1_390, 1_499));
        assert!(!throttle.must_line_up(line, 1_390, 1_500));
        assert_eq!(throttle.line_up(&mut line, 1_450), 1_500);
        // After a long sleep the line begins anew.
        assert_eq!(throttle.line_up(&mut line, 9_950), 10_000);
    }

    #[test]
    fn a_line_needs_no_more_periods_than_it_has_places() {
        let throttle = Throttle { key: None, limit: 7, per_ms: 60_000 };
        let mut line = Line::default();
        let places: Vec<i64> = (0..70).map(|_| throttle.line_up(&mut line, 30_000)).collect();
        assert!(places.is_sorted());
        for period in 1..=10 {
            let here = places.iter().filter(|at| **at == period * 60_000).count();
            assert_eq!(here, 7, "period {period}");
        }
    }
}
