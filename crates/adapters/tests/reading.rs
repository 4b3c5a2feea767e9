//! Reading page by page, and looking up what became of a call.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use postroom_adapters::{Action, Catalog, Context, HttpResponse, Looked, Paged, Planned, Reading};
use postroom_core::definition::ActionRef;
use postroom_core::{Json, Outcome};

const NOTES: &str = "
adapter: notes
title: Notes
docs: https://example.com
base_url: https://api.example.com
limit_headers:
  - { remaining: X-RateLimit-Remaining, reset: X-RateLimit-Reset, as: seconds }
errors:
  - { when: response.body.ok == false, then: refused, code: '${{ response.body.error }}' }
actions:
  - action: list
    version: 1
    summary: Reads notes.
    input: { type: object, properties: { limit: { type: integer } } }
    output: {}
    request:
      method: GET
      path: /notes
      query: { cursor: '${{ page.next }}', size: '${{ min(page.left, 2) }}' }
    pages:
      items: ${{ response.body.notes }}
      next: ${{ response.body?.next }}
      limit: ${{ input?.limit ?? 100 }}
    result: { notes: '${{ items }}', next: '${{ page.next }}', pages: '${{ page.index }}' }
  - action: make
    version: 1
    summary: Makes a note.
    input: { type: object }
    output: {}
    idempotency: none
    request: { method: POST, path: /notes, json: { marker: '${{ key }}' } }
    result: { id: '${{ response.body.id }}' }
    lookup:
      after: 2s
      request: { method: GET, path: /notes, query: { marker: '${{ key }}' } }
      found: response.body.notes.size() > 0
      result: { id: '${{ response.body.notes[0].id }}' }
";

fn action(name: &str) -> Arc<Action> {
    let mut catalog = Catalog::default();
    catalog.add("notes.yaml", NOTES).unwrap();
    let uses = ActionRef { adapter: "notes".into(), action: name.into(), version: None };
    catalog.action(&uses).unwrap().1
}

