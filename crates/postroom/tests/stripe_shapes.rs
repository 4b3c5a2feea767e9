//! What the adapter of Stripe sends, held against Stripe's own description of its API, and answers in
//! the shapes that Stripe publishes. No double runs invoices, so this is as near as one comes without
//! an account.

mod harness;

#[path = "doubles/stripe/described.rs"]
mod described;

use described::{Described, Forms};
use harness::{Double, Project, Server};
use serde_json::{Value, json};

fn project(stripe: &Double) -> Project {
    let config =
        format!("connections: {{stripe: {{provider: stripe, baseUrl: \"{}\"}}}}\n", stripe.url());
    Project::new(&config).env("STRIPE_API_KEY", "sk_test_shapes")
}

/// Runs one action with these inputs, which must go well.
#[track_caller]
fn act(stripe: &Double, uses: &str, with: &Value) -> Value {
    let text = format!(
        "workflow: act\non: [{{event: ACT}}]\nsteps:\n  - id: act\n    uses: {uses}\n    \
         retry: {{attempts: 3, backoff: fixed, delay: 10ms}}\n    with: {with}\n"
    );
    let (_project, server): (Project, Server) = project(stripe).workflow("act", &text).start_kept();
    let run = server.run(&server.send("ACT", &json!({})), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    run["output"].clone()
}

#[test]
fn an_invoice_is_asked_for_as_stripe_describes_it() {
    let stripe = Double::new(Described::new());
    let with = json!({
        "customerId": "cus_QXg1o8vcGmoR32", "amount": 1500, "currency": "EUR",
        "description": "Caf\u{e9} & more = 15 \u{20ac}", "daysUntilDue": 14,
        "metadata": {"run": "r-1", "attempt": 2, "paid": false},
    });
    let output = act(&stripe, "stripe/create_invoice", &with);
    let invoice = "in_1Pgc6tB7WZ01zgkWu9fdqL6I";
    let wanted = json!({"stripeInvoiceId": invoice, "status": "open", "hostedUrl": null});
    assert_eq!(output, wanted);
    let finalize = format!("POST /v1/invoices/{invoice}/finalize");
    let lines = stripe.lines();
    let wanted =
        ["GET /v1/customers/cus_QXg1o8vcGmoR32", "POST /v1/invoices", "POST /v1/invoiceitems"];
    assert_eq!(lines[..3], wanted);
    assert_eq!(lines[3..], [finalize]);
    let received = stripe.received();
    let field = |call: usize, name: &str| received[call].field(name).expect("a field");
    assert_eq!(field(1, "metadata[attempt]"), "2");
    assert_eq!(field(1, "days_until_due"), "14");
    assert_eq!(field(1, "currency"), "eur");
    assert_eq!(field(2, "invoice"), invoice);
    assert_eq!(field(2, "description"), "Caf\u{e9} & more = 15 \u{20ac}");
    // Charged at once, it may not name a number of days.
    let with = json!({"customerId": "cus_1", "amount": 1500, "currency": "usd",
                      "collectionMethod": "charge_automatically"});
    act(&stripe, "stripe/create_invoice", &with);
    assert_eq!(stripe.received()[5].field("days_until_due"), None);
}

#[test]
fn customers_and_refunds_are_asked_for_as_stripe_describes_them() {
    let stripe = Double::new(Described::new());
    let with = json!({"email": "ada@example.com", "name": "Ada", "phone": "+15550001111",
                      "description": "first", "metadata": {"plan": "pro"}});
    let output = act(&stripe, "stripe/create_customer", &with);
    assert_eq!(output["stripeCustomerId"], "cus_QXg1o8vcGmoR32");
    act(&stripe, "stripe/create_customer", &json!({}));
    let with = json!({"chargeId": "ch_1PgafuB7WZ01zgkWXYmPNZs8", "amount": 100,
                      "reason": "requested_by_customer", "metadata": {"run": "r-1"}});
    let output = act(&stripe, "stripe/refund", &with);
    let wanted = json!({"stripeRefundId": "re_1Pgc72B7WZ01zgkWqPvrRrPE", "status": "succeeded",
                        "amount": 100});
    assert_eq!(output, wanted);
}

#[test]
fn a_form_that_is_not_as_described_is_found_out() {
    let forms = Forms::new();
    let check = |path: &str, form: &[(&str, &str)]| {
        let form: Vec<(String, String)> =
            form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        forms.check(path, &form)
    };
    let good = [
        ("customer", "cus_1"),
        ("amount", "1500"),
        ("currency", "usd"),
        ("metadata[run]", "r-1"),
        ("discounts[0][coupon]", "c-1"),
        ("period[start]", "1"),
        ("period[end]", "2"),
    ];
    assert_eq!(check("/v1/invoiceitems", &good), Ok(()));
    assert_eq!(check("/v1/invoices/in_1/finalize", &[]), Ok(()));
    for (path, form, said) in [
        ("/v1/invoices", &[("collection_method", "by_post")][..], "collection_method"),
        ("/v1/invoices", &[("auto_advance", "yes")][..], "auto_advance"),
        ("/v1/invoices", &[("automatic_tax[status]", "x")][..], "enabled"),
        ("/v1/invoices", &[("colour", "red")][..], "colour"),
        ("/v1/invoices", &[("customer[id]", "cus_1")][..], "customer"),
        ("/v1/invoices", &[("customer", "cus_1"), ("customer", "cus_2")][..], "stands twice"),
        ("/v1/invoiceitems", &[("amount", "1500")][..], "customer"),
        ("/v1/invoiceitems", &[("customer", "cus_1"), ("amount", "15.00")][..], "amount"),
        ("/v1/refunds", &[("reason", "none")][..], "reason"),
        ("/v1/invoices/in_1/burn", &[][..], "not described"),
    ] {
        let wrong = check(path, form).expect_err("a fault");
        assert!(wrong.contains(said), "{path} {form:?}: {wrong}");
    }
}
