//! Functions on strings. Positions count characters (Unicode scalar values), never bytes.

use super::signature::{self, TEXT_TO_TEXT, TEXTS_TO_BOOL, takes};
use super::{Call, Form, Function, Gives, Run, Takes, Words, answer, method, row};
use crate::eval::Answer;
use crate::fault::{Stop, code};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    method(
        "startsWith",
        (2, 2),
        starts_with,
        TEXTS_TO_BOOL,
        [
            "text.startsWith(prefix) -> bool",
            "Whether the string starts with the other one.",
            "'invoice.paid'.startsWith('invoice.')",
            "true",
        ],
    ),
    method(
        "endsWith",
        (2, 2),
        ends_with,
        TEXTS_TO_BOOL,
        [
            "text.endsWith(suffix) -> bool",
            "Whether the string ends with the other one.",
            "'a.pdf'.endsWith('.pdf')",
            "true",
        ],
    ),
    method(
        "contains",
        (2, 2),
        contains,
        TEXTS_TO_BOOL,
        [
            "text.contains(part) -> bool",
            "Whether the other string occurs in it. For a list, write `x in list`.",
            "'hello'.contains('ell')",
            "true",
        ],
    ),
    method(
        "indexOf",
        (2, 2),
        index_of,
        takes(&[Takes::Text, Takes::Text], Gives::Int),
        [
            "text.indexOf(part) -> number",
            "The position of the first occurrence, -1 if there is none.",
            "'hello'.indexOf('l')",
            "2",
        ],
    ),
    method(
        "charAt",
        (2, 2),
        char_at,
        takes(&[Takes::Text, Takes::Whole], Gives::Text),
        [
            "text.charAt(position) -> string",
            "The character at a position, counted from 0.",
            "'hello'.charAt(1)",
            r#""e""#,
        ],
    ),
    method(
        "substring",
        (2, 3),
        substring,
        takes(&[Takes::Text, Takes::Whole], Gives::Text),
        [
            "text.substring(from, to?) -> string",
            "The characters from a position up to, not including, another one or the end.",
            "'2026-01-31'.substring(0, 4)",
            r#""2026""#,
        ],
    ),
    method(
        "lower",
        (1, 1),
        lower,
        TEXT_TO_TEXT,
        ["text.lower() -> string", "In lower case.", "'ÄB'.lower()", r#""äb""#],
    ),
    method(
        "upper",
        (1, 1),
        upper,
        TEXT_TO_TEXT,
        ["text.upper() -> string", "In upper case.", "'äb'.upper()", r#""ÄB""#],
    ),
    method(
        "trim",
        (1, 1),
        trim,
        TEXT_TO_TEXT,
        [
            "text.trim() -> string",
            "Without the white space around it.",
            "'  a b '.trim()",
            r#""a b""#,
        ],
    ),
    method(
        "split",
        (2, 3),
        split,
        takes(&[Takes::Text, Takes::Text, Takes::Whole], Gives::By(signature::texts)),
        [
            "text.split(separator, most?) -> list",
            "The parts between separators; with a limit, the last part keeps the rest.",
            "'a,b,c'.split(',', 2)",
            r#"["a","b,c"]"#,
        ],
    ),
    method(
        "replace",
        (3, 3),
        replace,
        takes(&[Takes::Text], Gives::Text),
        [
            "text.replace(part, by) -> string",
            "With every occurrence of a part replaced.",
            "'a-b-c'.replace('-', '+')",
            r#""a+b+c""#,
        ],
    ),
    method(
        "padStart",
        (2, 3),
        pad_start,
        takes(&[Takes::Text, Takes::Whole, Takes::Text], Gives::Text),
        [
            "text.padStart(size, fill?) -> string",
            "Filled up at the start, with spaces or the given character.",
            "'7'.padStart(3, '0')",
            r#""007""#,
        ],
    ),
    method(
        "padEnd",
        (2, 3),
        pad_end,
        takes(&[Takes::Text, Takes::Whole, Takes::Text], Gives::Text),
        [
            "text.padEnd(size, fill?) -> string",
            "Filled up at the end, with spaces or the given character.",
            "'7'.padEnd(3, '.')",
            r#""7..""#,
        ],
    ),
    REVERSE,
];

const REVERSE: Function = both(
    "reverse",
    [
        "text.reverse(), list.reverse() -> string, list",
        "The other way round.",
        "'abc'.reverse() + string([1, 2].reverse())",
        r#""cba[2,1]""#,
    ],
);

const fn both(name: &'static str, words: Words) -> Function {
    row(
        name,
        Form::Method,
        (1, 1),
        Run::Native(reverse),
        takes(&[Takes::TextOrList], Gives::By(signature::reversed)),
        words,
    )
}

fn read(call: &mut Call<'_, '_>, bytes: usize) -> Result<(), Stop> {
    call.spend(bytes / 512)
}

fn starts_with<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    Ok(Value::Bool(call.text(0)?.starts_with(call.text(1)?.as_ref())))
}

