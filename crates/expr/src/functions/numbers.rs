//! Functions on numbers. Rounding works on the decimal digits that are shown, half away from zero,
//! so `1.005.round(2)` is 1.01 although the nearest float is a little less.

use super::signature::{self, takes};
use super::{Call, Function, Gives, Takes, answer, either, method};
use crate::eval::Answer;
use crate::fault::{Stop, code};
use crate::number::Number;
use crate::value::Value;

/// Most decimals that rounding keeps.
const MAX_DECIMALS: usize = 20;

pub(super) const TABLE: &[Function] = &[
    method(
        "round",
        (1, 2),
        round,
        takes(&[Takes::Number, Takes::Whole], Gives::By(signature::rounded)),
        [
            "number.round(decimals?) -> number",
            "Rounded to decimals or to a whole number, half away from zero.",
            "(19.995).round(2)",
            "20",
        ],
    ),
    method(
        "fixed",
        (2, 2),
        fixed,
        takes(&[Takes::Number, Takes::Whole], Gives::Text),
        [
            "number.fixed(decimals) -> string",
            "As text with exactly that many decimals, rounded like `round`.",
            "(1999 / 100).fixed(2) + ' ' + (5).fixed(2)",
            r#""19.99 5.00""#,
        ],
    ),
    method(
        "floor",
        (1, 1),
        floor,
        takes(&[Takes::Number], Gives::Int),
        ["number.floor() -> number", "The next whole number below.", "(-1.5).floor()", "-2"],
    ),
    method(
        "ceil",
        (1, 1),
        ceil,
        takes(&[Takes::Number], Gives::Int),
        ["number.ceil() -> number", "The next whole number above.", "(1.2).ceil()", "2"],
    ),
    method(
        "abs",
        (1, 1),
        abs,
        takes(&[Takes::Number], Gives::By(signature::same_number)),
        ["number.abs() -> number", "Without its sign.", "(-3).abs()", "3"],
    ),
    either(
        "min",
        (1, super::MANY),
        min,
        takes(&[Takes::Choice], Gives::By(signature::choice)),
        [
            "list.min(), min(a, b, …) -> number or string",
            "The smallest; null for an empty list.",
            "min(3, 1, 2)",
            "1",
        ],
    ),
    either(
        "max",
        (1, super::MANY),
        max,
        takes(&[Takes::Choice], Gives::By(signature::choice)),
        [
            "list.max(), max(a, b, …) -> number or string",
            "The largest; null for an empty list.",
            "[3, 1, 2].max()",
            "3",
        ],
    ),
    method(
        "sum",
        (1, 1),
        sum,
        takes(&[Takes::Numbers], Gives::By(signature::total)),
        [
            "list.sum() -> number",
            "The sum of a list of numbers; 0 for an empty list.",
            "[{n: 1}, {n: 2.5}].map(x => x.n).sum()",
            "3.5",
        ],
    ),
];

/// A number's digits rounded to decimals, half away from zero.
fn rounded(number: Number, decimals: usize) -> String {
    let text = match number {
        Number::Int(int) => int.to_string(),
        // Display never uses an exponent.
        Number::Float(float) => format!("{float}"),
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(decimals).collect();
    let mut all: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if fraction.as_bytes().get(decimals).is_some_and(|digit| *digit >= b'5') {
        let carried = all.iter_mut().rev().all(|digit| {
            let nine = *digit == b'9';
            *digit = if nine { b'0' } else { *digit + 1 };
            nine
        });
        if carried {
            all.insert(0, b'1');
        }
    }
    let sign = if all.iter().all(|digit| *digit == b'0') { "" } else { sign };
    let point = all.len() - decimals;
    let mut out = String::from(sign);
    for (index, digit) in all.iter().enumerate() {
        if index == point {
            out.push('.');
        }
        out.push(char::from(*digit));
    }
    out
}

fn decimals(call: &Call<'_, '_>) -> Result<usize, Stop> {
    if !call.has(1) {
        return Ok(0);
    }
    match call.count(1)? {
        count if count <= MAX_DECIMALS => Ok(count),
        count => call.bad(1, format!("{count} decimals are too many; at most {MAX_DECIMALS}")),
    }
}

fn overflow(call: &Call<'_, '_>) -> Stop {
    call.fault(0, code::OVERFLOW, "the result is too large for a number").into()
}

fn round<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let number = call.number(0)?;
    let decimals = decimals(call)?;
    match number {
        Number::Int(int) => Ok(Value::Int(int)),
        Number::Float(_) => Number::parse(&rounded(number, decimals))
            .and_then(|number| Number::from_f64(number.as_f64()))
            .map(Value::from)
            .ok_or_else(|| overflow(call)),
    }
}

fn fixed<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = rounded(call.number(0)?, decimals(call)?);
    call.build(text.len())?;
    answer(text)
}

fn with_float<'a>(call: &mut Call<'_, 'a>, apply: fn(f64) -> f64) -> Answer<'a> {
    match call.number(0)? {
        Number::Int(int) => Ok(Value::Int(int)),
        Number::Float(float) => {
            Number::from_f64(apply(float)).map(Value::from).ok_or_else(|| overflow(call))
        }
    }
}

fn floor<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    with_float(call, f64::floor)
}

fn ceil<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    with_float(call, f64::ceil)
}

fn abs<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    match call.number(0)? {
        Number::Int(int) => int.checked_abs().map(Value::Int).ok_or_else(|| overflow(call)),
        Number::Float(float) => Ok(Value::Float(float.abs())),
    }
}

fn min<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    extreme(call, "min").map(|sorted| sorted.into_iter().next().unwrap_or(Value::Null))
}

fn max<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    extreme(call, "max").map(|sorted| sorted.into_iter().next_back().unwrap_or(Value::Null))
}

/// The values among which to choose, in order.
fn extreme<'a>(call: &mut Call<'_, 'a>, name: &str) -> Result<Vec<Value<'a>>, Stop> {
    let mut values = match call.args.len() {
        1 => call.list(0)?.into_owned(),
        _ => call.args.to_vec(),
    };
    call.spend(values.len() * values.len().max(1).ilog2() as usize)?;
    match super::sort_values(&mut values, |value| value) {
        Ok(()) => Ok(values),
        Err(message) => Err(call.fault(0, code::TYPE, format!("`{name}`: {message}")).into()),
    }
}

fn sum<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let mut total = Number::Int(0);
    for (index, item) in call.list(0)?.iter().enumerate() {
        let Some(number) = item.as_number() else {
            let kind = crate::eval::article(item.type_name());
            let message = format!("`sum` adds numbers, but item {index} is {kind}");
            let code = if item.is_null() { code::NULL } else { code::TYPE };
            return Err(call.fault(0, code, message).into());
        };
        total = total.checked_add(number).map_err(|_| overflow(call))?;
    }
    Ok(total.into())
}
