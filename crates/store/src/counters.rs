//! The arithmetic of shared numbers, the same in every backend that does not do it in its own
//! language.

use std::collections::HashMap;

use crate::{Count, Counted};

/// Shared numbers by name: the value and when it is forgotten.
pub(crate) type Numbers<'a> = HashMap<&'a str, (i64, i64)>;

/// Makes all changes or, if one is refused, none. Gives the answer and the numbers that have
/// changed. A change downwards is never refused.
pub(crate) fn change<'a>(counts: &'a [Count], before: &Numbers<'a>) -> (Counted, Numbers<'a>) {
    let mut after = before.clone();
    let mut values = Vec::with_capacity(counts.len());
    for count in counts {
        let (value, _) = after.entry(&count.key).or_insert((0, count.until_ms));
        let sum = value.saturating_add(count.add);
        if count.add > 0 && count.at_most.is_some_and(|bound| sum > bound) {
            let unchanged =
                |count: &Count| before.get(count.key.as_str()).map_or(0, |(value, _)| *value);
            let values = counts.iter().map(unchanged).collect();
            return (Counted { added: false, values }, HashMap::new());
        }
        *value = sum;
        values.push(sum);
    }
    (Counted { added: true, values }, after)
}
