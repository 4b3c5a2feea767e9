//! Equality of values.
//!
//! Owns `==`: numbers by their mathematical value, lists by their items, objects by their entries
//! in any order; values of different kinds are not equal. Depth is bounded, as payloads may be
//! deep.

use std::collections::HashMap;

use super::{Machine, Meter};
use crate::eval::Exhausted;
use crate::fault::{Stop, code};
use crate::tree::NodeId;
use crate::value::Value;

/// How deep two values are compared.
const MAX_DEPTH: usize = 128;

/// Why a comparison has no answer.
pub(crate) enum Unequalled {
    Exhausted(Exhausted),
    TooDeep,
}

impl From<Exhausted> for Unequalled {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

impl<'a> Machine<'_, 'a> {
    pub(super) fn equal(&mut self, a: &Value<'a>, b: &Value<'a>, id: NodeId) -> Result<bool, Stop> {
        equal(a, b, self.meter).map_err(|reason| match reason {
            Unequalled::Exhausted(exhausted) => self.exhausted(exhausted, id),
            Unequalled::TooDeep => {
                let message = format!("values are nested deeper than {MAX_DEPTH} levels");
                self.fault(code::TOO_LARGE, id, message).into()
            }
        })
    }
}

/// Whether two values are equal.
pub(crate) fn equal(a: &Value<'_>, b: &Value<'_>, meter: &mut Meter) -> Result<bool, Unequalled> {
    equal_at(a, b, meter, 0)
}

fn equal_at(
    a: &Value<'_>,
    b: &Value<'_>,
    meter: &mut Meter,
    depth: usize,
) -> Result<bool, Unequalled> {
    let kind = a.type_name();
    if kind != b.type_name() {
        return Ok(false);
    }
    match kind {
        "null" => Ok(true),
        "bool" => Ok(a.as_bool() == b.as_bool()),
        "number" => Ok(match (a.as_number(), b.as_number()) {
            (Some(x), Some(y)) => x.compare(y).is_eq(),
            // Both beyond what can be represented: the same digits are the same number.
            (None, None) => {
                matches!((a, b), (Value::Json(x), Value::Json(y)) if x.raw() == y.raw())
            }
            _ => false,
        }),
        "string" => {
            let (x, y) = (a.as_str(), b.as_str());
            meter.read(x.as_ref().map_or(0, |text| text.len()))?;
            Ok(x == y)
        }
        _ if depth >= MAX_DEPTH => Err(Unequalled::TooDeep),
        "list" => lists(a, b, meter, depth),
        _ => objects(a, b, meter, depth),
    }
}

fn read_over(value: &Value<'_>, meter: &mut Meter) -> Result<(), Exhausted> {
    match value {
        Value::Json(view) => meter.read(view.raw().len()),
        _ => Ok(()),
    }
}

fn lists(
    a: &Value<'_>,
    b: &Value<'_>,
    meter: &mut Meter,
    depth: usize,
) -> Result<bool, Unequalled> {
    read_over(a, meter)?;
    read_over(b, meter)?;
    let (Some(x), Some(y)) = (a.items(), b.items()) else { return Ok(false) };
    if x.len() != y.len() {
        return Ok(false);
    }
    meter.spend(x.len())?;
    for (x, y) in x.iter().zip(y.iter()) {
        if !equal_at(x, y, meter, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn objects(
    a: &Value<'_>,
    b: &Value<'_>,
    meter: &mut Meter,
    depth: usize,
) -> Result<bool, Unequalled> {
    read_over(a, meter)?;
    read_over(b, meter)?;
    let (Some(x), Some(y)) = (a.entries(), b.entries()) else { return Ok(false) };
    if x.len() != y.len() {
        return Ok(false);
    }
    meter.spend(x.len())?;
    let other: HashMap<&str, &Value<'_>> =
        y.iter().map(|(key, value)| (key.as_ref(), value)).collect();
    for (key, value) in x.iter() {
        match other.get(key.as_ref()) {
            Some(found) if equal_at(value, found, meter, depth + 1)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}
