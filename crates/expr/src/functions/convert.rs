//! Functions on any value: conversion, kinds, JSON text.

use super::signature::{self, takes};
use super::{Call, Function, Gives, Takes, answer, either, free};
use crate::eval::{Answer, article};
use crate::fault::{Stop, code};
use crate::json::JsonView;
use crate::number::Number;
use crate::value::Value;

/// How deep JSON read from a string may be nested.
const MAX_DEPTH: usize = 128;

pub(super) const TABLE: &[Function] = &[
    either(
        "size",
        (1, 1),
        size,
        takes(&[Takes::Sized], Gives::Int),
        [
            "value.size(), size(value) -> number",
            "Characters of a string, items of a list, entries of an object.",
            "'größe'.size()",
            "5",
        ],
    ),
    either(
        "string",
        (1, 1),
        string,
        takes(&[Takes::Shown], Gives::Text),
        [
            "string(value), value.string() -> string",
            "The value as text, as in a template string; null has none.",
            "string(19.99)",
            r#""19.99""#,
        ],
    ),
    either(
        "int",
        (1, 1),
        int,
        takes(&[Takes::TextOrNumber], Gives::Int),
        [
            "int(value), value.int() -> number",
            "A whole number: of a string its digits, of a number what stands before its point.",
            "int('42') + int(1.9)",
            "43",
        ],
    ),
    either(
        "double",
        (1, 1),
        double,
        takes(&[Takes::TextOrNumber], Gives::Number),
        [
            "double(value), value.double() -> number",
            "The number that a string spells; a number stays itself.",
            "double('19.99')",
            "19.99",
        ],
    ),
    either(
        "bool",
        (1, 1),
        bool,
        takes(&[Takes::TextOrBool], Gives::Bool),
        [
            "bool(value), value.bool() -> bool",
            "The bool that the string 'true' or 'false' spells; a bool stays itself.",
            "bool('true')",
            "true",
        ],
    ),
    free(
        "type",
        (1, 1),
        type_of,
        takes(&[Takes::Any], Gives::By(signature::kind_names)),
        [
            "type(value) -> string",
            "The kind of the value: null, bool, number, string, list or object.",
            "type([])",
            r#""list""#,
        ],
    ),
    free(
        "json",
        (1, 1),
        json,
        takes(&[Takes::Any], Gives::Text),
        [
            "json(value) -> string",
            "The value as JSON text.",
            "json({a: [1, null]})",
            r#""{\"a\":[1,null]}""#,
        ],
    ),
    free(
        "parseJson",
        (1, 1),
        parse_json,
        takes(&[Takes::Text], Gives::Dyn),
        [
            "parseJson(text) -> any",
            "The value that a JSON text stands for.",
            "parseJson('{\"a\": [1]}').a[0]",
            "1",
        ],
    ),
];

fn size<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let count = match call.args[0].type_name() {
        "string" => {
            let text = call.text(0)?;
            call.spend(text.len() / 64)?;
            text.chars().count()
        }
        "object" => call.object(0)?.len(),
        "list" => call.list(0)?.len(),
        _ => return Err(call.wrong_kind(0, "a string, list or object")),
    };
    Ok(Value::Int(count as i64))
}

fn string<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let value = call.args[0].clone();
    answer(call.text_of(0, &value)?)
}

fn int<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    match read_number(call)? {
        Number::Int(int) => Ok(Value::Int(int)),
        Number::Float(float) if call.args[0].type_name() == "string" => {
            call.bad(0, format!("'{float}' is not a whole number"))
        }
        Number::Float(float) => {
            // Beyond 2^53 a float is whole; it may still fit.
            let whole = float.trunc();
            if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
                Ok(Value::Int(whole as i64))
            } else {
                let message = format!("{float} is too large for a whole number");
                Err(call.fault(0, code::OVERFLOW, message).into())
            }
        }
    }
}

fn double<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    read_number(call).map(Value::from)
}

fn read_number(call: &mut Call<'_, '_>) -> Result<Number, Stop> {
    if call.args[0].type_name() != "string" {
        return call.number(0).map_err(|_| match call.args[0].type_name() {
            "number" => call.fault(0, code::OVERFLOW, "this number is too large").into(),
            _ => call.wrong_kind(0, "a number or a string"),
        });
    }
    let text = call.text(0)?;
    let trimmed = text.trim();
    match Number::parse(trimmed.strip_prefix('+').unwrap_or(trimmed)) {
        Some(number) => Ok(number),
        None => {
            let shown: String = trimmed.chars().take(40).collect();
            call.bad(0, format!("'{shown}' is not a number"))
        }
    }
}

fn bool<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    if let Some(bool) = call.args[0].as_bool() {
        return Ok(Value::Bool(bool));
    }
    if call.args[0].type_name() != "string" {
        return Err(call.wrong_kind(0, "a bool or a string"));
    }
    match call.text(0)?.as_ref() {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        other => {
            let shown: String = other.chars().take(40).collect();
            let message = format!("'{shown}' is neither 'true' nor 'false'");
            Err(call.fault(0, code::VALUE, message).hint("compare it: `x == 'yes'`").into())
        }
    }
}

fn type_of<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    Ok(Value::text(call.args[0].type_name()))
}

fn json<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let value = call.args[0].clone();
    answer(call.json_text(&value)?)
}

fn parse_json<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len())?;
    match JsonView::parse(&text) {
        Ok(view) => owned(view, call, 0),
        Err(fault) => call.bad(0, format!("this is not JSON: {fault}")),
    }
}

/// Copies a view, as the text it looks at does not outlive the call.
fn owned<'a>(view: JsonView<'_>, call: &mut Call<'_, 'a>, depth: usize) -> Answer<'a> {
    call.spend(1)?;
    if depth > MAX_DEPTH {
        let message = format!("this JSON is nested deeper than {MAX_DEPTH} levels");
        return Err(call.fault(0, code::TOO_LARGE, message).into());
    }
    let whole = Value::Json(view);
    if let Some(items) = whole.items() {
        let mut copies = Vec::with_capacity(items.len());
        for item in items.iter() {
            if let Value::Json(item) = item {
                copies.push(owned(*item, call, depth + 1)?);
            }
        }
        return Ok(Value::list(copies));
    }
    if let Some(entries) = whole.entries() {
        let mut copies = Vec::with_capacity(entries.len());
        for (key, value) in entries.iter() {
            if let Value::Json(value) = value {
                copies.push((key.clone().into_owned().into(), owned(*value, call, depth + 1)?));
            }
        }
        return Ok(Value::object(copies));
    }
    match whole.plain() {
        Some(Value::Str(text)) => answer(text),
        Some(Value::Bool(bool)) => Ok(Value::Bool(bool)),
        Some(Value::Int(int)) => Ok(Value::Int(int)),
        Some(Value::Float(float)) => Ok(Value::Float(float)),
        Some(Value::Null) => Ok(Value::Null),
        other => {
            let kind = other
                .map_or("number that is too large".to_owned(), |other| article(other.type_name()));
            Err(call.fault(0, code::OVERFLOW, format!("this JSON holds a {kind}")).into())
        }
    }
}
