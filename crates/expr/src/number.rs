//! The language's one number type and its arithmetic.
//!
//! Owns the rule that a number is an `i64` where it is whole and exact, and an `f64` otherwise,
//! and that no operation yields an infinity or a NaN. Refuses to wrap, to saturate, and to slide
//! from an exact integer to an inexact float: integer overflow is an error.

use std::cmp::Ordering;
use std::fmt;

/// Whole floats up to here are the same number as their integer, so they become it.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number that fits.
    Int(i64),
    /// Any other; always finite.
    Float(f64),
}

/// Why an arithmetic operation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoResult {
    /// The result is outside the range that can be represented.
    Overflow,
    /// The divisor is zero.
    DivisionByZero,
    /// The operation is defined on whole numbers only.
    NotWhole,
}

impl Number {
    /// The number of a float: an integer where that is exact. `None` for NaN and infinities.
    pub fn from_f64(float: f64) -> Option<Self> {
        if !float.is_finite() {
            None
        } else if float.fract() == 0.0 && float.abs() <= EXACT {
            Some(Self::Int(float as i64))
        } else {
            Some(Self::Float(float))
        }
    }

    /// Reads a number in JSON's notation. `None` when it is none or too large for an `f64`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !bytes.last()?.is_ascii_digit() || !matches!(bytes[0], b'-' | b'0'..=b'9') {
            return None;
        }
        if let Ok(int) = text.parse::<i64>() {
            return Some(Self::Int(int));
        }
        if !bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            return None;
        }
        Self::from_f64(text.parse().ok()?)
    }

    /// The nearest float.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// Sum.
    ///
    /// # Errors
    /// Overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, NoResult> {
        self.apply(other, i64::checked_add, |a, b| a + b)
    }

    /// Difference.
    ///
    /// # Errors
    /// Overflow.
    pub fn checked_sub(self, other: Self) -> Result<Self, NoResult> {
        self.apply(other, i64::checked_sub, |a, b| a - b)
    }

    /// Product.
    ///
    /// # Errors
    /// Overflow.
    pub fn checked_mul(self, other: Self) -> Result<Self, NoResult> {
        self.apply(other, i64::checked_mul, |a, b| a * b)
    }

    /// True division: `1999 / 100` is 19.99, `10 / 5` is 2.
    ///
    /// # Errors
    /// Division by zero, overflow.
    pub fn checked_div(self, other: Self) -> Result<Self, NoResult> {
        if other.as_f64() == 0.0 {
            return Err(NoResult::DivisionByZero);
        }
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            match a.checked_rem(b) {
                Some(0) => return Ok(Self::Int(a / b)),
                Some(_) => {}
                None => return Err(NoResult::Overflow),
            }
        }
        Self::from_f64(self.as_f64() / other.as_f64()).ok_or(NoResult::Overflow)
    }

    /// Remainder of whole numbers, with the sign of the dividend.
    ///
    /// # Errors
    /// Division by zero, operands that are not whole, overflow.
    pub fn checked_rem(self, other: Self) -> Result<Self, NoResult> {
        match (self, other) {
            (Self::Int(_), Self::Int(0)) => Err(NoResult::DivisionByZero),
            (Self::Int(a), Self::Int(b)) => {
                a.checked_rem(b).map(Self::Int).ok_or(NoResult::Overflow)
            }
            _ => Err(NoResult::NotWhole),
        }
    }

    /// The number with the other sign.
    ///
    /// # Errors
    /// Overflow, for the smallest integer only.
    pub fn checked_neg(self) -> Result<Self, NoResult> {
        match self {
            Self::Int(int) => int.checked_neg().map(Self::Int).ok_or(NoResult::Overflow),
            Self::Float(float) => Ok(Self::Float(-float)),
        }
    }

    /// Mathematical comparison: exact also between an integer and a float.
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Int(a), Self::Float(b)) => compare_int_float(a, b),
            (Self::Float(a), Self::Int(b)) => compare_int_float(b, a).reverse(),
        }
    }

    fn apply(
        self,
        other: Self,
        ints: fn(i64, i64) -> Option<i64>,
        floats: fn(f64, f64) -> f64,
    ) -> Result<Self, NoResult> {
        let result = match (self, other) {
            (Self::Int(a), Self::Int(b)) => ints(a, b).map(Self::Int),
            _ => Self::from_f64(floats(self.as_f64(), other.as_f64())),
        };
        result.ok_or(NoResult::Overflow)
    }
}

fn compare_int_float(int: i64, float: f64) -> Ordering {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float >= LIMIT {
        return Ordering::Less;
    }
    if float < -LIMIT {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    int.cmp(&(whole as i64))
        .then_with(|| 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal))
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => write!(out, "{int}"),
            // serde_json's notation: the shortest digits that read back as the same number.
            Self::Float(float) => match serde_json::Number::from_f64(*float) {
                Some(number) => write!(out, "{number}"),
                None => out.write_str("null"),
            },
        }
    }
}
