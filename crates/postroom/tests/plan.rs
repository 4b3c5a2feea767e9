//! `postroom plan` says what would be sent: byte for byte what the live run sends, without a
//! connection, a credential or a data folder.

mod harness;

use harness::{Double, Project, Received, Reply, Stripe};
use serde_json::{Value, json};

const ORDER: &str = r#"{"event":"CREATE_STRIPE_INVOICE","payload":{"customerId":"cus_1","amount":1500,"currency":"EUR","description":"Für März & April","idempotencyKey":"k-1"}}"#;

/// What the double of Stripe will say, so that what follows from its answers is the same.
const ANSWERS: &str = "
invoice:
  draft: { body: { id: in_00001, object: invoice, status: draft } }
  finalize: { body: { id: in_00001, status: open, hosted_invoice_url: 'https://x.test' } }
";

fn project(stripe: &Stripe) -> Project {
    Project::new(&stripe.adapter()).file("order.json", ORDER).file("answers.yaml", ANSWERS)
}

fn planned(project: &Project, event: &str) -> Vec<Value> {
    let plan = project.run(&["plan", "--event", event, "--answers", "answers.yaml", "--json"]);
    plan.json()["requests"].as_array().expect("requests").clone()
}

/// A planned request must have been received like this: method, path and body byte for byte, and
/// every header it names except those with credentials.
#[track_caller]
fn same(planned: &Value, received: &Received, base: &str, correlation: bool) {
    let text = |name: &str| planned[name].as_str().expect("text").to_owned();
    assert_eq!(text("method"), received.method);
    assert_eq!(text("url"), format!("{base}{}", received.path));
    assert_eq!(text("body").as_bytes(), received.body.as_bytes());
    assert_eq!(planned["idempotency_key"].as_str().unwrap_or_default(), received.key());
    for header in planned["headers"].as_array().expect("headers") {
        let (name, value) = (header[0].as_str().expect("a name"), header[1].as_str());
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "authorization" => assert_eq!(value, Some("Bearer {api_key: STRIPE_API_KEY}")),
            "x-correlation-id" if !correlation => {}
            _ => assert_eq!(value, received.header(&name), "{name}"),
        }
    }
}

#[test]
fn a_plan_is_what_the_live_run_sends_byte_for_byte() {
    let stripe = Stripe::start();
    let project = project(&stripe);
    let before = planned(&project, "order.json");
    assert_eq!(before.len(), 4, "{before:#?}");
    assert!(stripe.double.received().is_empty(), "a plan has connected");
    assert!(!project.data().exists(), "a plan has made a data folder");

    let project = project.env("STRIPE_API_KEY", "sk_test_plan");
    let server = project.start();
    let order: Value = serde_json::from_str(ORDER).expect("JSON");
    let correlation = server.send("CREATE_STRIPE_INVOICE", &order["payload"]);
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let received = stripe.double.received();
    assert_eq!(received.len(), 4);
    for (planned, received) in before.iter().zip(&received) {
        same(planned, received, &stripe.double.url(), false);
    }

    // An event that came in is planned with its ids: nothing at all differs.
    let event = server.event(&correlation);
    project.write("event.json", &event.to_string());
    let after = planned(&project, "event.json");
    for (planned, received) in after.iter().zip(&received) {
        same(planned, received, &stripe.double.url(), true);
    }
    assert_eq!(stripe.double.received().len(), 4, "a plan has connected");
}

const TWO: &str = "\
workflow: two
on:
  - event: ORDER
    if: ${{ event.data.n > 1 }}
