//! Dry runs: a live server says what an event would do and does nothing of it; a workflow or a
//! connection with `mode: dry` plans what it would change. Doubles prove that nothing came.

mod harness;

use harness::{Answer, Contract, Double, Project, Reply, Server, Stripe, TEMPLATE, unix_seconds};
use serde_json::{Value, json};

const ORDER: &str = r#"{"event":"CREATE_STRIPE_INVOICE","payload":{"customerId":"cus_1","amount":1500,"currency":"EUR","description":"Für März & April","idempotencyKey":"k-1"}}"#;
const SECRET: &str = "sk_live_never_to_be_seen";
const INGEST: &str = "/api/webhooks/ingest";

fn invoices(stripe: &Stripe) -> Project {
    Project::new(&stripe.adapter()).env("STRIPE_API_KEY", SECRET).file("order.json", ORDER)
}

fn dry(server: &Server, body: &str) -> Answer {
    post(server, &format!("{INGEST}?dry=true"), &[], body)
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let json = [("content-type", "application/json")];
    server.client.request("POST", path, &[&json[..], headers].concat(), body.as_bytes())
}

/// Asserts that the server has taken nothing in.
#[track_caller]
fn empty(server: &Server) {
    assert_eq!(server.read("/events")["data"], json!([]));
    assert_eq!(server.read("/runs")["data"], json!([]));
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("no list `{name}`: {value:#}"))
}

/// Everything of requests that does not follow from when the event came.
fn bare(plan: &Value) -> Vec<Value> {
    let mut requests = list(plan, "requests").clone();
    for request in &mut requests {
        request["at_ms"] = Value::Null;
        request["run"] = Value::Null;
        let headers = request["headers"].as_array_mut().expect("headers");
        headers.retain(|header| header[0] != "x-correlation-id");
    }
    requests
}

#[test]
fn a_dry_run_is_the_plan_of_what_is_sent_then_and_does_nothing() {
    let stripe = Stripe::start();
    let (project, server) = invoices(&stripe).start_kept();
    let answer = dry(&server, ORDER);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-dry-run"), Some("true"));
    Contract::of(&server).holds("POST", INGEST, &answer);
    let plan = answer.json();
    assert_eq!(plan["workflows"][0]["starts"], true, "{plan:#}");
    assert_eq!(plan["runs"][0]["state"], "succeeded");
    let by_file = project.run(&["plan", "--event", "order.json", "--json"]).json();
    assert_eq!(bare(&plan), bare(&by_file));
    assert_eq!(list(&plan, "requests").len(), 4);
    let by_header = post(&server, INGEST, &[("X-Dry-Run", "true")], ORDER);
    assert_eq!(bare(&by_header.json()), bare(&plan));

    let said = answer.text() + &server.log.text() + &server.told.text();
    assert!(!said.contains(SECRET), "{said}");
    assert!(said.contains("Bearer {api_key: STRIPE_API_KEY}"), "{said}");
    assert_eq!(stripe.double.lines(), Vec::<String>::new());
    empty(&server);
    // The log tells of the dry runs, and of no call that was never made.
    assert_eq!(server.log.having("dry run").len(), 2, "{}", server.log.text());
    assert!(!server.log.text().contains("/v1/invoices"), "{}", server.log.text());

    // The same event for real is no repetition, and sends what was planned.
    let sent = post(&server, &format!("{INGEST}?dry=false"), &[], ORDER);
    assert_eq!(sent.json()["status"], "queued", "{}", sent.text());
    let run = server.run(sent.json()["correlationId"].as_str().expect("an id"), &["succeeded"]);
    assert_eq!(run["dry"], Value::Null);
    let received = stripe.double.received();
    assert_eq!(received.len(), 4);
    assert_eq!(received[0].path, "/v1/customers/cus_1");
    assert_eq!(
        list(&plan, "requests")[0]["url"],
        format!("{}/v1/customers/cus_1", stripe.double.url())
    );
    assert_eq!(list(&plan, "requests")[1]["body"], received[1].body);
    assert_eq!(list(&plan, "requests")[1]["idempotency_key"], received[1].key());
}

