//! One operation as an action of a manifest, tried before it is written.

use postroom_expr::JsonView;
use serde_json::Value;

use super::document::Document;
use super::example::Maker;
use super::fits::Way;
use super::inputs::{Inputs, Left};
use super::operation::Operation;
use super::outputs::Answer;
use super::reduce::{BUDGET, Reducer, Room};
use super::words;
use super::writer::Out;

/// An action that was made of an operation.
pub(super) struct Made {
    pub name: String,
    pub entries: Vec<(String, Out)>,
    /// Headers that always have the same value.
    pub fixed: Vec<(String, String)>,
    pub key_header: Option<String>,
    /// Inputs that cannot be given, and why.
    pub remarks: Vec<String>,
}

/// Makes an action of an operation.
///
/// # Errors
/// Why there can be none.
pub(super) fn make<'d>(
    document: &'d Document,
    operation: &Operation<'d>,
    name: String,
    secret: &[String],
) -> Result<Made, Left> {
    let reducer = Reducer { document, way: Way::Request };
    let inputs = Inputs::of(reducer, operation, secret)?;
    let answer = Answer::of(document, operation)?;
    let input = input_schema(reducer, &inputs);
    let contract = input.to_value();
    let example = input_example(document, &inputs, &contract)
        .ok_or_else(|| "no input could be made up that its description takes".to_owned())?;
    let output = output_schema(document, &answer);
    let contract = output.to_value();
    let shown = answer
        .example(document, |value| fits(&contract, value))
        .ok_or_else(|| "no answer could be made up that its description gives".to_owned())?;
    let mut summary = operation.summary.clone();
    if operation.deprecated {
        summary.push_str(" (The description calls it deprecated.)");
    }
    let mut entries = vec![
        ("action".to_owned(), Out::text(name.clone())),
        ("version".to_owned(), Out::Value(1.into())),
        ("summary".to_owned(), Out::text(summary)),
    ];
    if operation.method == "DELETE" {
        entries.push(("destructive".to_owned(), Out::bool(true)));
    }
    entries.push(("input".to_owned(), input));
    entries.push(("output".to_owned(), output));
    if let Some(word) = idempotency(operation, &inputs) {
        entries.push(("idempotency".to_owned(), Out::text(word)));
    }
    let Inputs { fixed, key_header, remarks, .. } = &inputs;
    let (fixed, key_header, remarks) = (fixed.clone(), key_header.clone(), remarks.clone());
    entries.push(("request".to_owned(), request(operation, inputs)));
    let mut recorded = vec![("input".to_owned(), Out::Value(example))];
    recorded.push(("response".to_owned(), shown.response));
    if !shown.output.is_null() {
        recorded.push(("output".to_owned(), Out::Value(shown.output)));
    }
    entries.push(("example".to_owned(), Out::Map(recorded)));
    Ok(Made { name, entries, fixed, key_header, remarks })
}

/// Whether a value fits a reduced schema.
fn fits(contract: &Value, value: &Value) -> bool {
    let text = value.to_string();
    JsonView::parse(&text).is_ok_and(|view| crate::schema::check(contract, view, "it").is_empty())
}

fn input_schema<'d>(reducer: Reducer<'d>, inputs: &Inputs<'d>) -> Out {
    let required: Vec<&str> = inputs
        .fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name.as_str())
        .collect();
    let mut out = vec![
        ("type".to_owned(), Out::text("object")),
        ("additionalProperties".to_owned(), Out::bool(false)),
    ];
    if !required.is_empty() {
        out.push(("required".to_owned(), Out::texts(&required)));
    }
    let mut left = BUDGET.saturating_sub(inputs.fields.len());
    let mut waiting = inputs.fields.len();
    let mut properties = Vec::new();
    // What is needed comes first.
    let (needed, other): (Vec<_>, Vec<_>) = inputs.fields.iter().partition(|field| field.required);
    for field in needed.into_iter().chain(other) {
        let mut shape = reducer.document.shape(&field.part);
        shape.description = field.description.or(shape.description);
        let given = left / waiting.max(1);
        let mut room = Room::new(given);
        properties.push((field.name.clone(), reducer.shape(&shape, 1, &mut room)));
        left -= given - room.left.min(given);
        waiting -= 1;
    }
    if !properties.is_empty() {
        out.push(("properties".to_owned(), Out::Map(properties)));
    }
    Out::Map(out)
}

fn input_example<'d>(
    document: &'d Document,
    inputs: &Inputs<'d>,
    contract: &Value,
) -> Option<Value> {
    let ways = [(true, true), (false, true), (true, false), (false, false)];
    ways.into_iter().find_map(|(given, rich)| {
        let filled = inputs.body.as_ref().is_some_and(|(kind, _)| *kind == "form");
        let maker = Maker { document, way: Way::Request, given, rich, filled };
        inputs.example(maker).filter(|value| fits(contract, value))
    })
}

fn output_schema<'d>(document: &'d Document, answer: &Answer<'d>) -> Out {
    let reducer = Reducer { document, way: Way::Answer };
    match answer {
        Answer::Nothing(_) => Out::map([("type", Out::text("null"))]),
        Answer::Unsaid(_) => {
            let said = "The description of the API does not say what it answers.";
            Out::map([("description", Out::text(said))])
        }
        Answer::Text(_) => Out::map([("type", Out::text("string"))]),
        Answer::Json(_, part, _) => reducer.schema(part, BUDGET),
    }
}

/// What repeating does; GET and HEAD need not say.
fn idempotency(operation: &Operation<'_>, inputs: &Inputs<'_>) -> Option<&'static str> {
    match operation.method.as_str() {
        "GET" | "HEAD" => None,
        _ if inputs.key_header.is_some() || inputs.key_field => Some("key"),
        "OPTIONS" => Some("read"),
        "PUT" | "DELETE" => Some("natural"),
        _ => Some("none"),
    }
}

fn request(operation: &Operation<'_>, inputs: Inputs<'_>) -> Out {
    let mut out = vec![
        ("method".to_owned(), Out::text(operation.method.clone())),
        ("path".to_owned(), Out::text(inputs.path)),
    ];
    if !inputs.query.is_empty() {
        out.push(("query".to_owned(), Out::Map(inputs.query)));
    }
    let mut headers = inputs.headers;
    if let Some(media) = inputs.media {
        headers.push(("Content-Type".to_owned(), Out::text(media)));
    }
    if !headers.is_empty() {
        out.push(("headers".to_owned(), Out::Map(headers)));
    }
    // `index` is what is taken where nothing is said.
    if let Some(lists) = inputs.lists.filter(|lists| *lists != "index") {
        out.push(("lists".to_owned(), Out::text(lists)));
    }
    if let Some((kind, body)) = inputs.body {
        out.push((kind.to_owned(), body));
    }
    Out::Map(out)
}

/// The name of an action: that of the operation in snake case, without what it repeats.
pub(super) fn name_of(operation: &Operation<'_>, taken: impl Fn(&str) -> bool) -> String {
    words::unique(&words::snake(&operation.id), taken)
}