fn answer(body: &str) -> HttpResponse {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    HttpResponse { status: 200, headers, body: body.as_bytes().to_vec() }
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

/// Reads with these answers: where the requests went, and the result.
fn read(input: &str, answers: &[&str]) -> (Vec<String>, Outcome) {
    let (action, input, config) = (action("list"), json(input), Json::null());
    let context =
        Context { input: &input, results: &[], config: &config, base_url: None, key: "k" };
    let mut reading = Reading::default();
    let mut asked = Vec::new();
    for body in answers {
        let planned = action.request_page(0, &context, &mut reading).unwrap();
        let Planned::Send(request) = planned else { panic!("it is sent") };
        asked.push(request.url.replace("https://api.example.com/notes?", ""));
        if let Paged::Ended(outcome) =
            action.interpret_page(0, &answer(body), &context, &mut reading)
        {
            return (asked, outcome);
        }
    }
    panic!("another page is asked for after {asked:?}");
}

#[test]
fn pages_are_read_until_there_is_no_next() {
    let (asked, outcome) = read(
        "{}",
        &[r#"{"notes":[{"n":1},{"n":2}],"next":"c2"}"#, r#"{"notes":[{"n":3}],"next":null}"#],
    );
    assert_eq!(asked, ["size=2", "cursor=c2&size=2"]);
    let Outcome::Done { output } = outcome else { panic!("{outcome:?}") };
    assert_eq!(output.text(), r#"{"notes":[{"n":1},{"n":2},{"n":3}],"next":null,"pages":2}"#);
    for last in [r#"{"notes":[],"next":""}"#, r#"{"notes":[],"next":false}"#, r#"{"notes":[]}"#] {
        let (asked, outcome) = read("{}", &[last]);
        assert_eq!(asked.len(), 1);
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }
}

#[test]
fn no_more_is_read_than_is_wanted() {
    let page = r#"{"notes":[1,2],"next":7}"#;
    let (asked, outcome) = read(r#"{"limit":3}"#, &[page, page]);
    assert_eq!(asked, ["size=2", "cursor=7&size=1"]);
    let Outcome::Done { output } = outcome else { panic!("{outcome:?}") };
    assert_eq!(output.text(), r#"{"notes":[1,2,1],"next":7,"pages":2}"#);
    // A provider that never ends is left after a hundred pages.
    let (asked, outcome) = read(r#"{"limit":10000}"#, &[page; 101]);
    assert_eq!(asked.len(), 100);
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let (action, config) = (action("list"), Json::null());
    for limit in ["0", "-1", "10001", "\"x\""] {
        let input = json(&format!(r#"{{"limit":{limit}}}"#));
        let context =
            Context { input: &input, results: &[], config: &config, base_url: None, key: "k" };
        let failure = action.request_page(0, &context, &mut Reading::default()).unwrap_err();
        assert!(failure.message.contains("from 1 to 10000"), "{failure:?}");
    }
}

#[test]
fn an_answer_that_is_no_page_is_told_as_what_it_is() {
    let (_, outcome) = read("{}", &[r#"{"ok":false,"error":"not_authed"}"#]);
    let Outcome::Refused { failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.code, "not_authed");
    for body in [r#"{"notes":{}}"#, r#"{"other":[]}"#] {
        let (_, outcome) = read("{}", &[body]);
        let Outcome::Refused { failure } = outcome else { panic!("{outcome:?}") };
        assert!(failure.message.contains("list.pages.items"), "{failure:?}");
    }
    let long = format!(r#"{{"notes":["{}"],"next":1}}"#, "x".repeat(3 << 20));
    let (asked, outcome) = read("{}", &[&long, &long]);
    let Outcome::Refused { failure } = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("ask for fewer"), "{failure:?}");
    assert_eq!(asked.len(), 2);
}

#[test]
fn a_look_up_finds_finds_not_or_cannot_tell() {
    let (action, input, config) = (action("make"), json("{}"), Json::null());
    let context =
        Context { input: &input, results: &[], config: &config, base_url: None, key: "run-1.x" };
    assert_eq!(action.lookup_after_ms(0), Some(2_000));
    let request = action.lookup(0, &context).unwrap();
    assert_eq!(request.url, "https://api.example.com/notes?marker=run-1.x");
    assert_eq!((request.method.as_str(), request.idempotency_key), ("GET", None));
    let looked = |body: &str| action.looked(0, &answer(body), &context);
    assert_eq!(looked(r#"{"notes":[{"id":"n1"}]}"#), Looked::Found(json(r#"{"id":"n1"}"#)));
    assert_eq!(looked(r#"{"notes":[]}"#), Looked::Absent);
    for unclear in [r#"{"notes":[{"no":1}]}"#, r#"{"ok":false,"error":"x"}"#, "{}", "oops"] {
        assert!(matches!(looked(unclear), Looked::Unclear(_)), "{unclear}");
    }
    let down = HttpResponse { status: 503, ..answer("{}") };
    assert!(matches!(action.looked(0, &down, &context), Looked::Unclear(_)));
    let other = self::action("list");
    assert_eq!(other.lookup_after_ms(0), None);
    assert_eq!(other.lookup(0, &context).unwrap_err().code, "adapter/no-lookup");
}

#[test]
fn a_spent_limit_pauses_until_its_reset() {
    let mut catalog = Catalog::default();
    catalog.add("notes.yaml", NOTES).unwrap();
    let adapter = catalog.adapter("notes").unwrap();
    let paused = |remaining: &str, reset: &str| {
        let mut response = answer("{}");
        for (name, value) in [("x-ratelimit-remaining", remaining), ("X-RateLimit-Reset", reset)] {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
        adapter.paused_until_ms(&response, 1_000)
    };
    assert_eq!(paused("0", "2"), Some(3_000));
    for (remaining, reset) in [("1", "2"), ("0", "0"), ("0", "soon"), ("", "2"), ("0", "999999")] {
        assert_eq!(paused(remaining, reset), None, "{remaining} {reset}");
    }
    assert_eq!(adapter.paused_until_ms(&answer("{}"), 1_000), None);
    // An answer that says how long to wait means it.
    let mut response = HttpResponse { status: 429, ..answer("{}") };
    for (name, value) in [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "360")] {
        response.headers.push((name.to_owned(), value.to_owned()));
    }
    let until = adapter.paused_until_ms(&response, 1_000);
    response.headers.push(("Retry-After".to_owned(), "1".to_owned()));
    assert_eq!((until, adapter.paused_until_ms(&response, 1_000)), (Some(361_000), None));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (from, to, told) in [
        (
            "    idempotency: none\n",
            "    idempotency: natural\n",
            "is for calls with `idempotency: none`",
        ),
        (
            "method: GET\n      path: /notes\n",
            "method: POST\n      path: /notes\n",
            "idempotency` is missing",
        ),
        ("after: 2s", "after: 5m", "longer than 60 s"),
        ("as: seconds", "as: hours", "`limit_headers[0].as` is `hours`"),
        ("'${{ items }}'", "'${{ item }}'", "did you mean `items`?"),
        (
            "      found: response.body.notes.size() > 0\n",
            "",
            "`actions[1].lookup.found` is missing",
        ),
        (
            "marker: '${{ key }}' } }\n    result",
            "marker: '${{ page.next }}' } }\n    result",
            "`page` is not known here",
        ),
    ] {
        let text = NOTES.replacen(from, to, 1);
        assert_ne!(text, NOTES, "{from}");
        let problems = Catalog::default().add("notes.yaml", &text).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|it| it.contains(told)), "{told}: {shown:?}");
    }
}
