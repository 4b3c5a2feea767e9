//! Manifests with mistakes: each is told with its place and what to do, all of them at once.

#![allow(clippy::unwrap_used)]

use postroom_adapters::{Catalog, Context, MANIFESTS};
use postroom_core::Json;
use proptest::prelude::*;

const MANIFEST: &str = r#"adapter: acme
title: Acme
docs: https://docs.acme.test
base_url: https://api.acme.test
credentials:
  token: { env: ACME_TOKEN, summary: Access token. }
auth:
  - { header: Authorization, template: "Bearer {}", credential: token }
key_header: Idempotency-Key
errors:
  - { when: response.body.code == 'busy', then: retry }
actions:
  - action: make
    version: 1
    summary: Makes a thing.
    input:
      type: object
      additionalProperties: false
      required: [name]
      properties: { name: { type: string } }
    output: { type: object, required: [id] }
    calls:
      - id: check
        request: { method: GET, path: "/names/${{ input.name }}" }
      - id: make
        if: calls.check.free
        idempotency: key
        request: { method: POST, path: /things, json: { name: "${{ input.name }}" } }
    return: { id: "${{ calls.make.id }}" }
    example:
      input: { name: a }
      responses:
        check: { body: { free: true } }
        make: { status: 201, body: { id: t_1 } }
      output: { id: t_1 }
    failures:
      - name: busy
        call: make
        response: { status: 400, body: { code: busy } }
        outcome: retry
"#;