steps:
  - id: first
    uses: http/request
    with: { url: /first, method: POST, json: { run: \"${{ run.id }}\", n: \"${{ event.data.n }}\" } }
    retry: { attempts: 3, delay: 1s, backoff: fixed, jitter: 0 }
  - id: big
    if: ${{ event.data.n > 10 }}
    uses: http/request
    with: { url: /big }
  - id: last
    uses: http/request
    with: { url: /last, method: POST, text: \"${{ steps.big.status }}\" }
on_failure:
  - id: warn
    uses: local/echo
    with: { why: \"${{ run.failure.code }}\" }
";

fn two(double: &Double) -> Project {
    let config =
        format!("connections:\n  web: {{provider: http, baseUrl: \"{}\"}}\n", double.url());
    let other = "workflow: other\non: [{event: ORDERS}]\nsteps: [{id: a, uses: local/echo}]\n";
    Project::new(&config).workflow("two", TWO).workflow("other", other)
}

#[test]
fn a_plan_says_why() {
    let double = Double::answering(Reply::json(200, &json!({})));
    let project = two(&double)
        .file("order.json", r#"{"event":"ORDER","payload":{"n":2}}"#)
        .file("small.json", r#"{"event":"ORDER","payload":{"n":1}}"#)
        .file("answers.yaml", "first:\n  - { fail: 503, times: 2 }\n");
    let now = ["--now", "2026-11-25T09:00:00Z"];
    let plan = [&["plan", "--event", "order.json", "--answers", "answers.yaml"], &now[..]].concat();
    let text = project.run(&plan).good();
    for said in [
        "other  does not start  it waits for `ORDERS`, the event is `ORDER`",
        "two    starts          it takes `ORDER` where ${{ event.data.n > 1 }}",
        "first  done     3",
        "big    skipped         its `if` is false: ${{ event.data.n > 10 }}",
        "warn   pending         no step failed",
        "1. two/first\nPOST ",
        "-> 503 (as the answers say)",
        "3. two/first, try 3, after 2.00 s",
        "-> 201 (the example of the adapter)",
        "4. two/last, after 2.00 s\n",
        "\nskipped\n",
        "4 requests would be sent; nothing was",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    assert_eq!(project.run(&plan).good(), text, "a plan of the same comes out the same");

    let text = project.run(&["plan", "--event", "small.json"]).good();
    assert!(text.contains("its condition is false: ${{ event.data.n > 1 }}"), "{text}");
    assert!(text.contains("nothing would be sent"), "{text}");
    let one = ["plan", "--event", "order.json", "--workflow", "other", "--json"];
    assert_eq!(project.run(&one).json()["runs"], json!([]));
    assert!(double.received().is_empty(), "a plan has connected");
}

#[test]
fn lost_answers_and_refusals_are_played() {
    let double = Double::answering(Reply::json(200, &json!({})));
    let project = two(&double)
        .file("order.json", r#"{"event":"ORDER","payload":{"n":2}}"#)
        .file("answers.yaml", "two/first: { lost: timeout }\n");
    let plan = ["plan", "--event", "order.json", "--answers", "answers.yaml", "--json"];
    let plan = project.run(&plan).json();
    let run = &plan["runs"][0];
    assert_eq!(run["state"], "dead", "{plan:#}");
    assert_eq!(run["failure"]["reason"], "unknown");
    assert_eq!(run["steps"][2]["why"], "not reached: `first` failed");
    assert_eq!(run["steps"][3]["state"], "done");
    assert_eq!(plan["requests"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_cannot_be_planned_is_told() {
    let double = Double::answering(Reply::json(200, &json!({})));
    let project = two(&double)
        .file("bad.json", r#"{"event":"ORDER","payload":[]}"#)
        .file("order.json", r#"{"event":"ORDER","payload":{"n":2}}"#)
        .file("answers.yaml", "frist: { fail: 500 }\nfirst: { fial: 500 }\n");
    let code = |arguments: &[&str], said: &str| {
        let ran = project.run(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(said), "{said:?} is not in {}", ran.err);
    };
    code(&["plan", "--event", "none.json"], "cannot read none.json");
    code(&["plan", "--event", "bad.json"], "must be an object");
    code(&["plan", "--event", "order.json", "--workflow", "tow"], "did you mean `two`?");
    let answers = ["plan", "--event", "order.json", "--answers", "answers.yaml"];
    code(&answers, "did you mean `first`?");
    code(&answers, "did you mean `fail`?");
}
