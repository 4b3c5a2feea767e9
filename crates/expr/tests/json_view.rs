//! The JSON view agrees with serde_json, and copes with what serde_json refuses.

use std::borrow::Cow;

use postroom_expr::{JsonView, Kind, Number};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Compares a view with serde_json's reading of the same text.
fn agree(view: JsonView<'_>, json: &Json) -> Result<(), TestCaseError> {
    let reread: Json = serde_json::from_str(view.raw()).expect("the text of a view is JSON");
    prop_assert_eq!(&reread, json);
    match json {
        Json::Null => prop_assert_eq!(view.kind(), Kind::Null),
        Json::Bool(bool) => prop_assert_eq!(view.as_bool(), Some(*bool)),
        Json::Number(number) => match (view.as_number(), number.as_i64()) {
            (Some(Number::Int(found)), Some(int)) => prop_assert_eq!(found, int),
            (Some(found), _) => {
                // serde_json reads floats fast, up to one unit in the last place beside the
                // nearest.
                let (found, near) = (found.as_f64(), number.as_f64().unwrap_or(f64::NAN));
                prop_assert!((found - near).abs() <= near.abs() * 1e-15, "{found} {near}");
            }
            (None, _) => prop_assert!(false, "no number in {}", view.raw()),
        },
        Json::String(text) => {
            let found = view.as_str();
            prop_assert_eq!(found.as_deref(), Some(text.as_str()));
        }
        Json::Array(items) => {
            prop_assert_eq!(view.len(), items.len());
            prop_assert_eq!(view.is_empty(), items.is_empty());
            for (index, item) in items.iter().enumerate() {
                agree(view.at(index).expect("an item"), item)?;
            }
            for (found, item) in view.items().zip(items) {
                agree(found, item)?;
            }
            prop_assert!(view.at(items.len()).is_none());
        }
        Json::Object(entries) => {
            prop_assert_eq!(view.len(), entries.len());
            prop_assert_eq!(view.is_empty(), entries.is_empty());
            for (key, value) in entries {
                agree(view.get(key).expect("an entry"), value)?;
            }
            for (key, found) in view.entries() {
                agree(found, &entries[key.as_ref()])?;
            }
            let absent = view.get("\u{1}no such key");
            prop_assert!(absent.is_none());
        }
    }
    Ok(())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,3}",
        any::<String>(),
        prop::collection::vec(
            prop::sample::select(vec![
                "\"", "\\", "/", "\n", "\u{7f}", "é", "😀", "\u{0}", "a", "}", "]"
            ]),
            0..12
        )
        .prop_map(|parts| parts.concat()),
    ]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        prop::num::f64::NORMAL.prop_map(Json::from),
        text().prop_map(Json::String),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((text(), inner), 0..6)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

/// Writes JSON with every non-ASCII character, and some others, as escapes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_serde_json(json in json()) {
        let compact = json.to_string();
        let pretty = serde_json::to_string_pretty(&json).expect("serialises");
        let json = serde_json::from_str(&compact).expect("valid");
        for text in [escaped(&compact), compact, format!(" {pretty}\n")] {
            agree(JsonView::parse(&text).expect("valid"), &json)?;
        }
    }

    #[test]
    fn accepts_what_serde_json_accepts(text in "[\\[\\]{}\",:0-9a-f.eE+\\-\\\\ ntrufals]{0,24}") {
        let ours = JsonView::parse(&text);
        let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
        if let Ok(view) = ours {
            // Whatever was accepted can be walked.
            let _ = (view.len(), view.as_str(), view.as_number(), view.get("a"), view.at(1));
            prop_assert_eq!(view.raw(), text.trim());
        }
    }
}

#[test]
fn what_serde_json_refuses_or_rounds_keeps_its_text() {
    let text = r#"{"big": 123456789012345678901234567890, "huge": -1e400, "lone": "\ud800x", "a": 1, "a": 2,
        "a\u0062": [ ] , "slash\/": "\/" }"#;
    let view = JsonView::parse(text).expect("valid");
    let get = |key| view.get(key).expect(key);
    assert_eq!(get("big").raw(), "123456789012345678901234567890");
    assert_eq!(get("big").as_number().map(Number::as_f64), Some(1.234_567_890_123_456_8e29));
    assert_eq!((get("huge").kind(), get("huge").as_number()), (Kind::Number, None));
    assert_eq!(get("lone").as_str(), Some(Cow::from("\u{fffd}x")));
    assert_eq!(get("a").raw(), "1", "the first of repeated keys counts");
    assert_eq!(view.entries().count(), 7, "all repeated keys are listed");
    assert!(get("ab").is_empty());
    assert_eq!(get("slash/").as_str(), Some(Cow::from("/")));
    assert!(view.get("slash\\/").is_none(), "keys are compared unescaped");
    assert!(view.get("x").is_none() && view.at(0).is_none() && get("a").get("b").is_none());
}

#[test]
fn deep_nesting_is_walked_without_recursion() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = 200_000;
        let text = format!("{{\"x\":{}1{},\"y\":2}}", open.repeat(depth), close.repeat(depth));
        let view = JsonView::parse(&text).expect("valid");
        assert_eq!(view.get("y").and_then(JsonView::as_number), Some(Number::Int(2)));
        assert_eq!(
            view.get("x").map(|x| x.raw().len()),
            Some(depth * (open.len() + close.len()) + 1)
        );
        assert_eq!(view.len(), 2);
    }
}

#[test]
fn faults_tell_where_reading_stopped() {
    let table =
        [("", 0), ("{\"a\":", 4), ("[1, 2\n, x]", 8), ("1 2", 2), ("{\"é\": tru}", 10), ("nul", 2)];
    for (text, offset) in table {
        let fault = JsonView::parse(text).expect_err(text);
        assert_eq!(fault.offset, offset, "{text}: {fault}");
        assert!(!fault.message.contains("line"), "{fault}");
    }
}
