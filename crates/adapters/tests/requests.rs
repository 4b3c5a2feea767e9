//! Exact requests, and inputs that try to leave their place.

#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postroom_adapters::{
    Action, Catalog, Context, HttpRequest, HttpResponse, Idempotency, Lost, Planned,
};
use postroom_core::definition::ActionRef;
use postroom_core::{Failure, Json, Outcome};
use std::sync::Arc;

fn action(adapter: &str, name: &str) -> Arc<Action> {
    let uses = ActionRef { adapter: adapter.into(), action: name.into(), version: None };
    Catalog::builtin().action(&uses).unwrap().1
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

fn plan(action: &Action, call: usize, input: &str) -> Result<Planned, Failure> {
    let (input, config) = (json(input), Json::null());
    let context =
        Context { input: &input, results: &[], config: &config, base_url: None, key: "run_1.step" };
    action.request(call, &context)
}

fn sent(action: &Action, input: &str) -> HttpRequest {
    match plan(action, 0, input).unwrap() {
        Planned::Send(request) => request,
        Planned::Skip => panic!("skipped"),
    }
}

fn text_of(request: &HttpRequest) -> String {
    let mut out = format!("{} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        out += &format!("{name}: {value}\n");
    }
    for secret in &request.secrets {
        out += &format!("{}: {} <- {}\n", secret.header, secret.template, secret.credential);
    }
    out + "\n" + &String::from_utf8(request.body.clone()).unwrap()
}

#[test]
fn the_four_requests_of_a_stripe_invoice() {
    let action = action("stripe", "create_invoice");
    let input = json(r#"{"customerId":"cus_test","amount":1500,"currency":"usd"}"#);
    action.check_input(&input).unwrap();
    let config = Json::null();
    let answers = [
        r#"{"id":"cus_test","object":"customer"}"#,
        r#"{"id":"in_1","object":"invoice","status":"draft"}"#,
        r#"{"id":"ii_1","object":"invoiceitem"}"#,
        r#"{"id":"in_1","status":"open","hosted_invoice_url":"https://invoice.stripe.com/i/1"}"#,
    ];
    let mut results = Vec::new();
    let mut requests = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        let context = Context {
            input: &input,
            results: &results,
            config: &config,
            base_url: None,
            key: "run_1.invoice",
        };
        let Planned::Send(request) = action.request(index, &context).unwrap() else { panic!() };
        requests.push(text_of(&request));
        let response =
            HttpResponse { status: 200, headers: vec![], body: answer.as_bytes().to_vec() };
        let Outcome::Done { output } = action.interpret(index, &response, &context) else {
            panic!("{answer}")
        };
        results.push((action.calls[index].id.clone(), output));
    }
    assert_eq!(
        requests,
        [
            "GET https://api.stripe.com/v1/customers/cus_test\n\
             Stripe-Version: 2026-10-28.endive\n\
             Authorization: Bearer {} <- api_key\n\n",
            "POST https://api.stripe.com/v1/invoices\n\
             Stripe-Version: 2026-10-28.endive\n\
             Idempotency-Key: run_1.invoice.draft\n\
             Content-Type: application/x-www-form-urlencoded\n\
             Authorization: Bearer {} <- api_key\n\n\
             customer=cus_test&collection_method=send_invoice&days_until_due=30&\
             auto_advance=false&pending_invoice_items_behavior=exclude&currency=usd",
            "POST https://api.stripe.com/v1/invoiceitems\n\
             Stripe-Version: 2026-10-28.endive\n\
             Idempotency-Key: run_1.invoice.item\n\
             Content-Type: application/x-www-form-urlencoded\n\
             Authorization: Bearer {} <- api_key\n\n\
             customer=cus_test&invoice=in_1&amount=1500&currency=usd",
            "POST https://api.stripe.com/v1/invoices/in_1/finalize\n\
             Stripe-Version: 2026-10-28.endive\n\
             Idempotency-Key: run_1.invoice.finalize\n\
             Authorization: Bearer {} <- api_key\n\n",
        ]
    );
    let context = Context {
        input: &input,
        results: &results,
        config: &config,
        base_url: None,
        key: "run_1.invoice",
    };
    assert_eq!(
        action.output(&context).unwrap().text(),
        r#"{"stripeInvoiceId":"in_1","status":"open","hostedUrl":"https://invoice.stripe.com/i/1"}"#
    );
}

#[test]
fn optional_inputs_reach_stripe() {
    let action = action("stripe", "create_invoice");
    let input = json(
        r#"{"customerId":"c","amount":15e2,"currency":"EUR","description":"Für März & April",
            "collectionMethod":"charge_automatically","metadata":{"order id":"7","n":1}}"#,
    );
    action.check_input(&input).unwrap();
    let results = [
        ("customer".to_owned(), json(r#"{"id":"c"}"#)),
        ("draft".to_owned(), json(r#"{"id":"in_1"}"#)),
    ];
    let config = Json::null();
    let base_url = Some("http://127.0.0.1:12111/");
    let context = Context { input: &input, results: &results, config: &config, base_url, key: "k" };
    let Planned::Send(draft) = action.request(1, &context).unwrap() else { panic!() };
    assert_eq!(draft.url, "http://127.0.0.1:12111/v1/invoices");
    assert_eq!(
        String::from_utf8(draft.body).unwrap(),
        "customer=c&collection_method=charge_automatically&auto_advance=false&\
         pending_invoice_items_behavior=exclude&currency=eur&\
         description=F%C3%BCr+M%C3%A4rz+%26+April&metadata%5Border+id%5D=7&metadata%5Bn%5D=1"
    );
    let Planned::Send(item) = action.request(2, &context).unwrap() else { panic!() };
    let body = String::from_utf8(item.body).unwrap();
    assert!(body.contains("&amount=1500&currency=eur&"), "{body}");
}

#[test]
fn inputs_that_do_not_fit_are_told_before_anything_is_sent() {
    let action = action("stripe", "create_invoice");
    let failure = action
        .check_input(&json(r#"{"customerld":"cus_1","amount":"1500","currency":"usd"}"#))
        .unwrap_err();
    assert_eq!(failure.code, "adapter/input");
    assert_eq!(
        failure.message,
        "stripe/create_invoice: `input.customerId` is missing; `input.customerld` is not known; \
         `input.amount` must be a whole number, but is the text `1500`"
    );
    assert_eq!(failure.hint.as_deref(), Some("did you mean `customerId`?"));
    for input in ["null", "[]", "\"x\"", "1e999", r#"{"amount":{}}"#] {
        assert!(action.check_input(&json(input)).is_err(), "{input}");
    }
    let huge = format!(r#"{{"customerId":"{}","amount":1,"currency":"usd"}}"#, "x".repeat(9 << 20));
    assert!(action.check_input(&json(&huge)).unwrap_err().message.len() < 500);
}

#[test]
fn a_path_segment_cannot_climb_or_vanish() {
    let action = action("stripe", "create_invoice");
    let url = |id: &str| {
        let input = serde_json::json!({"customerId": id, "amount": 1, "currency": "usd"});
        plan(&action, 0, &input.to_string()).map(|planned| match planned {
            Planned::Send(request) => request.url,
            Planned::Skip => panic!("skipped"),
        })
    };
    let base = "https://api.stripe.com/v1/customers/";
    for (id, path) in [
        ("../balance", "..%2Fbalance"),
        ("a/b?c=d#e", "a%2Fb%3Fc%3Dd%23e"),
        ("%2e%2e/x", "%252e%252e%2Fx"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        ("a\0b", "a%00b"),
        ("kündin", "k%C3%BCndin"),
        ("..a", "..a"),
    ] {
        assert_eq!(url(id).unwrap(), format!("{base}{path}"));
    }
    for id in ["", ".", ".."] {
        assert_eq!(url(id).unwrap_err().code, "adapter/bad-url", "{id}");
    }
    assert_eq!(url(&"x".repeat(10_000)).unwrap_err().code, "adapter/url-too-long");
}

#[test]
fn a_generic_request_carries_what_it_is_given() {
    let action = action("http", "request");
    let request = sent(
        &action,
        r#"{"url":"https://api.example.com/a?b=1","method":"POST","headers":{"X-A":"1","x-n":2,
            "X-Gone":null},"query":{"q":"a b","l":["x"]},"json":{"big":12345678901234567890123}}"#,
    );
    assert_eq!(
        text_of(&request),
        "POST https://api.example.com/a?b=1&q=a+b&l%5B0%5D=x\nX-A: 1\nx-n: 2\n\
         Content-Type: application/json; charset=utf-8\n\n{\"big\":12345678901234567890123}"
    );
    let get = sent(&action, r#"{"url":"http://localhost:8080/"}"#);
    assert_eq!(text_of(&get), "GET http://localhost:8080/\n\n");
    let form = sent(&action, r#"{"url":"https://e.com","method":"PUT","form":{"a":{"b":true}}}"#);
    assert_eq!(form.body, b"a%5Bb%5D=true");
    let json = sent(&action, r#"{"url":"https://e.com","method":"PUT","json":null}"#);
    assert_eq!(json.body, b"null");
    let own = sent(
        &action,
        r#"{"url":"https://e.com","method":"POST","text":"<a/>",
            "headers":{"content-type":"application/xml"}}"#,
    );
    assert_eq!(text_of(&own), "POST https://e.com\ncontent-type: application/xml\n\n<a/>");
}

#[test]
fn a_generic_request_refuses_what_is_not_safe() {
    let action = action("http", "request");
    for (input, code) in [
        (r#"{"url":"ftp://e.com"}"#, "adapter/bad-url"),
        (r#"{"url":"https://e.com/ x"}"#, "adapter/bad-url"),
        (r#"{"url":"https://user:pass@e.com"}"#, "adapter/bad-url"),
        (r#"{"url":"https://e.com\r\nX: y"}"#, "adapter/bad-url"),
        (r#"{"url":"/relative"}"#, "adapter/no-base-url"),
        (r#"{"url":"https://e.com","headers":{"X":"a\r\nEvil: 1"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"X":"a\u0000"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"X":"é"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"X Y":"a"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"X\n":"a"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"Host":"evil"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"content-length":"1"}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":{"X":["a"]}}"#, "adapter/bad-header"),
        (r#"{"url":"https://e.com","headers":["a"]}"#, "adapter/bad-request"),
        (r#"{"url":"https://e.com","query":[1]}"#, "adapter/bad-request"),
        (r#"{"url":"https://e.com","json":1,"text":"x"}"#, "adapter/bad-request"),
        (r#"{"url":"https://e.com","form":"a=b"}"#, "adapter/bad-request"),
        (r#"{"url":"https://e.com","method":"GET\r\n"}"#, "adapter/bad-method"),
        (r#"{"url":5}"#, "adapter/bad-url"),
        (r#"{"url":null}"#, "expr/null"),
        (r"{}", "expr/missing-field"),
    ] {
        match plan(&action, 0, input) {
            Err(failure) => assert_eq!(failure.code, code, "{input}: {}", failure.message),
            Ok(planned) => panic!("{input}: {planned:?}"),
        }
    }
    let long = format!(r#"{{"url":"https://e.com/{}"}}"#, "x".repeat(9000));
    assert_eq!(plan(&action, 0, &long).unwrap_err().code, "adapter/url-too-long");
    let huge = format!(r#"{{"url":"https://e.com","text":"{}"}}"#, "x".repeat(9 << 20));
    assert_eq!(plan(&action, 0, &huge).unwrap_err().code, "expr/output");
}

#[test]
fn what_repeating_does_decides_what_a_lost_answer_means() {
    let action = action("http", "request");
    let config = Json::null();
    for (method, extra, idempotency) in [
        ("GET", "", Idempotency::Read),
        ("HEAD", "", Idempotency::Read),
        ("PUT", "", Idempotency::Natural),
        ("DELETE", "", Idempotency::Natural),
        ("POST", "", Idempotency::None),
        ("PATCH", "", Idempotency::None),
        ("POST", r#","idempotencyHeader":"Idempotency-Key""#, Idempotency::Key),
    ] {
        let input = json(&format!(r#"{{"url":"https://e.com","method":"{method}"{extra}}}"#));
        let context =
            Context { input: &input, results: &[], config: &config, base_url: None, key: "k-1" };
        assert_eq!(action.idempotency(0, &context), idempotency, "{method}{extra}");
        let Planned::Send(request) = action.request(0, &context).unwrap() else { panic!() };
        let key = (idempotency == Idempotency::Key).then(|| "k-1".to_owned());
        assert_eq!(request.idempotency_key, key);
        let header = ("Idempotency-Key".to_owned(), "k-1".to_owned());
        assert_eq!(request.headers.contains(&header), key.is_some());
        let lost = |lost| action.lost(0, &context, lost, "reset by peer");
        assert!(matches!(lost(Lost::NotSent), Outcome::Retry { .. }));
        for cause in [Lost::NoAnswer, Lost::TimedOut] {
            let unknown = matches!(lost(cause), Outcome::Unknown { .. });
            assert_eq!(unknown, idempotency == Idempotency::None, "{method}{extra}");
        }
    }
    let slack = self::action("slack", "post_message");
    let input = json(r#"{"channel":"c","text":"t"}"#);
    let context =
        Context { input: &input, results: &[], config: &config, base_url: None, key: "k" };
    let Outcome::Unknown { failure } = slack.lost(0, &context, Lost::TimedOut, "") else {
        panic!()
    };
    assert_eq!(failure.code, "call/timeout");
    assert_eq!(failure.message, "Slack did not answer in time");
}

#[test]
fn words_of_a_failure_are_the_providers() {
    let action = action("stripe", "create_invoice");
    let input = json(r#"{"customerId":"c","amount":1,"currency":"usd"}"#);
    let config = Json::null();
    let context =
        Context { input: &input, results: &[], config: &config, base_url: None, key: "k" };
    let body = br#"{"error":{"type":"card_error","code":"card_declined",
        "decline_code":"insufficient_funds","message":"Your card was declined."}}"#;
    let response = HttpResponse { status: 402, headers: vec![], body: body.to_vec() };
    let Outcome::Refused { failure } = action.interpret(3, &response, &context) else { panic!() };
    assert_eq!(failure.code, "card_declined");
    assert_eq!(failure.message, "Your card was declined. (insufficient_funds)");
    assert_eq!(failure.status, Some(402));
}

#[test]
fn hostile_answers_come_to_an_outcome() {
    let config = Json::null();
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let bodies: Vec<Vec<u8>> = vec![
        vec![],
        vec![0, 159, 146, 150],
        deep.into_bytes(),
        b"{\"error\":".to_vec(),
        b"{\"error\":{\"message\":\"a\\u0000\\r\\nb\"}}".to_vec(),
        b"null".to_vec(),
        b"\xEF\xBB\xBF{}".to_vec(),
        vec![b'x'; 9 << 20],
        br#"{"ok":"yes","deleted":"no","id":{}}"#.to_vec(),
    ];
    for (adapter, name) in [("stripe", "refund"), ("slack", "post_message"), ("http", "request")] {
        let action = action(adapter, name);
        let input = json(r#"{"url":"https://e.com","channel":"c"}"#);
        let context =
            Context { input: &input, results: &[], config: &config, base_url: None, key: "k" };
        for status in [0, 100, 200, 204, 301, 404, 500, 999] {
            for body in &bodies {
                let headers = vec![
                    ("Content-Type".into(), "application/json".into()),
                    ("x".into(), "\n".into()),
                ];
                let response = HttpResponse { status, headers, body: body.clone() };
                match action.interpret(0, &response, &context) {
                    Outcome::Done { .. } => assert!((200..300).contains(&status)),
                    Outcome::Retry { failure, .. }
                    | Outcome::Refused { failure }
                    | Outcome::Unknown { failure } => {
                        assert!(failure.message.len() < 5_000, "{}", failure.message.len());
                        assert!(!failure.message.contains(['\n', '\r', '\0']));
                        assert!(!failure.code.is_empty());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_skipped_call_sends_nothing_and_a_wrong_index_is_told() {
    let mut catalog = Catalog::builtin();
    let text = "
adapter: two
title: Two
docs: https://example.com
base_url: https://api.example.com
actions:
  - action: find_or_make
    version: 1
    summary: Makes what is not there.
    input: { type: object }
    output: {}
    calls:
      - id: find
        request: { method: GET, path: /things }
        result: { id: '${{ response.body?.id }}' }
      - id: make
        if: calls.find.id == null
        idempotency: natural
        request: { method: PUT, path: /things, lists: repeat, query: { tag: [a, b] } }
    return: ${{ calls.find.id ?? calls.make.id }}
";
    catalog.add("two.yaml", text).unwrap();
    let uses = ActionRef { adapter: "two".into(), action: "find_or_make".into(), version: None };
    let (_, action) = catalog.action(&uses).unwrap();
    let (input, config) = (json("{}"), Json::null());
    for (found, skipped) in [(r#"{"id":"t_1"}"#, true), (r#"{"id":null}"#, false)] {
        let results = [("find".to_owned(), json(found))];
        let context =
            Context { input: &input, results: &results, config: &config, base_url: None, key: "k" };
        match action.request(1, &context).unwrap() {
            Planned::Skip => assert!(skipped),
            Planned::Send(request) => {
                assert!(!skipped);
                assert_eq!(request.url, "https://api.example.com/things?tag=a&tag=b");
                assert_eq!(request.idempotency_key, None);
            }
        }
        let output = action.output(&context);
        assert_eq!(output.is_ok(), skipped);
    }
    assert_eq!(plan(&action, 7, "{}").unwrap_err().code, "adapter/no-such-call");
}

#[test]
fn secrets_are_filled_in_without_being_shown() {
    let catalog = Catalog::builtin();
    let mut auth = catalog.adapter("stripe").unwrap().auth[0].clone();
    assert_eq!(auth.fill("sk_test_1\n").unwrap(), "Bearer sk_test_1");
    let failure = auth.fill("sk_test\nX: y").unwrap_err();
    assert!(!failure.message.contains("sk_test"), "{failure:?}");
    auth.basic = true;
    auth.template = "{}:".into();
    assert_eq!(auth.fill("sk_test_1").unwrap(), "Basic c2tfdGVzdF8xOg==");
}

#[test]
fn credentials_stand_in_paths_and_beside_settings_only_when_sent() {
    let mut catalog = Catalog::default();
    let text = r#"
adapter: bot
title: Bot
docs: https://example.com
base_url: https://api.example.com/v1
credentials:
  token: { env: BOT_TOKEN, summary: Token. }
auth:
  - { path: "bot{}", credential: token }
  - { header: Authorization, basic: true, template: "${{ connection.account }}:{}", credential: token }
actions:
  - action: ask
    version: 1
    summary: Asks.
    input: { type: object }
    output: {}
    request: { method: GET, path: /ask }
"#;
    catalog.add("bot.yaml", text).unwrap();
    let uses = ActionRef { adapter: "bot".into(), action: "ask".into(), version: None };
    let (_, action) = catalog.action(&uses).unwrap();
    let (input, config) = (json("{}"), json(r#"{"account":"AC1"}"#));
    let context =
        Context { input: &input, results: &[], config: &config, base_url: None, key: "k" };
    let Planned::Send(mut request) = action.request(0, &context).unwrap() else { panic!() };
    assert_eq!(request.url, "https://api.example.com/v1/***/ask");
    for slot in std::mem::take(&mut request.secrets) {
        request.fill(&slot, "12:a/b").unwrap();
    }
    assert_eq!(request.url, "https://api.example.com/v1/bot12:a%2Fb/ask");
    let (_, basic) = request.headers.iter().find(|(name, _)| name == "Authorization").unwrap();
    assert_eq!(basic, "Basic QUMxOjEyOmEvYg==");
    for (from, to, told) in [
        ("bot{}", "bot", "needs one `{}`"),
        ("bot{}", "a/{}", "one segment"),
        ("connection.account", "input.account", "`input` is not known here"),
        ("path: \"bot{}\", ", "", "needs `header` with `template`, or `path` alone"),
    ] {
        let problems = Catalog::default().add("bot.yaml", &text.replace(from, to)).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|it| it.contains(told)), "{told}: {shown:?}");
    }
}

#[test]
fn the_sandbox_makes_one_object_for_one_key() {
    let action = action("stripe", "create_customer");
    let (input, config) = (json(r#"{"email":"a@b.c"}"#), Json::null());
    let body = |key: &str| {
        let context = Context { input: &input, results: &[], config: &config, base_url: None, key };
        let Planned::Send(request) = action.request(0, &context).unwrap() else { panic!() };
        assert_eq!(request.idempotency_key.as_deref(), Some(key));
        let response = action.sandbox(0, &request, &context).unwrap();
        assert_eq!(response.status, 200);
        String::from_utf8(response.body).unwrap()
    };
    assert_eq!(body("k-1"), body("k-1"));
    assert_ne!(body("k-1"), body("k-2"));
    assert!(body("k-1").contains(r#""email":"a@b.c""#), "{}", body("k-1"));
}

#[test]
fn an_action_only_reads_if_every_call_is_known_to() {
    let (config, results) = (Json::null(), []);
    let only_reads = |action: &Action, input: &str| {
        let input = json(input);
        let results = &results;
        let context =
            Context { input: &input, results, config: &config, base_url: None, key: "run_1.step" };
        action.only_reads(&context)
    };
    let request = action("http", "request");
    for (method, reads) in
        [("GET", true), ("HEAD", true), ("OPTIONS", false), ("POST", false), ("DELETE", false)]
    {
        let input = format!(r#"{{"url":"https://a.test/","method":"{method}"}}"#);
        assert_eq!(only_reads(&request, &input), reads, "{method}");
    }
    assert!(only_reads(&request, r#"{"url":"https://a.test/"}"#));
    // What cannot be evaluated may be anything.
    assert!(!only_reads(&request, r#"{"method":7}"#));
    // Its first call reads, the others do not.
    let invoice = action("stripe", "create_invoice");
    assert!(!only_reads(&invoice, r#"{"customerId":"c","amount":1,"currency":"eur"}"#));
}

/// An adapter that sends messages as Gmail takes them.
const POST: &str = r#"
adapter: post
title: Post
docs: docs/adapters.md
base_url: https://post.example
actions:
  - action: send
    version: 1
    summary: Sends a message.
    input: { type: object }
    output: {}
    idempotency: none
    request:
      method: POST
      path: /send
      mail:
        from: ${{ input?.from }}
        to: ${{ input.to }}
        subject: Paid, ${{ input?.name }}
        text: Thank you.
      headers: { X-Length: "${{ mail.size() }}" }
      json: { raw: "${{ base64url(mail) }}" }
"#;

#[test]
fn a_message_is_composed_and_read_by_the_rest_of_the_request() {
    let mut catalog = Catalog::default();
    catalog.add("post.yaml", POST).unwrap();
    let uses = ActionRef { adapter: "post".into(), action: "send".into(), version: None };
    let action = catalog.action(&uses).unwrap().1;
    let request = sent(&action, r#"{"to": ["ann@example.com"], "from": "b@x.org", "name": "Zoë"}"#);
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let raw = URL_SAFE_NO_PAD.decode(body["raw"].as_str().unwrap()).unwrap();
    let raw = String::from_utf8(raw).unwrap();
    assert!(raw.starts_with("From: b@x.org\r\nTo: ann@example.com\r\nSubject: Paid, =?utf-8?b?"));
    assert!(raw.ends_with("\r\n\r\nThank you.\r\n"), "{raw}");
    assert_eq!(request.headers[0], ("X-Length".to_owned(), raw.len().to_string()));

    let failure = plan(&action, 0, r#"{"to": "a@x.org\nBcc: eve@example.com", "name": "A"}"#);
    let failure = failure.unwrap_err();
    assert_eq!(failure.code, "adapter/bad-mail");
    assert_eq!(
        failure.message,
        "post/send, send.request.mail.to: holds a line break or a control character"
    );
}

#[test]
fn a_message_has_the_fields_it_has_and_is_read_after_it_is_composed() {
    for (from, to, told) in [
        ("subject: Paid", "subjct: Paid", "`actions[0].request.mail.subjct` is not known here"),
        ("path: /send", "path: \"/${{ mail }}\"", "`mail` is not known here"),
        ("text: Thank you.", "text: \"${{ mail }}\"", "`mail` is not known here"),
        ("version: 1", "version: 1\n    return: \"${{ mail }}\"", "`mail` is not known here"),
    ] {
        let problems = Catalog::default().add("post.yaml", &POST.replace(from, to)).unwrap_err();
        let found = problems[0].to_string();
        assert!(found.contains(told) || found.contains("subjct"), "{found}");
        assert_eq!(problems.len(), 1, "{found}");
    }
}

#[test]
fn settings_of_a_connection_are_those_of_the_manifest() {
    let catalog = Catalog::builtin();
    let twilio = catalog.adapter("twilio").unwrap();
    assert_eq!(twilio.check_settings("sms", &json(r#"{"accountSid":"AC1"}"#)), Ok(()));
    for (config, told, hint) in [
        ("null", "connection `sms` needs `config.accountSid`", "config: { accountSid: "),
        (r#"{"accountSid":null}"#, "needs `config.accountSid`", "under `connections`"),
        (r#"{"accountSID":"AC1"}"#, "no setting `config.accountSID`", "did you mean `accountSid`?"),
    ] {
        let problem = twilio.check_settings("sms", &json(config)).unwrap_err();
        assert!(problem.detail.contains(told), "{problem}");
        assert!(problem.hint.unwrap().contains(hint), "{config}");
    }
    let stripe = catalog.adapter("stripe").unwrap();
    assert_eq!(stripe.check_settings("pay", &json(r#"{"any":1}"#)), Ok(()));
}
