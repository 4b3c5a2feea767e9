//! Whatever values a schema is inferred from, they are valid against it, in whatever order they
//! came.

use boon::{Compiler, Schemas};
use postroom_core::infer::Shape;
use postroom_expr::JsonView;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z]{0,3}",
        Just("2026-11-25T09:00:00Z".to_owned()),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]",
        "20[0-9]{2}-0[1-9]-[0-2][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,2})?(Z|[+-][0-2][0-9]:[0-9]0)",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-4_i32..4).prop_map(|n| json!(f64::from(n) / 2.0)),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof!["[abc]", "[a-z]{1,2}[0-9]{0,5}", "[a-c@. ]{0,3}"];
        let entries = proptest::collection::vec((key, inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(Value::from),
            entries.prop_map(|all| Value::Object(all.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn inferred<'v>(values: impl Iterator<Item = &'v Value>) -> Value {
    let mut shape = Shape::default();
    for value in values {
        shape.learn(JsonView::parse(&value.to_string()).expect("JSON"));
    }
    shape.schema()
}

proptest! {
    #[test]
    fn every_value_is_valid_against_what_was_inferred_from_it(
        values in proptest::collection::vec(value(), 1..6),
    ) {
        let schema = inferred(values.iter());
        prop_assert_eq!(&schema, &inferred(values.iter().rev()));
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource("https://postroom.test/a.json", schema.clone()).expect("a resource");
        let index = compiler.compile("https://postroom.test/a.json", &mut schemas);
        let index = index.expect("a schema");
        for value in &values {
            let valid = schemas.validate(value, index);
            prop_assert!(valid.is_ok(), "{schema:#}\n{value:#}\n{:#}", valid.unwrap_err());
        }
    }
}
