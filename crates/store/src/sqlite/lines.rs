//! What a frame of the log says: one line for each change of the tables, in the order in which they
//! happened. The form is versioned by the log's file header; fields and kinds of version 1 never
//! change, because a log may outlive the build that wrote it.

use std::borrow::Cow;

use postroom_core::event::Cause;
use postroom_core::trigger::Start;
use postroom_core::{Entry, Event, Run};
use serde::{Deserialize, Serialize};

use super::rows::{body, corrupt, state_number};
use crate::{Error, Transition};

/// Sixteen bytes that name something.
pub(super) type Name = [u8; 16];

/// A de-duplication key and until when it counts, in milliseconds since 1970.
pub(super) type Key = (Name, i64);

/// One change of the tables.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line<'a> {
    /// An event arrived.
    #[serde(borrow)]
    Event(EventLine<'a>),
    /// A run of the last event was started.
    #[serde(borrow)]
    Start(StartLine<'a>),
    /// A run went from state to state.
    #[serde(borrow)]
    Move(MoveLine<'a>),
    /// A definition is kept.
    Define {
        /// Its hash.
        hash: Name,
        /// The workflow's name.
        name: &'a str,
        /// It as JSON.
        stored: &'a str,
    },
    /// A shared number is now this.
    Count {
        /// Its name.
        key: &'a str,
        /// Its value.
        value: i64,
        /// When it is forgotten.
        until_ms: i64,
    },
}

/// An event as a row of `events`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventLine<'a> {
    pub id: Name,
    pub source: &'a str,
    pub kind: &'a str,
    pub time_ms: i64,
    pub received_ms: i64,
    pub correlation: &'a str,
    pub subject: Option<&'a str>,
    pub key: Option<&'a str>,
    /// JSON.
    pub cause: Option<Cow<'a, str>>,
    /// How many runs it wanted to start.
    pub routed: u32,
    pub data: &'a str,
    pub dedupe: Option<Key>,
}

/// A run as a row of `runs`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StartLine<'a> {
    pub id: Name,
    pub workflow: &'a str,
    pub definition: Name,
    pub state: u8,
    pub created_ms: i64,
    pub due_ms: Option<i64>,
    pub finished_ms: Option<i64>,
    pub gate: Option<(Name, u32)>,
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    pub dedupe: Option<Key>,
}

/// What changes of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MoveLine<'a> {
    pub id: Name,
    /// The state its row had.
    pub from: u8,
    pub state: u8,
    pub definition: Name,
    pub due_ms: Option<i64>,
    pub finished_ms: Option<i64>,
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// The number of the journal row, and its entries as JSON.
    #[serde(borrow)]
    pub journal: Option<(u32, Text<'a>)>,
}

/// Text inside something else, which is read without being copied: `Cow` alone would be.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> EventLine<'a> {
    pub fn new(event: &'a Event, routed: usize, dedupe: Option<Key>) -> Result<Self, Error> {
        let json = |cause: &Cause| serde_json::to_string(cause).map(Cow::Owned);
        let cause = event.cause.as_ref().map(json).transpose();
        Ok(Self {
            id: event.id.0,
            source: &event.source,
            kind: &event.kind,
            time_ms: event.time_ms,
            received_ms: event.received_ms,
            correlation: &event.correlation,
            subject: event.subject.as_deref(),
            key: event.key.as_deref(),
            cause: cause.map_err(|error| corrupt("event cause", &error))?,
            routed: u32::try_from(routed).unwrap_or(u32::MAX),
            data: event.data.text(),
            dedupe,
        })
    }
}

impl<'a> StartLine<'a> {
    pub fn new(start: &'a Start, dedupe: Option<Key>) -> Result<Self, Error> {
        let run = &start.run;
        Ok(Self {
            id: run.id.0,
            workflow: &run.workflow,
            definition: run.definition.0,
            state: state_number(run.state),
            created_ms: run.created_ms,
            due_ms: run.due_ms,
            finished_ms: run.finished_ms,
            gate: start.concurrency.map(|(key, bound)| (key.0, bound)),
            body: body(run)?.into(),
            dedupe,
        })
    }
}