fn ends_with<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    Ok(Value::Bool(call.text(0)?.ends_with(call.text(1)?.as_ref())))
}

fn contains<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    if call.args[0].type_name() == "list" {
        let fault = call.fault(0, code::TYPE, "`contains` looks into a string, but this is a list");
        return Err(fault.hint("write `x in list`").into());
    }
    let text = call.text(0)?;
    read(call, text.len())?;
    Ok(Value::Bool(text.contains(call.text(1)?.as_ref())))
}

fn index_of<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    read(call, text.len())?;
    let position = match text.find(call.text(1)?.as_ref()) {
        Some(byte) => text[..byte].chars().count() as i64,
        None => -1,
    };
    Ok(Value::Int(position))
}

/// The byte at which a character starts; the length for the position after the last one.
fn byte_of(call: &Call<'_, '_>, text: &str, index: usize) -> Result<usize, Stop> {
    let position = call.count(index)?;
    let mut places = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
    match places.nth(position) {
        Some(byte) => Ok(byte),
        None => {
            let size = text.chars().count();
            let message =
                format!("position {position} is beyond the string, which has {size} characters");
            let hint = "`.slice(from, to)` stops at the end";
            Err(call.fault(index, code::VALUE, message).hint(hint).into())
        }
    }
}

fn char_at<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    read(call, text.len())?;
    let from = byte_of(call, &text, 1)?;
    match text[from..].chars().next() {
        Some(character) => answer(character),
        None => call.bad(1, format!("there is no character {} in it", call.count(1)?)),
    }
}

fn substring<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    read(call, text.len())?;
    let from = byte_of(call, &text, 1)?;
    let to = if call.has(2) { byte_of(call, &text, 2)? } else { text.len() };
    if from > to {
        return call.bad(2, "the end is before the start");
    }
    call.build(to - from)?;
    answer(&text[from..to])
}

fn lower<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len())?;
    answer(text.to_lowercase())
}

fn upper<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len())?;
    answer(text.to_uppercase())
}

fn trim<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len())?;
    answer(text.trim())
}

fn split<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    let most = if call.has(2) { call.count(2)? } else { usize::MAX };
    if separator.is_empty() {
        return call.bad(1, "the separator is empty");
    }
    call.build(text.len())?;
    let mut parts = Vec::new();
    for part in text.splitn(most, separator.as_ref()) {
        call.spend(1)?;
        parts.push(Value::text(part.to_owned()));
    }
    Ok(Value::list(parts))
}

fn replace<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let (text, part, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
    if part.is_empty() {
        return call.bad(1, "the part to replace is empty");
    }
    read(call, text.len())?;
    let count = text.matches(part.as_ref()).count();
    let size = (text.len() - count * part.len()).saturating_add(count.saturating_mul(by.len()));
    call.build(size)?;
    answer(text.replace(part.as_ref(), &by))
}

/// The characters that bring a string to its size.
fn padding(call: &mut Call<'_, '_>) -> Result<String, Stop> {
    let text = call.text(0)?;
    let size = call.count(1)?;
    let fill = if call.has(2) { call.text(2)? } else { " ".into() };
    let mut characters = fill.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else {
        return call.bad(2, "the filling is exactly one character");
    };
    let missing = size.saturating_sub(text.chars().count());
    call.build(text.len().saturating_add(missing.saturating_mul(character.len_utf8())))?;
    Ok(std::iter::repeat_n(character, missing).collect())
}

fn pad_start<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let padding = padding(call)?;
    answer(padding + &call.text(0)?)
}

fn pad_end<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let padding = padding(call)?;
    answer(call.text(0)?.into_owned() + &padding)
}

fn reverse<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    if call.args[0].type_name() == "list" {
        let items = call.list(0)?;
        return Ok(Value::list(items.iter().rev().cloned().collect()));
    }
    let text = call.text(0)?;
    call.build(text.len())?;
    answer(text.chars().rev().collect::<String>())
}