#[test]
fn what_is_not_certainly_a_dry_run_is_refused_and_never_live() {
    let stripe = Stripe::start();
    let (_project, server) = invoices(&stripe).start_kept();
    let contract = Contract::of(&server);
    for query in ["dry", "dry=", "dry=1", "dry=True", "dry=yes", "dry=true&dry=true", "dryRun=true"]
    {
        let answer = post(&server, &format!("{INGEST}?{query}"), &[], ORDER);
        answer.problem(400, "dry-run/unclear");
        contract.holds("POST", INGEST, &answer);
    }
    for header in [("x-dry-run", "1"), ("x-dry-run", ""), ("dry-run", "true")] {
        post(&server, INGEST, &[header], ORDER).problem(400, "dry-run/unclear");
    }
    let both = post(&server, &format!("{INGEST}?dry=false"), &[("x-dry-run", "true")], ORDER);
    assert!(both.problem(400, "dry-run/unclear").contains("do not say the same"));
    // What no source takes is refused as ever.
    dry(&server, "{").problem(400, "request/malformed-json");
    dry(&server, &" ".repeat(2 << 20)).problem(413, "request/body-too-large");
    let long = json!({"event": "x".repeat(300), "payload": {}}).to_string();
    dry(&server, &long).problem(400, "request/bad-envelope");
    assert_eq!(stripe.double.lines(), Vec::<String>::new());
    empty(&server);
}

#[test]
fn the_signature_of_a_dry_run_is_verified() {
    let signed = "whsec_test_4f6a9c1be07d";
    let workflow = "workflow: paid\non: [{event: invoice.paid, source: stripe-invoice}]\nsteps:\n  \
                    - {id: note, uses: local/echo, with: {id: \"${{ event.data.id }}\"}}\n";
    let project = Project::new(TEMPLATE).env("STRIPE_WEBHOOK_SECRET", signed);
    let (_project, server) = project.workflow("paid", workflow).start_kept();
    let body = json!({"id": "evt_1", "type": "invoice.paid", "created": 1_795_437_345}).to_string();
    let ask = |secret: &str| {
        let signature = Stripe::signature(secret, unix_seconds(), &body);
        let headers = [("stripe-signature", signature.as_str())];
        post(&server, "/api/webhooks/stripe?dry=true", &headers, &body)
    };
    ask("whsec_of_somebody_else").problem(401, "source/signature-wrong");
    let plan = ask(signed);
    assert_eq!(plan.status, 200, "{}", plan.text());
    let plan = plan.json();
    assert_eq!(plan["event"]["source"], "stripe-invoice");
    assert_eq!(plan["runs"][0]["steps"][0]["state"], "done", "{plan:#}");
    assert!(!plan.to_string().contains(signed));
    empty(&server);
}

