//! The log of `dev`: a line when a step or a run ends, made of what the engine logs anyway. Other
//! events keep their message and fields.

use std::fmt::{self, Write as _};

use clap::builder::styling::{AnsiColor, Style};
use postroom_engine::rehearsal;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::output::moment::{Moment, span};
use crate::output::{outcome_colour, plain};

/// What is logged: everything of interest, and of the engine the ends of runs and of steps that
/// call nobody.
const FILTER: &str = "info,postroom_engine::owner=debug,postroom_engine::step=debug";

/// Characters of a run's id that tell it from others at a glance: its last ones are random.
const SHORT: usize = 8;

/// Starts logging.
pub(super) fn start(colours: bool) {
    let filter = tracing_subscriber::EnvFilter::new(FILTER);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    // A second subscriber is refused; the first goes on.
    let _ = builder.event_format(Brief).try_init();
}

/// One line an event.
struct Brief;

impl<S, N> FormatEvent<S, N> for Brief
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Tests and plans run the engine too, and nothing of it happens.
        if context.event_scope().into_iter().flatten().any(|span| span.name() == rehearsal::SPAN) {
            return Ok(());
        }
        let mut said = Said { level: *event.metadata().level(), ..Said::default() };
        event.record(&mut said);
        // One of several calls of a step; `runs show` lists them.
        if said.message == "call done" {
            return Ok(());
        }
        let line = said.line(&Moment::now().of_day());
        if writer.has_ansi_escapes() {
            return writeln!(writer, "{line}");
        }
        writeln!(writer, "{}", anstream::adapter::strip_str(&line))
    }
}

/// What an event says.
struct Said {
    level: Level,
    message: String,
    /// Every other field in its order.
    fields: Vec<(&'static str, String)>,
}

impl Default for Said {
    fn default() -> Self {
        Self { level: Level::INFO, message: String::new(), fields: Vec::new() }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Providers and senders have a say in these.
        let value = plain(value).into_owned();
        match field.name() {
            "message" if self.message.is_empty() => self.message = value,
            // A failure's, beside that of the event.
            "message" => self.fields.push(("why", value)),
            name => self.fields.push((name, value)),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

const DIM: Style = AnsiColor::BrightBlack.on_default();

impl Said {
    fn get(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    fn line(&self, time: &str) -> String {
        let mut line = format!("{DIM}{time}{DIM:#}  ");
        match (self.message.as_str(), self.get("run")) {
            ("attempt ended", run) => {
                self.place(&mut line, run, self.get("step"));
                self.came_to(&mut line, self.get("outcome"));
            }
            ("run ended", run) => {
                self.place(&mut line, run, "");
                self.came_to(&mut line, self.get("state"));
            }
            (message, "") => {
                self.told(&mut line, message, &[]);
            }
            (message, run) => {
                self.place(&mut line, run, self.get("step"));
                self.told(&mut line, message, &["run", "workflow", "step", "correlation_id"]);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn place(&self, line: &mut String, run: &str, step: &str) {
        let start = run.len().saturating_sub(SHORT);
        let run = run.get(start..).unwrap_or(run);
        // Writing to a string cannot fail.
        let _ = write!(line, "{:<20}  {DIM}{run}{DIM:#}  {step:<12}  ", self.get("workflow"));
    }

    fn came_to(&self, line: &mut String, outcome: &str) {
        let colour = outcome_colour(outcome);
        let took = self.get("took_ms").parse().map(span).unwrap_or_default();
        let _ = write!(line, "{colour}{outcome:<9}{colour:#}  {took:>7}");
        // Which of several attempts it was, and why it did not do.
        if !["", "1"].contains(&self.get("attempt")) {
            let _ = write!(line, "  attempt {}", self.get("attempt"));
        }
        if !self.get("code").is_empty() {
            let _ = write!(line, "  {} [{}]", self.get("why"), self.get("code"));
        }
    }

    fn told(&self, line: &mut String, message: &str, left_out: &[&str]) {
        let (word, colour) = match self.level {
            Level::ERROR => ("error: ", outcome_colour("dead")),
            Level::WARN => ("warning: ", outcome_colour("retry")),
            _ => ("", Style::new()),
        };
        let _ = write!(line, "{colour}{word}{colour:#}{message}");
        for (name, value) in self.fields.iter().filter(|(name, _)| !left_out.contains(name)) {
            let _ = write!(line, " {DIM}{name}={DIM:#}{value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, message: &str, fields: &[(&'static str, &str)]) -> String {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let said = Said { level, message: message.to_owned(), fields };
        anstream::adapter::strip_str(&said.line("12:00:00")).to_string()
    }

    #[test]
    fn steps_and_runs_end_in_a_line_each() {
        let run = ("run", "run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b");
        let of_run = [run, ("workflow", "tell"), ("correlation_id", "c")];
        let with = |more: &[(&'static str, &'static str)]| [&of_run[..], more].concat();
        let ended = [("step", "post"), ("attempt", "1"), ("outcome", "done"), ("took_ms", "1200")];
        let again = [
            ("step", "post"),
            ("attempt", "2"),
            ("outcome", "refused"),
            ("took_ms", "7"),
            ("code", "no_channel"),
            ("why", "there is none"),
        ];
        let dead = [("step", "post"), ("reason", "refused"), ("code", "no_channel")];
        let lines = [
            line(Level::INFO, "attempt ended", &with(&ended)),
            line(Level::INFO, "attempt ended", &with(&again)),
            line(Level::WARN, "the run is a dead letter: none", &with(&dead)),
            line(Level::DEBUG, "run ended", &with(&[("state", "dead"), ("took_ms", "9")])),
            line(Level::WARN, "the disk is slow", &[("folder", "data")]),
        ];
        let place = "12:00:00  tell                  2e3f4a5b";
        let wanted = [
            format!("{place}  post          done        1.20 s"),
            format!(
                "{place}  post          refused       7 ms  attempt 2  there is none [no_channel]"
            ),
            format!(
                "{place}  post          warning: the run is a dead letter: none \
                 reason=refused code=no_channel"
            ),
            format!("{place}                dead          9 ms"),
            "12:00:00  warning: the disk is slow folder=data".to_owned(),
        ];
        assert_eq!(lines, wanted);
    }
}
