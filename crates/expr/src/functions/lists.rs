//! Functions on lists.

use std::cmp::Ordering;

use super::signature::{self, takes};
use super::{Call, Function, Gives, Takes, answer, method};
use crate::eval::{Answer, article};
use crate::fault::{Fault, Stop, code};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    method(
        "join",
        (1, 2),
        join,
        takes(&[Takes::ShownItems, Takes::Text], Gives::Text),
        [
            "list.join(separator?) -> string",
            "The texts of the items, with the separator between them.",
            "['a', 1, true].join(', ')",
            r#""a, 1, true""#,
        ],
    ),
    method(
        "first",
        (1, 1),
        first,
        takes(&[Takes::List], Gives::By(signature::one_item)),
        ["list.first() -> any", "The first item; null for an empty list.", "[1, 2].first()", "1"],
    ),
    method(
        "last",
        (1, 1),
        last,
        takes(&[Takes::List], Gives::By(signature::one_item)),
        ["list.last() -> any", "The last item; null for an empty list.", "[1, 2].last()", "2"],
    ),
    method(
        "slice",
        (2, 3),
        slice,
        takes(&[Takes::TextOrList, Takes::Whole], Gives::By(signature::part)),
        [
            "text.slice(from, to?), list.slice(from, to?) -> string, list",
            "From a position up to, not including, another one. Past the end there is nothing; \
             negative positions count from the end.",
            "string([1, 2, 3, 4].slice(1, 3)) + 'DE89 0532 0130'.slice(-4) + 'ab'.slice(0, 500)",
            r#""[2,3]0130ab""#,
        ],
    ),
    method(
        "chunk",
        (2, 2),
        chunk,
        takes(&[Takes::List, Takes::Whole], Gives::By(signature::chunks)),
        [
            "list.chunk(size) -> list",
            "In lists of that many items, the last of what is left; for calls that take so many.",
            "[1, 2, 3].chunk(2)",
            "[[1,2],[3]]",
        ],
    ),
    method(
        "distinct",
        (1, 1),
        distinct,
        takes(&[Takes::List], Gives::By(signature::same)),
        [
            "list.distinct() -> list",
            "Each item once, where it first stands.",
            "[1, 2, 1.0].distinct()",
            "[1,2]",
        ],
    ),
    method(
        "sort",
        (1, 1),
        sort,
        takes(&[Takes::Ordered], Gives::By(signature::same)),
        [
            "list.sort() -> list",
            "In ascending order; the items are all numbers or all strings.",
            "[3, 1.5, 2].sort()",
            "[1.5,2,3]",
        ],
    ),
    method(
        "flatten",
        (1, 1),
        flatten,
        takes(&[Takes::List], Gives::By(signature::flat)),
        [
            "list.flatten() -> list",
            "With the items of the lists in it in their place, one level deep.",
            "[1, [2, [3]]].flatten()",
            "[1,2,[3]]",
        ],
    ),
];

/// Sorts by keys that are all numbers or all strings; otherwise says why that has no order.
pub(crate) fn sort_values<'a, T>(
    items: &mut [T],
    key: impl for<'t> Fn(&'t T) -> &'t Value<'a>,
) -> Result<(), String> {
    let kinds: Vec<&str> = items.iter().map(|item| key(item).type_name()).collect();
    if let Some(odd) = kinds.iter().find(|kind| !matches!(**kind, "number" | "string")) {
        return Err(format!(
            "only numbers and strings have an order, and one of them is {}",
            article(odd)
        ));
    }
    if kinds.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err("numbers and strings have no common order".to_owned());
    }
    items.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        match (a.as_number(), b.as_number()) {
            (Some(x), Some(y)) => x.compare(y),
            // A number that is too large to be read sorts last, so that the order is total.
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (None, None) => a.as_str().cmp(&b.as_str()),
        }
    });
    Ok(())
}

fn join<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let separator = if call.has(1) { call.text(1)? } else { "".into() };
    let items = call.list(0)?;
    let mut out = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            call.build(separator.len())?;
            out.push_str(&separator);
        }
        if item.is_null() {
            let message = format!("`join` needs texts, but item {index} is null");
            let hint = "leave nulls out with `.filter(x => x != null)`";
            return Err(call.fault(0, code::NULL, message).hint(hint).into());
        }
        out.push_str(&call.text_of(0, item)?);
    }
    answer(out)
}

fn first<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    Ok(call.list(0)?.first().cloned().unwrap_or(Value::Null))
}

fn last<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    Ok(call.list(0)?.last().cloned().unwrap_or(Value::Null))
}

fn slice<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let from = call.whole(1)?;
    let to = if call.has(2) { call.whole(2)? } else { i64::MAX };
    if call.args[0].type_name() == "list" {
        let items = call.list(0)?;
        let (from, to) = (place(from, items.len()), place(to, items.len()));
        return Ok(Value::list(items.iter().take(to).skip(from).cloned().collect()));
    }
    let text = call.text(0)?;
    call.build(text.len())?;
    let size = text.chars().count();
    let (from, to) = (place(from, size), place(to, size));
    answer(text.chars().take(to).skip(from).collect::<String>())
}

/// A position among so many; one that is negative counts from the end.
fn place(position: i64, size: usize) -> usize {
    let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    if position < 0 { size.saturating_sub(distance) } else { size.min(distance) }
}

fn chunk<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let size = call.count(1)?;
    if size == 0 {
        return call.bad(1, "0 items make no list");
    }
    let items = call.list(0)?;
    Ok(Value::list(items.chunks(size).map(|part| Value::list(part.to_vec())).collect()))
}

fn distinct<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let items = call.list(0)?;
    let mut kept: Vec<Value<'a>> = Vec::new();
    for item in items.iter() {
        let mut known = false;
        for other in &kept {
            call.spend(1)?;
            if call.equal(item, other)? {
                known = true;
                break;
            }
        }
        if !known {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn sort<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let mut items = call.list(0)?.into_owned();
    call.spend(items.len() * items.len().max(1).ilog2() as usize)?;
    match sort_values(&mut items, |item| item) {
        Ok(()) => Ok(Value::list(items)),
        Err(message) => {
            let fault: Fault = call.fault(0, code::TYPE, format!("`sort`: {message}"));
            Err(Stop::from(fault.hint("say what to sort by: `.sortBy(x => …)`")))
        }
    }
}

fn flatten<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let items = call.list(0)?;
    let mut flat = Vec::new();
    for item in items.iter() {
        match item.items() {
            Some(inner) => {
                call.spend(inner.len())?;
                flat.extend(inner.into_owned());
            }
            None => flat.push(item.clone()),
        }
    }
    Ok(Value::list(flat))
}