#[test]
fn an_event_that_nobody_takes_says_who_came_near() {
    let stripe = Stripe::start();
    let (_project, server) = invoices(&stripe).start_kept();
    let plan = dry(&server, r#"{"event":"CREATE_STRIPE_INVOCIE","payload":{}}"#).json();
    assert_eq!((list(&plan, "runs").len(), list(&plan, "requests").len()), (0, 0));
    let why = plan["workflows"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("CREATE_STRIPE_INVOICE"), "{plan:#}");
    assert_eq!(plan["workflows"][0]["starts"], false);
}

#[test]
fn a_dry_run_without_end_is_refused() {
    let workflow = "workflow: more\non: [{event: MORE}]\nmax_hops: 1000\nsteps:\n  \
                    - {id: one, emit: MORE}\n  - {id: two, emit: MORE}\n";
    let (_project, server) = Project::new("").workflow("more", workflow).start_kept();
    let answer = dry(&server, r#"{"event":"MORE","payload":{}}"#);
    assert!(answer.problem(422, "dry-run/endless").contains("1000 runs"), "{}", answer.text());
    empty(&server);
}

#[test]
fn send_dry_prints_the_plan_of_the_server_and_needs_one() {
    let stripe = Stripe::start();
    let project = invoices(&stripe);
    let send = ["send", "--file", "order.json", "--dry"];
    let none = project.run(&send);
    assert_eq!(none.code, Some(3), "{none:?}");
    assert!(none.err.contains("postroom plan"), "{}", none.err);
    assert!(!project.data().exists(), "a dry run has made a data folder");

    let server = project.start();
    let text = project.run(&send).good();
    for said in ["becomes", "finalize", "4 requests would be sent; nothing was", "the run ends"] {
        let found = text.to_lowercase().contains(said);
        assert!(found, "{said:?} is not in\n{text}");
    }
    let plan = project.run(&[&send[..], &["--json"]].concat()).json();
    assert_eq!(bare(&plan), bare(&dry(&server, ORDER).json()));
    assert_eq!(stripe.double.lines(), Vec::<String>::new());
    empty(&server);
}

/// Reads, writes and tells, over connections of these modes.
fn shop(web: &Double, slack: &Double, modes: [&str; 2]) -> String {
    let [web_mode, slack_mode] = modes;
    format!(
        "connections:\n  web: {{provider: http, baseUrl: \"{}\", mode: {web_mode}}}\n  \
         team: {{provider: slack, baseUrl: \"{}\", mode: {slack_mode}}}\n",
        web.url(),
        slack.url()
    )
}

const SHOP: &str = "\
workflow: shop
on: [{ event: ORDER }]
steps:
  - id: look
    uses: http/request
    with: { url: /stock, method: GET }
  - id: order
    uses: http/request
    with: { url: /orders, method: POST, json: { sku: \"${{ event.data.sku }}\" } }
  - id: tell
    uses: slack/post_message
    retry: { attempts: 1 }
    with: { channel: \"#shop\", text: \"${{ event.data.sku }} ordered: ${{ steps.order.output.body.id }}\" }
";

const TOKEN: &str = "xoxb-never-to-be-seen";

fn doubles() -> (Double, Double) {
    let web = Double::answering(Reply::json(200, &json!({ "id": "real", "left": 3 })));
    (web, Double::answering(Reply::json(200, &json!({ "ok": true, "channel": "C1", "ts": "1.0" }))))
}

/// The entry of a journal about the end of a step.
#[track_caller]
fn ended<'a>(run: &'a Value, step: &str) -> &'a Value {
    let found = list(run, "journal").iter().find(|entry| entry["step"] == step);
    found.unwrap_or_else(|| panic!("no `{step}`: {run:#}"))
}

#[test]
fn a_dry_connection_reads_for_real_and_plans_what_changes_something() {
    let (web, slack) = doubles();
    let project = Project::new(&shop(&web, &slack, ["dry", "dry"])).workflow("shop", SHOP);
    let (project, server) = project.env("SLACK_BOT_TOKEN", TOKEN).start_kept();
    for name in ["web", "team"] {
        let warned = server.log.having(&format!("connection `{name}` has `mode: dry`"));
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(warned[0].contains("WARN"), "{warned:?}");
    }
    // A sender that puts a secret into an event does not find it in the journal's requests.
    let correlation = server.send("ORDER", &json!({ "sku": format!("A-1 {TOKEN}") }));
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["dry"]), (&json!("succeeded"), &json!(true)), "{run:#}");
    assert_eq!(web.lines(), ["GET /stock"]);
    assert_eq!(slack.lines(), Vec::<String>::new());

    let look = ended(&run, "look");
    assert_eq!((&look["dry"], &look["planned"]), (&Value::Null, &Value::Null), "{look:#}");
    assert_eq!(look["output"]["body"]["left"], 3);
    let order = ended(&run, "order");
    assert_eq!(order["dry"], true, "{order:#}");
    let planned = json!({
        "method": "POST",
        "url": format!("{}/orders", web.url()),
        "body": "{\"sku\":\"A-1 ***\"}",
    });
    assert_eq!(order["planned"], planned);
    assert_eq!(order["output"]["body"]["id"], "ord_1", "the example of the manifest");
    let tell = &ended(&run, "tell")["planned"];
    assert_eq!(tell["url"], format!("{}/chat.postMessage", slack.url()), "{tell:#}");
    assert!(tell["body"].as_str().is_some_and(|body| body.contains("ordered: ord_1")), "{tell:#}");
    let requests = [&order["planned"], tell];
    assert!(requests.iter().all(|planned| !planned.to_string().contains(TOKEN)), "{run:#}");

    let contract = Contract::of(&server);
    let path = format!("/runs/{}", run["id"].as_str().expect("an id"));
    contract.holds("GET", "/api/v1/runs/{id}", &server.api("GET", &path, ""));
    contract.holds("GET", "/api/v1/runs", &server.api("GET", "/runs", ""));
    contract.holds("GET", "/api/v1/connections", &server.api("GET", "/connections", ""));
    assert_eq!(server.read("/runs")["data"][0]["dry"], true);
    let labels = "postroom_planned_total{adapter=\"http\",action=\"request\"}";
    assert_eq!(server.metric(labels), Some(1.0));
    told_as_dry(&project, &run);
}

/// Asserts that nobody who looks at a dry run on the command line takes it for a real one.
#[track_caller]
fn told_as_dry(project: &Project, run: &Value) {
    let id = run["id"].as_str().expect("an id");
    let listed = project.run(&["runs", "list"]).good();
    assert!(listed.contains("succeeded (dry)"), "{listed}");
    let event = project.run(&["events", "show", run["event"].as_str().expect("an id")]).good();
    assert!(event.contains("succeeded (dry)"), "{event}");
    let shown = project.run(&["runs", "show", id]).good();
    for said in ["succeeded (dry)", "planned", "[planned, not sent]", r#"body: {"sku":"A-1 ***"}"#]
    {
        assert!(shown.contains(said), "{said:?} is not in\n{shown}");
    }
}

#[test]
fn an_action_that_reads_and_writes_is_planned_whole() {
    let stripe = Stripe::start();
    let config = stripe.adapter().replace("provider: stripe", "provider: stripe, mode: dry");
    let (_project, server) = Project::new(&config).start_kept();
    // Not even its credential is needed.
    let order: Value = serde_json::from_str(ORDER).expect("JSON");
    let correlation = server.send("CREATE_STRIPE_INVOICE", &order["payload"]);
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["dry"]), (&json!("succeeded"), &json!(true)), "{run:#}");
    assert_eq!(stripe.double.lines(), Vec::<String>::new());
    let planned: Vec<&Value> = list(&run, "journal")
        .iter()
        .filter(|entry| entry["planned"].is_object())
        .map(|entry| &entry["planned"])
        .collect();
    // As they would have been sent, by a plan of the same.
    let plan = dry(&server, ORDER).json();
    let wanted = list(&plan, "requests");
    assert_eq!(planned.len(), 4, "{run:#}");
    for (planned, wanted) in planned.iter().zip(wanted) {
        assert_eq!((&planned["method"], &planned["url"]), (&wanted["method"], &wanted["url"]));
        assert_eq!(planned["idempotency_key"], wanted["idempotency_key"]);
        assert_eq!(planned["body"].as_str().unwrap_or_default(), wanted["body"]);
        assert_eq!(wanted["dry"], true, "a plan says what a live run would only plan");
    }
}