impl MoveLine<'_> {
    pub fn new(run: &Run, from: u8, row: u32, entries: &[Entry]) -> Result<Self, Error> {
        let journal = match entries {
            [] => None,
            entries => {
                let text = serde_json::to_string(entries);
                let text = text.map_err(|error| corrupt("journal entry", &error))?;
                Some((row, Text(text.into())))
            }
        };
        Ok(Self {
            id: run.id.0,
            from,
            state: state_number(run.state),
            definition: run.definition.0,
            due_ms: run.due_ms,
            finished_ms: run.finished_ms,
            body: body(run)?.into(),
            journal,
        })
    }

    /// The line of a transition; `rows` is how many journal rows the run has.
    pub fn of(transition: &Transition, from: u8, rows: u32) -> Result<Self, Error> {
        Self::new(&transition.run, from, rows + 1, &transition.entries)
    }
}

/// Adds a line to a frame.
pub(super) fn write(line: &Line<'_>, frame: &mut Vec<u8>) -> Result<(), Error> {
    let start = std::mem::take(frame);
    *frame = postcard::to_extend(line, start).map_err(|error| corrupt("log line", &error))?;
    Ok(())
}

/// Hands out the lines of a frame's payload, in order. They are looked at one by one, because a
/// list of them would be copied as it grows.
pub(super) fn each<'a>(
    mut payload: &'a [u8],
    mut take: impl FnMut(Line<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    while !payload.is_empty() {
        let (line, rest) =
            postcard::take_from_bytes(payload).map_err(|error| corrupt("log line", &error))?;
        take(line)?;
        payload = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of version 1. They change only together with the version of the log.
    #[test]
    fn lines_keep_their_form() {
        let id = [1; 16];
        let lines = [
            Line::Event(EventLine {
                id,
                source: "s",
                kind: "K",
                time_ms: 1,
                received_ms: 2,
                correlation: "c",
                subject: None,
                key: Some("k"),
                cause: None,
                routed: 1,
                data: "{}",
                dedupe: Some((id, 3)),
            }),
            Line::Start(StartLine {
                id,
                workflow: "w",
                definition: id,
                state: 0,
                created_ms: 2,
                due_ms: Some(2),
                finished_ms: None,
                gate: Some((id, 1)),
                body: "b".into(),
                dedupe: None,
            }),
            Line::Move(MoveLine {
                id,
                from: 0,
                state: 3,
                definition: id,
                due_ms: None,
                finished_ms: Some(4),
                body: "b".into(),
                journal: Some((1, Text("[]".into()))),
            }),
            Line::Define { hash: id, name: "w", stored: "{}" },
            Line::Count { key: "n", value: -1, until_ms: 5 },
        ];
        let mut frame = Vec::new();
        for line in &lines {
            write(line, &mut frame).unwrap();
        }
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = "01".repeat(16);
        let expected = [
            format!("00{id}0173014b02040163")
                + "00"
                + "01016b"
                + "00"
                + "01"
                + "027b7d"
                + "01"
                + &id
                + "06",
            format!("01{id}0177{id}000401040001{id}01016200"),
            format!("02{id}0003{id}00010801620101025b5d"),
            format!("03{id}0177027b7d"),
            "04016e010a".to_owned(),
        ];
        assert_eq!(hex, expected.concat());
        let read = |frame: &[u8]| {
            let mut back = Vec::new();
            each(frame, |line| {
                back.push(format!("{line:?}"));
                Ok(())
            })
            .map(|()| back)
        };
        assert_eq!(read(&frame).unwrap(), lines.map(|line| format!("{line:?}")));
        assert!(read(&frame[..frame.len() - 1]).is_err());
    }
}
