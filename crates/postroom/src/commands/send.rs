//! `send`: an event from the command line or a file, to a source as any sender would send it; with
//! `--dry` only asked about.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{file_text, plan, read};
use crate::cli::{Global, Send};
use crate::exit::Failed;
use crate::output::{self, Output, plain};
use crate::reach::{Ask, Reach};

/// What a source takes. The payload stays as it was written.
#[derive(Serialize)]
struct Envelope<'a> {
    event: &'a str,
    payload: &'a RawValue,
}

/// The acknowledgement of a source.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledged {
    status: String,
    correlation_id: String,
}

/// Sends an event.
pub(super) async fn run(args: &Send, global: &Global, output: &Output) -> Result<(), Failed> {
    let body = body(args)?;
    let reach = match args.dry {
        true => Reach::server(global).await?,
        false => Reach::find(global).await?,
    };
    let mut ask = Ask::source(&args.source_path, body).query("dry", args.dry.then_some(true));
    for (name, value) in
        [("Idempotency-Key", &args.key), (args.correlation_header.as_str(), &args.correlation)]
    {
        if let Some(value) = value {
            ask = ask.header(name, value);
        }
    }
    if let Some(token) = &args.source_token {
        ask = ask.header("Authorization", format!("Bearer {token}"));
    }
    let answer = reach.ask(ask).await?;
    if args.dry {
        // What is no plan is no answer to a dry run, in JSON neither.
        let plan = read(&answer)?;
        return output.answer(&answer, || Ok(plan::shown(&plan, output)));
    }
    output.answer(&answer, || {
        let told: Acknowledged = read(&answer)?;
        Ok(format!("{} {}\n", plain(&told.status), plain(&told.correlation_id)))
    })?;
    if !output.json {
        advise(args, &reach, &read(&answer)?, output);
    }
    Ok(())
}

fn advise(args: &Send, reach: &Reach, told: &Acknowledged, output: &Output) {
    let duplicate = told.status == "duplicate";
    if duplicate {
        output.say(&output::hint("it was taken before; nothing new was started"));
    } else if args.correlation.as_ref().is_some_and(|id| *id != told.correlation_id) {
        output.say(&output::hint(
            "the correlation id was not taken: the configuration names another header, give it \
             with --correlation-header",
        ));
    }
    if reach.without_server() && !duplicate {
        let start = "no server runs: the event is recorded and will be worked on once one starts";
        output.say(&output::hint(start));
    }
}

fn body(args: &Send) -> Result<Vec<u8>, Failed> {
    if let Some(file) = &args.file {
        let (name, text) = file_text(file)?;
        // The source judges the envelope; that it is JSON at all is told here, with its place.
        json(&name, &text)?;
        return Ok(text.into_bytes());
    }
    let (name, payload) = match args.payload.strip_prefix('@') {
        Some(file) => file_text(Path::new(file))?,
        None => ("--payload".to_owned(), args.payload.clone()),
    };
    let envelope = Envelope {
        event: args.event_type.as_deref().unwrap_or_default(),
        payload: json(&name, &payload)?,
    };
    Ok(serde_json::to_vec(&envelope).context("cannot write the envelope")?)
}

fn json<'a>(name: &str, text: &'a str) -> Result<&'a RawValue, Failed> {
    serde_json::from_str(text).map_err(|error| {
        let hint = "an object is wanted, for example '{\"amount\": 1500}'";
        Failed::usage(format!("{name} is not JSON: {error}"), hint)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn sent(line: &[&str]) -> Result<String, Failed> {
        let cli = Cli::try_parse_from(["postroom", "send"].iter().chain(line)).unwrap();
        let Command::Send(args) = cli.command else { panic!("{line:?}") };
        body(&args).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn payloads_go_out_as_they_were_written() {
        let payload = r#"{"b":1.00, "a":12345678901234567890}"#;
        let body = sent(&["A\"B", "--payload", payload]).unwrap();
        assert_eq!(body, format!(r#"{{"event":"A\"B","payload":{payload}}}"#));
        assert_eq!(sent(&["A"]).unwrap(), r#"{"event":"A","payload":{}}"#);
    }

    #[test]
    fn files_hold_payloads_or_whole_envelopes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("event.json");
        std::fs::write(&file, r#"{"event": "A", "payload": {}}"#).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(sent(&["--file", file]).unwrap(), r#"{"event": "A", "payload": {}}"#);
        let body = sent(&["B", "-p", &format!("@{file}")]).unwrap();
        assert_eq!(body, r#"{"event":"B","payload":{"event": "A", "payload": {}}}"#);
    }

    #[test]
    fn what_cannot_be_sent_is_told_before_anything_is_asked() {
        for line in [&["A", "--payload", "{a}"][..], &["A", "-p", "@no/file"], &["-f", "no/file"]] {
            assert_eq!(sent(line).unwrap_err().code(), 2, "{line:?}");
        }
    }
}
