//! Adapters of language models against `aimock`, a double of their APIs that others wrote: answers,
//! limits, money that is used up, and answers that mean nothing.

mod harness;

use harness::{Double, Doubles, Fault, Project, Server};
use serde_json::{Value, json};

/// The adapter as the cookbook has it: one of a project's own.
const OPENAI: &str = include_str!("../../../examples/cookbook/adapters/openai.yaml");

/// What the double says to which text.
fn words() -> Value {
    let limited = json!({"message": "Rate limit reached for requests", "type": "requests",
                         "code": "rate_limit_exceeded"});
    let broke = json!({"message": "You exceeded your current quota", "type": "insufficient_quota",
                       "code": "insufficient_quota"});
    json!([
        {"match": {"userMessage": "greet"}, "response": {"content": "Hello, Ada! \u{2603}"}},
        {"match": {"userMessage": "busy", "sequenceIndex": 0},
         "response": {"error": limited, "status": 429, "retryAfter": 1}},
        {"match": {"userMessage": "busy", "sequenceIndex": 1}, "response": {"content": "At last."}},
        {"match": {"userMessage": "broke"}, "response": {"error": broke, "status": 429}},
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

/// A project that asks a model what an event `ASK` says.
fn started() -> Started {
    let doubles = Doubles::node("models", &json!({"fixtures": words()}));
    let models = doubles.behind("models");
    let config = format!(
        "connections: {{openai: {{provider: openai, baseUrl: \"{}/v1\"}}}}\n",
        models.url()
    );
    let text = "workflow: ask\non: [{event: ASK}]\nsteps:\n  - id: ask\n    uses: openai/ask\n    \
                retry: {attempts: 3, backoff: fixed, delay: 10ms}\n    with:\n      \
                model: gpt-4o-mini\n      task: Answer in one line.\n      \
                text: ${{ event.data.text }}\n";
    let project = Project::new(&config).file("adapters/openai.yaml", OPENAI).workflow("ask", text);
    let (project, server) = project.env("OPENAI_API_KEY", "sk-proj-1").start_kept();
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
fn a_model_answers() {
    let started = started();
    let run = started.ask("please greet Ada");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["text"], "Hello, Ada! \u{2603}", "{run:#}");
    let received = started.models.received();
    assert_eq!(received[0].line(), "POST /v1/chat/completions");
    assert_eq!(received[0].header("authorization"), Some("Bearer sk-proj-1"));
}

#[test]
fn a_run_waits_as_long_as_it_was_told_and_goes_on() {
    let started = started();
    let run = started.ask("busy");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["text"], "At last.", "{run:#}");
    let received = started.models.received();
    let waited = received[1].at.duration_since(received[0].at).as_millis();
    assert!(waited >= 1_000, "{waited} ms");
}

#[test]
fn money_that_is_used_up_is_a_dead_letter_at_once() {
    let started = started();
    let run = started.ask("broke");
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    assert_eq!(run["failure"]["failure"]["code"], "insufficient_quota", "{run:#}");
    assert_eq!(started.models.received().len(), 1);
}

#[test]
fn an_answer_that_means_nothing_is_asked_for_again_and_then_a_dead_letter() {
    let started = started();
    let run = started.ask("mangled");
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "exhausted", "{run:#}");
    assert_eq!(started.models.received().len(), 3);
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let started = started();
    started.models.fault("/chat/completions", 1, &Fault::DropAfter);
    let run = started.ask("greet");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let run = started.ask("hang up");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["text"], "Here I am.");
}

#[test]
fn what_the_double_has_no_words_for_is_refused() {
    let run = started().ask("something else");
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    assert_eq!(run["failure"]["failure"]["code"], "no_fixture_match", "{run:#}");
}
