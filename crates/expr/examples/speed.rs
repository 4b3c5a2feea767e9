//! Measures the evaluator: conditions and mappings over a payload of two kilobytes, from its bytes;
//! and the checker over the same expressions. `cargo run --release --example speed`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use postroom_expr::{Env, Expr, JsonView, Limits, Mapping, Scope, Template, Type, Value};

fn main() {
    let event = event();
    println!("payload: {} bytes", event.len());
    let condition =
        Expr::parse("event.data.object.amount_due > 1000 && event.type.startsWith('invoice.')")
            .unwrap();
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&event).unwrap();
    measure("condition, from a raw value", || {
        let view = JsonView::from_raw(black_box(&raw));
        let scope = Scope::new().with("event", Value::Json(view));
        black_box(condition.eval(&scope, Limits::default()).unwrap().as_bool());
    });
    measure("condition, from text, validated", || {
        let view = JsonView::parse(black_box(&event)).unwrap();
        let scope = Scope::new().with("event", Value::Json(view));
        black_box(condition.eval(&scope, Limits::default()).unwrap().as_bool());
    });
    let view = JsonView::from_raw(&raw);
    measure("one get of the last key", || {
        black_box(black_box(view).get("type"));
    });
    let template = |text| Mapping::Template(Template::parse(text).unwrap());
    let mapping = Mapping::Object(vec![
        ("customer".into(), template("${{ event.data.object.customer }}")),
        ("amount".into(), template("${{ event.data.object.amount_due / 100 }}")),
        (
            "text".into(),
            template("Invoice ${{ event.data.object.number }} is ${{ event.data.object.status }}"),
        ),
        (
            "lines".into(),
            template(
                "${{ event.data.object.lines.data.filter(l => l.amount > 0).map(l => {id: l.id, amount: l.amount / 100}) }}",
            ),
        ),
    ]);
    measure("mapping of four keys", || {
        let scope = Scope::new().with("event", Value::Json(black_box(view)));
        black_box(mapping.render(&scope, Limits::default()).unwrap());
    });
    typical(&event);
    measure("compiling the condition", || {
        black_box(Expr::parse(black_box(condition.source())).unwrap());
    });
    let env = Env::new().with("event", type_of(view));
    assert!(condition.check(&env).findings.is_empty());
    measure("checking the condition", || {
        black_box(condition.check(black_box(&env)));
    });
    measure("checking the mapping of four keys", || {
        black_box(mapping.check(black_box(&env), &Type::Dyn));
    });
}

/// What a step costs: ten expressions over the bytes that came in.
fn typical(event: &str) {
    let template = |text| Mapping::Template(Template::parse(text).unwrap());
    let texts = [
        "${{ event.data.object.customer }}",
        "${{ event.data.object.amount_due / 100 }}",
        "${{ event.data.object.currency.upper() }}",
        "Invoice ${{ event.data.object.number }} is ${{ event.data.object.status }}",
        "${{ event.data.object?.description ?? 'none' }}",
        "${{ event.data.object.customer_email }}",
        "${{ event.data.object.attempt_count > 3 ? 'last' : 'first' }}",
        "${{ event.data.object.hosted_invoice_url }}",
        "${{ has(event.data.object.metadata.team) ? event.data.object.metadata.team : 'none' }}",
    ];
    let keys = texts.iter().enumerate().map(|(n, text)| (format!("key{n}"), template(*text)));
    let mapping = Mapping::Object(keys.collect());
    assert_eq!(mapping.check(&Env::new(), &Type::Dyn).expressions, 10);
    measure("ten expressions, from bytes, validated", || {
        let text = std::str::from_utf8(black_box(event.as_bytes())).unwrap();
        let view = JsonView::parse(text).unwrap();
        let scope = Scope::new().with("event", Value::Json(view));
        black_box(mapping.render(&scope, Limits::default()).unwrap());
    });
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(event).unwrap();
    measure("ten expressions, validated before", || {
        let scope = Scope::new().with("event", Value::Json(JsonView::from_raw(black_box(&raw))));
        black_box(mapping.render(&scope, Limits::default()).unwrap());
    });
}

/// The narrowest type of a value.
fn type_of(view: JsonView<'_>) -> Type {
    use postroom_expr::Kind;
    match view.kind() {
        Kind::Null => Type::TEXT.or_null(),
        Kind::Bool => Type::Bool,
        Kind::Number => Type::Int,
        Kind::String => Type::TEXT,
        Kind::Array => Type::list(Type::union(view.items().map(type_of))),
        Kind::Object => {
            Type::closed(view.entries().map(|(key, value)| (key.into_owned(), type_of(value))))
        }
    }
}

fn measure(name: &str, mut run: impl FnMut()) {
    const ROUNDS: u32 = 20_000;
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            run();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    }
    println!("{name}: {best:.0} ns");
}

fn event() -> String {
    let line = |id: u32| {
        format!(
            r#"{{"id":"il_1OtZ8u2eZvKYlo2C{id}","object":"line_item","amount":{},"currency":"usd","description":"1 × Pro plan (at $19.99 / month)","discountable":true,"discounts":[],"livemode":false,"metadata":{{"team":"blue"}},"period":{{"end":1712345678,"start":1709753678}},"quantity":1,"type":"subscription"}}"#,
            id * 1999
        )
    };
    format!(
        r#"{{"id":"evt_1OtZ8u2eZvKYlo2CkGz9xQ0R","object":"event","api_version":"2025-03-31.basil","created":1712345678,"data":{{"object":{{"id":"in_1OtZ8u2eZvKYlo2C","object":"invoice","account_country":"US","account_name":"Example \"Blue\" Inc.","amount_due":129900,"amount_paid":0,"amount_remaining":129900,"attempt_count":1,"attempted":true,"auto_advance":true,"billing_reason":"subscription_cycle","collection_method":"charge_automatically","created":1712345600,"currency":"usd","customer":"cus_NffrFeUfNV2Hib","customer_email":"jenny@example.com","customer_name":"Jenny Rosen","customer_address":{{"city":"San Francisco","country":"US","line1":"510 Townsend St","line2":null,"postal_code":"94103","state":"CA"}},"default_tax_rates":[],"description":null,"hosted_invoice_url":"https://invoice.stripe.com/i/acct_1032D82eZvKYlo2C/test_YWNjdF8xMDMyRDgyZVp2S1lsbzJD","lines":{{"object":"list","data":[{},{},{}],"has_more":false,"url":"/v1/invoices/in_1OtZ8u2eZvKYlo2C/lines"}},"livemode":false,"metadata":{{}},"next_payment_attempt":1712605678,"number":"B9C8A1F3-0042","paid":false,"period_end":1712345600,"period_start":1709753600,"status":"open","subtotal":129900,"total":129900}}}},"livemode":false,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"invoice.payment_failed"}}"#,
        line(1),
        line(2),
        line(3)
    )
}
