//! Measures reading and typing 200 workflows with 2,000 expressions.
//! `cargo run --release -p postroom-core --example check_speed`

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;

use postroom_core::definition::{Defaults, Stored};
use postroom_core::typecheck::{self, Contract, Contracts, Report};
use postroom_core::{parse, schema};
use serde_json::{Value, json};

const WORKFLOWS: usize = 200;

fn main() {
    let contracts = contracts();
    let texts: Vec<String> = (0..WORKFLOWS).map(workflow).collect();
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let mut report = Report::default();
        for (index, text) in texts.iter().enumerate() {
            let (file, text) = (format!("workflows/w{index}.yaml"), text.clone());
            let stored = Stored::new(file, text, Defaults::default());
            let (workflow, root) = parse::placed_workflow(&stored).unwrap();
            report.add(typecheck::workflow(&workflow, &root, &stored.text, &contracts));
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(report.expressions, 2_000);
        assert!(report.problems.is_empty(), "{:?}", report.problems.first());
        assert!(report.untyped.is_empty());
    }
    println!("{WORKFLOWS} workflows, 2000 expressions, read and typed: {best:.1} ms");
}

fn workflow(index: usize) -> String {
    let tell = |n: usize| {
        format!(
            "  - id: tell{n}\n    if: steps.invoice.output.status == 'open' && event.data.amount > {n}\n    \
             uses: slack/post\n    with:\n      channel: ${{{{ event.data?.channel ?? '#orders' }}}}\n      \
             text: Invoice ${{{{ steps.invoice.output.invoiceId }}}} of ${{{{ event.data.customer.id }}}}\n"
        )
    };
    format!(
        "workflow: w{index}\non:\n  - event: ORDER{index}\n    if: ${{{{ event.data.amount > 0 }}}}\n\
         steps:\n  - id: invoice\n    uses: stripe/invoice\n    with:\n      \
         amount: ${{{{ event.data.amount }}}}\n{}{}",
        tell(1),
        tell(2)
    )
}

fn contracts() -> Contracts {
    let text = json!({"type": "string"});
    let contract = |input: &Value, output: &Value| {
        let (input, output) = (schema::to_type(input), schema::to_type(output));
        Ok(Contract { input, output, computed: None })
    };
    let object = |required: &[&str], properties: &Value| json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties});
    let invoice = contract(
        &object(&["amount"], &json!({"amount": {"type": "integer"}})),
        &object(
            &["invoiceId", "status"],
            &json!({"invoiceId": text, "status": {"enum": ["draft", "open"]}}),
        ),
    );
    let post = contract(&object(&["channel"], &json!({"channel": text, "text": text})), &json!({}));
    let line =
        object(&["id", "amount"], &json!({"id": text, "amount": {"type": "integer"}, "sku": text}));
    let order = object(
        &["id", "amount", "customer"],
        &json!({
            "id": text, "amount": {"type": "integer"}, "channel": text,
            "customer": object(&["id"], &json!({"id": text, "email": text})),
            "lines": {"type": "array", "items": line},
        }),
    );
    let events = (0..WORKFLOWS).map(|n| (format!("ORDER{n}"), schema::to_type(&order)));
    Contracts {
        actions: [("stripe/invoice".to_owned(), invoice), ("slack/post".to_owned(), post)].into(),
        events: events.collect(),
        connections: None,
        calls: None,
    }
}
