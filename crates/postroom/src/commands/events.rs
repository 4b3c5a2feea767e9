//! `events`: list, show, replay; `schema` is next door.

use postroom_core::{Event, Run};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{List, field, inferred, more, read, read_row, runs};
use crate::cli::Events;
use crate::exit::Failed;
use crate::home;
use crate::output::{self, Output, cell, plain};
use crate::reach::{Ask, Reach};

/// Carries out `events ...`.
pub(super) async fn run(
    command: &Events,
    reach: &Reach,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    match command {
        Events::List { kind, source, correlation, unrouted, page } => {
            let ask = runs::paged(Ask::get(&["events"]), page)
                .query("type", kind.as_ref())
                .query("source", source.as_ref())
                .query("correlation", correlation.as_ref())
                .query("unrouted", unrouted.then_some(true));
            let answer = reach.ask(ask).await?;
            output.answer(&answer, || list(&read::<List<'_>>(&answer)?.data, output))?;
            more(output, read::<List<'_>>(&answer)?.next.as_deref());
            Ok(())
        }
        Events::Show { id } => {
            let answer = reach.ask(Ask::get(&["events", &id.to_string()])).await?;
            output.answer(&answer, || show(&answer, output))
        }
        Events::Schema(args) => inferred::run(args, reach, options, output).await,
        Events::Replay { id } => {
            let ask = Ask::post(&["events", &id.to_string(), "replay"], Vec::new());
            let answer = reach.ask(ask).await?;
            output.answer(&answer, || replayed(&answer))?;
            if reach.without_server() {
                output.say(&output::hint("no server runs: it will be worked on once one starts"));
            }
            Ok(())
        }
    }
}

#[derive(Deserialize)]
struct Row {
    id: String,
    source: String,
    r#type: String,
    received_ms: i64,
    correlation: String,
    runs: u32,
}

fn list(rows: &[&RawValue], output: &Output) -> Result<String, Failed> {
    if rows.is_empty() {
        return Ok("no events\n".to_owned());
    }
    let row = |row: &&RawValue| -> Result<_, Failed> {
        let event: Row = read_row(row)?;
        // Without one of the sender's the correlation id is the event's; twice says no more.
        let correlation = if event.correlation == event.id { "" } else { &event.correlation };
        let runs = if event.runs == 0 { "none".to_owned() } else { event.runs.to_string() };
        Ok(vec![
            cell(&event.id),
            cell(&event.r#type),
            cell(&event.source),
            cell(output.moment.ago(event.received_ms)),
            cell(runs),
            cell(correlation),
        ])
    };
    let rows = rows.iter().map(row).collect::<Result<_, _>>()?;
    Ok(output.table(&["EVENT", "TYPE", "SOURCE", "RECEIVED", "RUNS", "CORRELATION"], rows))
}

/// What stands beside the event's own fields.
#[derive(Deserialize)]
struct Beside {
    runs: Vec<Run>,
    near: Vec<Near>,
}

#[derive(Deserialize)]
struct Near {
    workflow: String,
    why: String,
}

fn show(body: &[u8], output: &Output) -> Result<String, Failed> {
    let event: Event = read(body)?;
    let Beside { runs, near } = read(body)?;
    let mut fields = vec![
        field("type", &event.kind),
        field("source", &event.source),
        field("happened", output.moment.both(event.time_ms)),
        field("received", output.moment.both(event.received_ms)),
        field("correlation", &event.correlation),
    ];
    fields.extend(event.subject.as_ref().map(|subject| field("subject", subject)));
    fields.extend(event.key.as_ref().map(|key| field("key", key)));
    if let Some(cause) = &event.cause {
        let by = cause.run.map_or("a replay of it".to_owned(), |run| run.to_string());
        fields.push(field("follows from", format!("{} by {by}", cause.event)));
    }
    let mut text = output::heading(&event.id.to_string());
    text.push_str(&output.table(&[], fields));
    text.push('\n');
    text.push_str(&output::heading("data"));
    text.push_str(&output::indented(event.data.text()));
    text.push('\n');
    text.push_str(&output::heading("runs"));
    text.push_str(&of_event(&runs, output));
    if !near.is_empty() {
        text.push('\n');
        text.push_str(&output::heading("came near"));
        let row = |near: &Near| vec![cell(&near.workflow), cell(&near.why)];
        text.push_str(&output.table(&[], near.iter().map(row).collect()));
    }
    Ok(text)
}

fn of_event(runs: &[Run], output: &Output) -> String {
    if runs.is_empty() {
        return "none: no workflow takes this event\n".to_owned();
    }
    let row = |run: &Run| {
        let why = runs::why(run);
        vec![cell(run.id.to_string()), runs::state_of(run), cell(&run.workflow), cell(why)]
    };
    output.table(&[], runs.iter().map(row).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    event: String,
    runs: usize,
}

fn replayed(body: &[u8]) -> Result<String, Failed> {
    let told: Replayed = read(body)?;
    let runs = match told.runs {
        0 => "no workflow takes it now".to_owned(),
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    };
    Ok(format!("replayed as {}: {runs}\n", plain(&told.event)))
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::output::moment::tests::NOON_MS;
    use crate::output::tests::still;

    const EVENT: &str = "evt_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b";

    #[test]
    fn events_are_listed_with_what_became_of_them() {
        let row = |correlation: &str, runs: u32| {
            let text = format!(
                r#"{{"id":"{EVENT}","source":"ingest","type":"A","time_ms":1,
                "received_ms":{},"correlation":"{correlation}","runs":{runs}}}"#,
                NOON_MS - 5_000
            );
            RawValue::from_string(text).unwrap()
        };
        let rows = [row(EVENT, 0), row("order-1", 2)];
        let rows: Vec<&RawValue> = rows.iter().map(|row| &**row).collect();
        let text = strip_str(&list(&rows, &still()).unwrap()).to_string();
        assert_eq!(
            text,
            format!(
                "EVENT                                 TYPE  SOURCE  RECEIVED  RUNS  CORRELATION\n\
                 {EVENT}  A     ingest  5 s ago   none\n\
                 {EVENT}  A     ingest  5 s ago   2     order-1\n"
            )
        );
    }

    #[test]
    fn an_unrouted_event_says_who_came_near() {
        let body = format!(
            r#"{{"id":"{EVENT}","source":"ingest","type":"ORDER_PIAD","time_ms":{NOON_MS},
            "received_ms":{NOON_MS},"correlation":"c","key":"k","data":{{"a":[1]}},"runs":[],
            "near":[{{"workflow":"tell","why":"it waits for `ORDER_PAID`"}}]}}"#
        );
        let text = strip_str(&show(body.as_bytes(), &still()).unwrap()).to_string();
        assert_eq!(
            text,
            format!(
                "{EVENT}\n\
                 type         ORDER_PIAD\n\
                 source       ingest\n\
                 happened     2026-11-03 12:00:00.000 +00:00 (now)\n\
                 received     2026-11-03 12:00:00.000 +00:00 (now)\n\
                 correlation  c\n\
                 key          k\n\
                 \ndata\n{{\n  \"a\": [\n    1\n  ]\n}}\n\
                 \nruns\nnone: no workflow takes this event\n\
                 \ncame near\ntell  it waits for `ORDER_PAID`\n"
            )
        );
    }

    #[test]
    fn a_replay_says_what_it_started() {
        let body = format!(r#"{{"event":"{EVENT}","correlationId":"c","runs":1}}"#);
        assert_eq!(replayed(body.as_bytes()).unwrap(), format!("replayed as {EVENT}: 1 run\n"));
    }
}