#[test]
fn a_dry_workflow_emits_nothing_either() {
    let (web, slack) = doubles();
    let after = "workflow: after\non: [{ event: ORDERED }]\nsteps:\n  - id: call\n    \
                 uses: http/request\n    with: { url: /after, method: POST }\n";
    let emit = "  - { id: pass, emit: ORDERED, key: \"${{ event.data.sku }}\", with: { n: 1 } }\n";
    let project = Project::new(&shop(&web, &slack, ["live", "live"])).workflow("after", after);
    let project = project.workflow("shop", &format!("mode: dry\n{SHOP}{emit}"));
    let (_project, server) = project.env("SLACK_BOT_TOKEN", TOKEN).start_kept();
    assert_eq!(server.log.having("workflow `shop` has `mode: dry`").len(), 1);
    let run = server.run(&server.send("ORDER", &json!({ "sku": "A-1" })), &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["dry"]), (&json!("succeeded"), &json!(true)), "{run:#}");
    assert_eq!(web.lines(), ["GET /stock"]);
    assert_eq!(slack.lines(), Vec::<String>::new());
    let pass = ended(&run, "pass");
    let planned = json!({ "event": "ORDERED", "idempotency_key": "A-1", "body": "{\"n\":1}" });
    assert_eq!((&pass["dry"], &pass["planned"]), (&json!(true), &planned), "{pass:#}");
    assert_eq!(list(&server.read("/events"), "data").len(), 1, "an event was emitted");
    assert_eq!(list(&server.read("/runs"), "data").len(), 1, "a run was started");
}