fn problems(text: &str) -> Vec<String> {
    match Catalog::default().add("acme.yaml", text) {
        Ok(()) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_manifest_without_mistakes_reads_and_plays() {
    let mut catalog = Catalog::default();
    catalog.add("acme.yaml", MANIFEST).unwrap();
    assert_eq!(catalog.adapter("acme").unwrap().actions[0].rehearse(), [""; 0]);
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    for (from, to, told) in [
        (
            "title: Acme",
            "titel: Acme",
            "acme.yaml:2:1: unknown key `titel` [config/unknown-key]; did you mean `title`?",
        ),
        ("docs: https://docs.acme.test\n", "", "`docs` is missing"),
        ("https://docs.acme.test", "somewhere", "`docs` is `somewhere`, which is no link"),
        ("https://api.acme.test", "https://api.acme.test/?a", "a base URL has no query"),
        ("adapter: acme", "adapter: ac me", "but a name has 1 to 64 letters"),
        ("env: ACME_TOKEN", "env: acme token", "write it like `STRIPE_API_KEY`"),
        ("credential: token", "credential: tokne", "did you mean `token`?"),
        ("Bearer {}", "Bearer", "needs one `{}` where the credential goes"),
        ("header: Authorization", "header: 'A B'", "`auth[0].header` is `A B`"),
        (
            "response.body.code == 'busy'",
            "respnse.body.code == 'busy'",
            "acme.yaml:11:13: `respnse` is not known here [expr/unknown-name]; did you mean \
             `response`?",
        ),
        ("response.body.code == 'busy'", "response.body.code = 'busy'", "acme.yaml:11:32: "),
        ("then: retry", "then: retri", "did you mean `retry`?"),
        ("version: 1", "version: 0", "must lie between 1 and"),
        ("type: string", "type: strin", "`actions[0].input.properties.name.type` is `strin`"),
        ("required: [name]", "required: [nmae]", "did you mean `name`?"),
        (
            "/names/${{ input.name }}",
            "/names/${{ input.nam }}",
            "`input.nam` is not known here [expr/unknown-name]; did you mean `name`?",
        ),
        ("/names/${{ input.name }}", "names", "it must start with `/`"),
        ("/names/${{ input.name }}", "/names?x=1", "a query belongs under `query`"),
        ("/names/${{ input.name }}", "/names/ x", "a character that no URL path has"),
        ("path: /things", "url: https://x.test", "would send the credentials of `auth` anywhere"),
        ("path: /things, ", "", "has neither `path` and `url`"),
        ("method: POST", "method: POSTT", "did you mean `POST`?"),
        ("method: POST", "method: post", "did you mean `POST`?"),
        ("        idempotency: key\n", "", "what happens when this call is made twice?"),
        ("idempotency: key", "idempotency: kye", "did you mean `key`?"),
        ("key_header: Idempotency-Key\n", "", "is `key`, but no key is sent"),
        ("if: calls.check.free", "if: calls.make.free", "a call `make` before this one"),
        ("calls.make.id", "calls.mkae.id", "did you mean `make`?"),
        ("- id: make", "- id: check", "two calls are called `check`"),
        ("    return: { id: \"${{ calls.make.id }}\" }\n", "", "it says what the output is"),
        ("        make: { status", "        mkae: { status", "answers no call"),
        ("call: make", "call: mkae", "did you mean `make`?"),
        ("status: 400", "status: 4000", "must lie between 100 and 599"),
        ("outcome: retry", "outcome: again", "one of done, retry, refused, unknown"),
        ("adapter: acme", "adapter: [", "[yaml/syntax]"),
    ] {
        assert!(MANIFEST.contains(from), "{from}");
        let lines = problems(&MANIFEST.replacen(from, to, 1));
        assert!(lines.iter().any(|line| line.contains(told)), "{to}\n{told}\n{lines:#?}");
        assert!(lines.iter().all(|line| line.starts_with("acme.yaml:")), "{lines:#?}");
    }
}

#[test]
fn tokens_are_asked_for_as_the_manifest_says() {
    let tokens = MANIFEST.replace(
        "auth:\n",
        "oauth:\n  authorize: https://acme.test/allow\n  token: https://acme.test/token\n  \
         scopes: [a]\n  client_id: token\nauth:\n",
    );
    let tokens = tokens.replace("credential: token", "credential: access_token");
    assert_eq!(problems(&tokens), [""; 0]);
    for (from, to, told) in [
        ("credential: access_token", "credential: token", "which no header of `auth` carries"),
        ("credential: access_token", "credential: acces_token", "there is no credential"),
        ("  client_id: token\n", "", "needs a credential that holds the client's id"),
        ("client_id: token", "client_id: tokne", "did you mean `token`?"),
        ("client_id: token", "client: header", "one of basic, body"),
        ("client_id: token", "pcke: false", "did you mean `pkce`?"),
        ("client_id: token", "parameters: { state: x }", "is set by Postroom itself"),
        ("  token: https://acme.test/token\n", "", "`oauth.token` is missing"),
        ("  authorize: https://acme.test/allow\n", "", "`oauth.authorize` is missing"),
        ("scopes: [a]", "grant: client_credentials", "is where a person is asked"),
        ("scopes: [a]", "scopes: [a b]", "which is more than one scope"),
        ("https://acme.test/token", "acme.test/token", "it must start with `https://`"),
    ] {
        assert!(tokens.contains(from), "{from}");
        let lines = problems(&tokens.replacen(from, to, 1));
        assert!(lines.iter().any(|line| line.contains(told)), "{to}\n{told}\n{lines:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = MANIFEST
        .replace("title: Acme", "title: 5")
        .replace("credential: token", "credential: x")
        .replace("outcome: retry", "outcome: x");
    let lines = problems(&text);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("acme.yaml:2:") && lines[1].starts_with("acme.yaml:8:"));
}

#[test]
fn an_action_stands_once_in_each_version() {
    let action = MANIFEST.split_once("actions:\n").unwrap().1;
    let lines = problems(&format!("{MANIFEST}{action}"));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("`make@1` stands twice [config/duplicate-name]"), "{lines:#?}");
    let text = format!("{MANIFEST}{}", action.replace("version: 1", "version: 2"));
    assert_eq!(problems(&text), [""; 0]);
}

#[test]
fn a_rehearsal_tells_what_does_not_come_out_as_stated() {
    for (from, to, told) in [
        ("output: { id: t_1 }", "output: { id: t_2 }", "but the example states"),
        ("outcome: retry", "outcome: refused", "acme/make, busy: came to Retry"),
        ("outcome: retry", "outcome: retry\n        after: 5s", "acme/make, busy: came to Retry"),
        ("outcome: retry", "outcome: retry\n        code: x", "acme/make, busy: came to Retry"),
        ("input: { name: a }", "input: { name: 1 }", "`input.name` must be text"),
        ("required: [id]", "required: [number]", "`output.number` is missing"),
        ("status: 201", "status: 401", "the example's answer to `make` came to Refused"),
        ("        make: { status: 201, body: { id: t_1 } }\n", "", "has no answer for the call"),
        ("{ free: true }", "{ free: 1 }", "a condition is true or false, not number"),
    ] {
        assert!(MANIFEST.contains(from), "{from}");
        let mut catalog = Catalog::default();
        catalog.add("acme.yaml", &MANIFEST.replacen(from, to, 1)).unwrap();
        let lines = catalog.adapter("acme").unwrap().actions[0].rehearse();
        assert!(lines.iter().any(|line| line.contains(told)), "{told}\n{lines:#?}");
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
        "https://[a-z]{1,5}/[a-z./%]{0,9}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((".{0,8}", inner), 0..4)
                .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// An object with some of an action's inputs, of any kind.
fn any_input(names: Vec<String>) -> impl Strategy<Value = String> {
    let field = (proptest::sample::select(names), any_json());
    proptest::collection::vec(field, 0..6).prop_map(|fields| {
        serde_json::Value::from(fields.into_iter().collect::<serde_json::Map<_, _>>()).to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_input_leaves_its_place(
        input in any_input(
            ["url", "method", "headers", "query", "json", "form", "text", "idempotencyHeader",
             "customerId", "amount", "currency", "metadata", "channel", "blocks"]
                .map(str::to_owned).to_vec()
        ),
        key in ".{0,12}",
    ) {
        let (input, config) = (Json::parse(input).unwrap(), Json::null());
        let catalog = Catalog::builtin();
        for action in catalog.adapters().flat_map(|adapter| &adapter.actions) {
            let _ = action.check_input(&input);
            let base_url = Some("https://base.test");
            let context =
                Context { input: &input, results: &[], config: &config, base_url, key: &key };
            for call in 0..action.calls.len() {
                let Ok(postroom_adapters::Planned::Send(request)) = action.request(call, &context)
                else { continue };
                prop_assert!(request.url.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(request.url.starts_with("https://"), "{}", request.url);
                for (name, value) in &request.headers {
                    prop_assert!(!name.contains(['\r', '\n', ':', ' ']), "{name:?}");
                    prop_assert!(value.bytes().all(|b| b == b'\t' || (32..127).contains(&b)));
                }
            }
        }
    }

    #[test]
    fn no_text_breaks_the_reader(
        which in 0..MANIFESTS.len(), at in 0..1000usize, cut in 0..40usize, put in ".{0,12}",
    ) {
        let text = MANIFESTS[which].2;
        let mut start = text.len() * at / 1000;
        while !text.is_char_boundary(start) { start -= 1; }
        let mut end = (start + cut).min(text.len());
        while !text.is_char_boundary(end) { end += 1; }
        let changed = format!("{}{put}{}", &text[..start], &text[end..]);
        let mut catalog = Catalog::default();
        if catalog.add("changed.yaml", &changed).is_ok() {
            for action in catalog.adapters().flat_map(|adapter| &adapter.actions) {
                let _ = action.rehearse();
            }
        }
    }
}
