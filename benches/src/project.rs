//! `project`: how long it takes to hear about a mistake: `check` of a large project, and its tests,
//! each as a whole process.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::Options;
use crate::report::{Figure, Report, median};

const WORKFLOWS: usize = 200;
const TESTS: usize = 500;

const CONFIG: &str = "connections: { team: { provider: slack }, pay: { provider: stripe } }\n";

const SCHEMA: &str = r#"{"type":"object","required":["id","amount","currency","customer","lines"],
"properties":{"id":{"type":"string"},"amount":{"type":"integer"},"currency":{"type":"string"},
"customer":{"type":"object","required":["id","email"],"properties":{"id":{"type":"string"},
"email":{"type":"string"}}},"lines":{"type":"array","items":{"type":"object","required":["sku"],
"properties":{"sku":{"type":"string"}}}}}}"#;

/// Ten expressions over an event and over what a step came to.
fn workflow(nth: usize) -> String {
    format!(
        "workflow: order-{nth}
on: [{{ event: ORDER_{nth}, if: event.data.amount > 0 }}]
dedupe: ${{{{ event.data.id }}}}
allow: [lint/no-idempotency]
steps:
  - id: invoice
    uses: stripe/create_invoice
    with:
      customerId: ${{{{ event.data.customer.id }}}}
      amount: ${{{{ event.data.amount }}}}
      currency: ${{{{ event.data.currency.lower() }}}}
      description: ${{{{ event.data.lines.map(line => line.sku).join(', ') }}}}
  - id: tell
    if: steps.invoice.output.status == 'open'
    uses: slack/post_message
    with:
      channel: \"#billing\"
      text: ${{{{ event.data.id }}}} is ${{{{ steps.invoice.output.stripeInvoiceId }}}}
return: {{ invoice: \"${{{{ steps.invoice.output.stripeInvoiceId }}}}\" }}
"
    )
}

fn test(nth: usize) -> String {
    let of = nth % WORKFLOWS;
    format!(
        "test: order {nth} is invoiced
event:
  type: ORDER_{of}
  data: {{ id: o-{nth}, amount: {}, currency: EUR, customer: {{ id: cus_1, email: a@b.c }},
    lines: [{{ sku: a }}, {{ sku: b }}] }}
expect:
  runs:
    order-{of}: {{ state: succeeded, steps: {{ invoice: {{ status: done }} }} }}
",
        nth + 1
    )
}

fn write(folder: &Path) -> anyhow::Result<()> {
    for sub in ["workflows", "schemas", "tests"] {
        std::fs::create_dir(folder.join(sub))?;
    }
    std::fs::write(folder.join("postroom.yaml"), CONFIG)?;
    for nth in 0..WORKFLOWS {
        std::fs::write(folder.join(format!("workflows/{nth}.yaml")), workflow(nth))?;
        std::fs::write(folder.join(format!("schemas/ORDER_{nth}.json")), SCHEMA)?;
    }
    for nth in 0..TESTS {
        std::fs::write(folder.join(format!("tests/{nth}.yaml")), test(nth))?;
    }
    Ok(())
}

/// Milliseconds of one command over the project.
fn time(options: &Options, folder: &Path, command: &str, said: &str) -> anyhow::Result<f64> {
    let mut run = Command::new(options.binary()?);
    run.args(["--config", "postroom.yaml", command]).current_dir(folder);
    run.env("STRIPE_API_KEY", "sk_test_bench").env("SLACK_BOT_TOKEN", "xoxb-bench");
    let started = Instant::now();
    let output = run.stdin(Stdio::null()).output().context("the program does not start")?;
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && text.contains(said), "`{command}` says: {text}");
    Ok(took_ms)
}

/// Checks a large project and plays its tests, several times.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    ensure!(!options.self_check, "there is no bare handler to compare this with");
    let folder = options.scratch_folder()?;
    write(folder.path())?;
    let (mut checks, mut tests) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        checks.push(time(options, folder.path(), "check", &format!("{WORKFLOWS} workflows"))?);
        tests.push(time(options, folder.path(), "test", &format!("{TESTS} passed"))?);
    }
    Ok(Figure::report(&[
        Figure { name: "check", unit: "ms", value: median(checks), limit: 300.0 },
        Figure { name: "tests", unit: "ms", value: median(tests), limit: 2_000.0 },
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_has_as_many_expressions_as_it_says() {
        let all = (0..WORKFLOWS).map(|nth| workflow(nth).matches("${{").count() + 2);
        assert!(all.sum::<usize>() >= 2_000);
    }
}
