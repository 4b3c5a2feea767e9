//! Whatever is sent to the ingest endpoint is refused with the sender's fault, or becomes an event
//! that says exactly what the body says. The fuzz target `ingest` checks the same without bounds.

use postroom_core::Json;
use postroom_core::json::{MAX_DEPTH, too_deep};
use postroom_engine::Arriving;
use postroom_engine::source::{Source, Takes, Unfit};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

fn read(body: &[u8]) -> Result<Arriving, Unfit> {
    let takes = Takes::Envelope { token: None };
    let source = Source { name: "ingest".into(), path: "/".into(), takes };
    source.envelope(&[("idempotency-key".into(), "h".into())], body)
}

#[derive(Deserialize)]
struct Named {
    event: String,
}

/// Reads a body; whatever comes of it must be sound. Says whether it was taken.
fn exercise(body: &[u8]) -> Result<bool, TestCaseError> {
    let shown = || String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    let arriving = match read(body) {
        Ok(arriving) => arriving,
        Err(Unfit::Missing) => return Ok(false),
        Err(Unfit::Problem(problem)) => {
            prop_assert_eq!(problem.kind.status, 400, "{}: {}", problem, shown());
            prop_assert!(!problem.detail.is_empty());
            return Ok(false);
        }
    };
    let text = std::str::from_utf8(body);
    prop_assert!(text.is_ok(), "not UTF-8, but taken: {}", shown());
    let text = text.unwrap_or_default();
    let whole = serde_json::from_str::<serde::de::IgnoredAny>(text);
    prop_assert!(whole.is_ok(), "not JSON, but taken: {}", shown());
    // The payload is a piece of the body, byte for byte, and can be read back.
    let data = arriving.data.text();
    prop_assert!(data.starts_with('{') && text.contains(data), "{data}: {}", shown());
    prop_assert_eq!(too_deep(data.as_bytes(), MAX_DEPTH), None);
    let again = Json::parse(data.to_owned());
    prop_assert!(again.is_ok_and(|again| again == arriving.data), "{data}");
    let inside = serde_json::to_string(&arriving.data);
    prop_assert!(inside.is_ok_and(|inside| inside == data), "{data}");
    // Names are what an independent reader makes of the body, whole characters only.
    let named = serde_json::from_str::<Named>(text);
    prop_assert!(named.is_ok_and(|named| named.event == arriving.kind), "{}", shown());
    prop_assert!(arriving.key.is_some_and(|key| !key.is_empty()), "{}", shown());
    Ok(true)
}

/// Bodies that are taken.
const VALID: &[&str] = &[
    r#"{"event":"ORDER_PAID","payload":{}}"#,
    r#"{"payload": {"idempotencyKey": "a-1", "n": [1, {"x": null}, -1.5e400]}, "event": "A"}"#,
    "\n{\t\"event\" : \"\\u00e9\\ud83d\\ude00\" ,\r\n \"payload\" : { \"a b\" : \"\u{e9}\" } } ",
    r#"{"event":"A","payload":{"idempotencyKey":"\u006b","a\ud800":"\udc00","x":"\\\"\n"}}"#,
    r#"{"event":"A","extra":[{}],"payload":{"big":123456789012345678901234567890,"big":false}}"#,
];

/// Pieces that mean something to a reader of JSON.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b" ",
    b"\n",
    b"0",
    b"-",
    b"e9",
    b"null",
    b"\\ud800",
    b"\\udc00",
    b"\\u0000",
    b"\"event\":",
    b"\"payload\":",
    b"\"idempotencyKey\":",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"{\"a\":",
    b"[[[[[[[[",
];

/// One change of a body; places are taken modulo its length.
#[derive(Clone, Debug)]
enum Change {
    Cut(usize),
    Flip(usize, u8),
    Put(usize, Vec<u8>),
    Drop(usize, usize),
    Repeat(usize, usize),
    Nest(usize, usize),
}

impl Change {
    fn make(&self, body: &mut Vec<u8>) {
        let place = |at: usize| at % (body.len() + 1);
        match self {
            Self::Cut(at) => body.truncate(place(*at)),
            Self::Flip(at, bits) => {
                let at = place(*at);
                body.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
            }
            Self::Put(at, piece) => {
                let at = place(*at);
                body.splice(at..at, piece.iter().copied());
            }
            Self::Drop(at, count) => {
                let at = place(*at);
                let end = (at + count).min(body.len());
                body.drain(at..end);
            }
            Self::Repeat(at, count) => {
                let at = place(*at);
                let end = (at + count).min(body.len());
                let piece = body[at..end].to_vec();
                body.splice(at..at, piece);
            }
            // Opened as often as closed, where a value may stand or may not.
            Self::Nest(at, depth) => {
                let at = place(*at);
                let nested = [b"[".repeat(*depth), b"]".repeat(*depth)].concat();
                body.splice(at..at, nested);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>;
    let piece = prop::sample::select(PIECES).prop_map(<[u8]>::to_vec);
    prop_oneof![
        1 => at().prop_map(Change::Cut),
        3 => (at(), 1u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        4 => (at(), piece).prop_map(|(at, piece)| Change::Put(at, piece)),
        2 => (at(), 1usize..20).prop_map(|(at, count)| Change::Drop(at, count)),
        2 => (at(), 1usize..40).prop_map(|(at, count)| Change::Repeat(at, count)),
        1 => (at(), 1usize..5_000).prop_map(|(at, depth)| Change::Nest(at, depth)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_refused_or_taken_as_they_are(body in vec(any::<u8>(), 0..200)) {
        exercise(&body)?;
    }

    #[test]
    fn a_soup_of_json_is_refused_or_taken_as_it_is(
        pieces in vec(prop::sample::select(PIECES), 0..40),
    ) {
        exercise(&pieces.concat())?;
    }

    #[test]
    fn a_changed_envelope_is_refused_or_taken_as_it_is(
        valid in prop::sample::select(VALID),
        changes in vec(change(), 1..6),
    ) {
        let mut body = valid.as_bytes().to_vec();
        changes.iter().for_each(|change| change.make(&mut body));
        exercise(&body)?;
    }

    #[test]
    fn any_text_of_a_name_comes_through(event in ".{1,40}", key in ".{1,40}") {
        let text = |text: &str| serde_json::Value::from(text);
        let (kind, id) = (text(&event), text(&key));
        let body = format!(r#"{{"event":{kind},"payload":{{"idempotencyKey":{id}}}}}"#);
        let arriving = read(body.as_bytes());
        prop_assert!(
            arriving.is_ok_and(|a| a.kind == event && a.key.as_deref() == Some(&*key)),
            "{body}"
        );
    }
}

#[test]
fn the_valid_ones_are_taken_and_a_beginning_of_one_never_is() {
    for valid in VALID {
        let trimmed = valid.trim_end().as_bytes();
        for length in 0..trimmed.len() {
            assert!(!exercise(&trimmed[..length]).unwrap(), "{valid} up to {length}");
        }
        assert!(exercise(valid.as_bytes()).unwrap(), "{valid}");
    }
}
