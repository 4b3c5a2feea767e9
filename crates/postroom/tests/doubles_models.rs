//! Adapters of language models against `aimock`, a double of their APIs that others wrote: answers,
//! limits, money that is used up, and answers that mean nothing.

mod harness;

use harness::{Double, Doubles, Fault, Project, Server};
use serde_json::{Value, json};

/// A provider, the path of its API below the double's, and where it asks for words.
struct Provider {
    name: &'static str,
    base: &'static str,
    asked: &'static str,
}

const OPENAI: Provider = Provider { name: "openai", base: "/v1", asked: "/v1/chat/completions" };
const ANTHROPIC: Provider = Provider { name: "anthropic", base: "", asked: "/v1/messages" };

/// What the double says to which text.
fn words() -> Value {
    let limited = json!({"message": "Rate limit reached for requests", "type": "requests",
                         "code": "rate_limit_exceeded"});
    let broke = json!({"message": "You exceeded your current quota", "type": "insufficient_quota",
                       "code": "insufficient_quota"});
    let poor = json!({"message": "Your credit balance is too low to access the API.",
                      "type": "invalid_request_error"});
    let overloaded = json!({"message": "Overloaded", "type": "overloaded_error"});
    json!([
        {"match": {"userMessage": "greet"}, "response": {"content": "Hello, Ada! \u{2603}"}},
        {"match": {"userMessage": "busy", "sequenceIndex": 0},
         "response": {"error": limited, "status": 429, "retryAfter": 1}},
        {"match": {"userMessage": "busy", "sequenceIndex": 1}, "response": {"content": "At last."}},
        {"match": {"userMessage": "broke"}, "response": {"error": broke, "status": 429}},
        {"match": {"userMessage": "poor"}, "response": {"error": poor, "status": 400}},
        {"match": {"userMessage": "overloaded", "sequenceIndex": 0},
         "response": {"error": overloaded, "status": 529}},
        {"match": {"userMessage": "overloaded"}, "response": {"content": "At last."}},
        {"match": {"userMessage": "too long"},
         "response": {"content": "Once upon a", "finishReason": "length"}},
        {"match": {"userMessage": "mangled"}, "response": {"content": "never"},
         "chaos": {"malformedRate": 1}},
        {"match": {"userMessage": "hang up", "sequenceIndex": 0}, "response": {"content": "never"},
         "chaos": {"disconnectRate": 1}},
        {"match": {"userMessage": "hang up"}, "response": {"content": "Here I am."}},
    ])
}

struct Started {
    _doubles: Doubles,
    models: Double,
    _project: Project,
    server: Server,
}

/// A project that asks a model of a provider what an event `ASK` says.
fn started(provider: &Provider) -> Started {
    let doubles = Doubles::node("models", &json!({"fixtures": words()}));
    let models = doubles.behind("models");
    let Provider { name, base, .. } = provider;
    let config = format!(
        "connections: {{{name}: {{provider: {name}, baseUrl: \"{}{base}\"}}}}\n",
        models.url()
    );
    let text = format!(
        "workflow: ask\non: [{{event: ASK}}]\nsteps:\n  - id: ask\n    uses: {name}/complete\n    \
         retry: {{attempts: 3, backoff: fixed, delay: 10ms}}\n    with:\n      \
         model: small\n      system: Answer in one line.\n      \
         prompt: ${{{{ event.data.text }}}}\n"
    );
    let project = Project::new(&config).workflow("ask", &text);
    let project = project.env("OPENAI_API_KEY", "sk-proj-1").env("ANTHROPIC_API_KEY", "sk-ant-1");
    let (project, server) = project.start_kept();
    Started { _doubles: doubles, models, _project: project, server }
}

impl Started {
    #[track_caller]
    fn ask(&self, text: &str) -> Value {
        let correlation = self.server.send("ASK", &json!({"text": text}));
        self.server.run(&correlation, &["succeeded", "dead"])
    }
}

#[test]
fn models_answer() {
    for provider in [OPENAI, ANTHROPIC] {
        let started = started(&provider);
        let run = started.ask("please greet Ada");
        assert_eq!(run["state"], "succeeded", "{run:#}");
        assert_eq!(run["output"]["text"], "Hello, Ada! \u{2603}", "{run:#}");
        let run = started.ask("too long");
        let ended = [&run["output"]["finishReason"], &run["output"]["stopReason"]];
        assert!(ended.iter().any(|it| **it == "length" || **it == "max_tokens"), "{run:#}");
        let received = started.models.received();
        assert_eq!(received[0].line(), format!("POST {}", provider.asked));
    }
    let received = |provider: &Provider| {
        let started = started(provider);
        started.ask("greet");
        started.models.received().remove(0)
    };
    assert_eq!(received(&OPENAI).header("authorization"), Some("Bearer sk-proj-1"));
    let asked = received(&ANTHROPIC);
    assert_eq!(asked.header("x-api-key"), Some("sk-ant-1"));
    assert_eq!(asked.header("anthropic-version"), Some("2023-06-01"));
}

#[test]
fn a_run_waits_as_long_as_it_was_told_and_goes_on() {
    for provider in [OPENAI, ANTHROPIC] {
        let started = started(&provider);
        let run = started.ask("busy");
        assert_eq!(run["state"], "succeeded", "{run:#}");
        assert_eq!(run["output"]["text"], "At last.", "{run:#}");
        let received = started.models.received();
        assert_eq!(received.len(), 2);
        let waited = received[1].at.duration_since(received[0].at).as_millis();
        assert!(waited >= 1_000, "{waited} ms");
    }
}

#[test]
fn a_model_that_is_overloaded_is_asked_again() {
    let started = started(&ANTHROPIC);
    let run = started.ask("overloaded");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["journal"][0]["failure"]["code"], "overloaded_error", "{run:#}");
    assert_eq!(run["journal"][0]["failure"]["status"], 529);
}

#[test]
fn money_that_is_used_up_is_a_dead_letter_at_once() {
    for (provider, text, code) in
        [(OPENAI, "broke", "insufficient_quota"), (ANTHROPIC, "poor", "insufficient_credit")]
    {
        let started = started(&provider);
        let run = started.ask(text);
        assert_eq!(run["state"], "dead", "{run:#}");
        assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
        assert_eq!(run["failure"]["failure"]["code"], code, "{run:#}");
        assert!(run["failure"]["failure"]["hint"].is_string(), "{run:#}");
        assert_eq!(started.models.received().len(), 1);
    }
}

#[test]
fn an_answer_that_means_nothing_is_asked_for_again_and_then_a_dead_letter() {
    for provider in [OPENAI, ANTHROPIC] {
        let started = started(&provider);
        let run = started.ask("mangled");
        assert_eq!(run["state"], "dead", "{run:#}");
        assert_eq!(run["failure"]["reason"], "exhausted", "{run:#}");
        assert_eq!(started.models.received().len(), 3);
    }
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let started = started(&OPENAI);
    started.models.fault(OPENAI.asked, 1, &Fault::DropAfter);
    let run = started.ask("greet");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let run = started.ask("hang up");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["text"], "Here I am.");
}

#[test]
fn what_the_double_has_no_words_for_is_refused() {
    let run = started(&OPENAI).ask("something else");
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    assert_eq!(run["failure"]["failure"]["code"], "no_fixture_match", "{run:#}");
}