#[test]
fn modes_that_nobody_knows_are_refused_with_their_place() {
    let refused = |config: &str, mode: &str, said: &[&str]| {
        let project = Project::new(config).workflow("shop", &format!("{mode}{SHOP}")).refused();
        assert_eq!(project.code, Some(2), "{project:?}");
        for said in said {
            assert!(project.text.contains(said), "{said:?} is not in {}", project.text);
        }
    };
    let hint = "write `dry`";
    let web = "connections:\n  web: {provider: http, mode: dyr}\n";
    refused(web, "", &["automation.config.yaml:2:31", "`connections.web.mode` is `dyr`", hint]);
    let entry = "adapters:\n  - {name: pay, provider: stripe, mode: DRY}\n";
    refused(entry, "", &["automation.config.yaml:2:41", "`adapters[0].mode` is `DRY`", hint]);
    refused("", "mode: on\n", &["workflows/shop.yaml:1:7", "`mode`"]);
    // A variable that is not set is no mode.
    let unset = "connections:\n  web: {provider: http, mode: \"${MODE}\"}\n";
    refused(unset, "", &["config/missing-env"]);
}

#[test]
fn a_redrive_after_the_mode_is_gone_sends_only_what_was_not_done() {
    let (web, slack) = doubles();
    let refusal = Reply::json(200, &json!({ "ok": false, "error": "channel_not_found" }));
    slack.fault("chat.postMessage", 1, &harness::Fault::Instead(refusal));
    let project = Project::new(&shop(&web, &slack, ["dry", "live"])).workflow("shop", SHOP);
    let project = project.env("SLACK_BOT_TOKEN", TOKEN);
    let server = project.start();
    let run = server.run(&server.send("ORDER", &json!({ "sku": "A-1" })), &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["dry"]), (&json!("dead"), &json!(true)), "{run:#}");
    server.kill();

    project.write("automation.config.yaml", &shop(&web, &slack, ["live", "live"]));
    let server = project.start();
    let id = run["id"].as_str().expect("an id");
    assert_eq!(server.api("POST", &format!("/runs/{id}/redrive"), "").status, 200);
    let run = server.run_by_id(id, &["succeeded", "dead"]);
    // What was planned counts as done: the order is never placed, and the run stays marked.
    assert_eq!((&run["state"], &run["dry"]), (&json!("succeeded"), &json!(true)), "{run:#}");
    assert_eq!(web.lines(), ["GET /stock"]);
    assert_eq!(slack.lines().len(), 2);
    // A new event goes out for real.
    let run = server.run(&server.send("ORDER", &json!({ "sku": "A-2" })), &["succeeded"]);
    assert_eq!(run["dry"], Value::Null, "{run:#}");
    assert_eq!(web.lines(), ["GET /stock", "GET /stock", "POST /orders"]);
}

#[test]
fn what_a_dry_run_calls_is_dry_with_it() {
    let (web, slack) = doubles();
    let pack = "workflow: pack\non: [call]\nsteps:\n  - id: call\n    uses: http/request\n    \
                with: { url: /pack, method: POST }\n";
    let ship = "workflow: ship\nMODEon: [{ event: SHIP }]\nsteps:\n  - id: pack\n    call: pack\n";
    let project = Project::new(&shop(&web, &slack, ["live", "live"])).workflow("pack", pack);
    let project = project.workflow("ship", &ship.replace("MODE", "mode: dry\n"));
    let server = project.start();
    let run = server.run(&server.send("SHIP", &json!({})), &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["dry"]), (&json!("succeeded"), &json!(true)), "{run:#}");
    assert_eq!(run["output"]["body"]["id"], "ord_1", "{run:#}");
    assert_eq!(web.lines(), Vec::<String>::new());
    let runs = server.read("/runs?workflow=pack");
    assert_eq!((&runs["data"][0]["dry"], &runs["data"][0]["mode"]), (&json!(true), &json!("dry")));
    server.kill();

    project.write("workflows/ship.yaml", &ship.replace("MODE", ""));
    let server = project.start();
    let run = server.run(&server.send("SHIP", &json!({})), &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["dry"]), (&json!("succeeded"), &Value::Null), "{run:#}");
    assert_eq!(web.lines(), ["POST /pack"]);
}
