//! Functions on objects. Keys keep the order in which they are written.

use std::collections::HashSet;

use super::signature::{self, takes};
use super::{Call, Function, Gives, Takes, method};
use crate::eval::Answer;
use crate::fault::{Stop, code};
use crate::value::{Entry, Value};

pub(super) const TABLE: &[Function] = &[
    method(
        "keys",
        (1, 1),
        keys,
        takes(&[Takes::Object], Gives::By(signature::keys)),
        ["object.keys() -> list", "Its keys.", "{a: 1, b: 2}.keys()", r#"["a","b"]"#],
    ),
    method(
        "values",
        (1, 1),
        values,
        takes(&[Takes::Object], Gives::By(signature::values)),
        ["object.values() -> list", "Its values.", "{a: 1, b: 2}.values()", "[1,2]"],
    ),
    method(
        "entries",
        (1, 1),
        entries,
        takes(&[Takes::Object], Gives::By(signature::entries)),
        [
            "object.entries() -> list",
            "Its entries as objects with `key` and `value`.",
            "{a: 1}.entries()",
            r#"[{"key":"a","value":1}]"#,
        ],
    ),
    method(
        "merge",
        (2, 2),
        merge,
        takes(&[Takes::Object], Gives::By(signature::merge)),
        [
            "object.merge(other) -> object",
            "With the entries of another object, which win where both have a key.",
            "{a: 1, b: 2}.merge({b: 3, c: 4})",
            r#"{"a":1,"b":3,"c":4}"#,
        ],
    ),
    method(
        "pick",
        (2, 2),
        pick,
        takes(&[Takes::Object, Takes::Texts], Gives::By(signature::pick)),
        [
            "object.pick(keys) -> object",
            "With these keys only; those it does not have are left out.",
            "{a: 1, b: 2}.pick(['b', 'z'])",
            r#"{"b":2}"#,
        ],
    ),
    method(
        "without",
        (2, 2),
        without,
        takes(&[Takes::Object, Takes::Texts], Gives::By(signature::without)),
        [
            "object.without(keys) -> object",
            "Without these keys.",
            "{a: 1, b: 2}.without(['b'])",
            r#"{"a":1}"#,
        ],
    ),
];

fn keys<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let entries = call.object(0)?;
    Ok(Value::list(entries.iter().map(|(key, _)| Value::Str(key.clone())).collect()))
}

fn values<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let entries = call.object(0)?;
    Ok(Value::list(entries.iter().map(|(_, value)| value.clone()).collect()))
}

fn entries<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let entries = call.object(0)?;
    let pairs = entries.iter().map(|(key, value)| {
        Value::object(vec![
            ("key".into(), Value::Str(key.clone())),
            ("value".into(), value.clone()),
        ])
    });
    Ok(Value::list(pairs.collect()))
}

fn merge<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let mut merged = call.object(0)?.into_owned();
    let other = call.object(1)?;
    let places: std::collections::HashMap<String, usize> =
        merged.iter().enumerate().map(|(place, (key, _))| (key.to_string(), place)).collect();
    for (key, value) in other.iter() {
        match places.get(key.as_ref()) {
            Some(place) => merged[*place].1 = value.clone(),
            None => merged.push((key.clone(), value.clone())),
        }
    }
    Ok(Value::object(merged))
}

fn chosen(call: &mut Call<'_, '_>) -> Result<HashSet<String>, Stop> {
    let mut keys = HashSet::new();
    for key in call.list(1)?.iter() {
        match key.as_str() {
            Some(key) => {
                call.build(key.len())?;
                keys.insert(key.into_owned());
            }
            None => {
                let kind = crate::eval::article(key.type_name());
                let message = format!("keys are strings, but one of these is {kind}");
                return Err(call.fault(1, code::TYPE, message).into());
            }
        }
    }
    Ok(keys)
}

fn keep<'a>(call: &mut Call<'_, 'a>, listed: bool) -> Answer<'a> {
    let keys = chosen(call)?;
    let entries = call.object(0)?;
    let kept: Vec<Entry<'a>> =
        entries.iter().filter(|(key, _)| keys.contains(key.as_ref()) == listed).cloned().collect();
    Ok(Value::object(kept))
}

fn pick<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    keep(call, true)
}

fn without<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    keep(call, false)
}
