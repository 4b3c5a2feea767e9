//! Did you mean: the nearest of some names.
//!
//! Owns the distance and the threshold below which a guess is worth showing.

/// How many names are compared at most; a guess is a courtesy, not a search.
const CANDIDATES: usize = 512;

/// The name nearest to `wanted`, if one is near enough to be a slip of the keyboard.
pub fn nearest<T: AsRef<str>>(wanted: &str, names: impl IntoIterator<Item = T>) -> Option<String> {
    let longest = wanted.chars().count();
    if longest > 64 {
        return None;
    }
    let allowed = 1 + longest / 4;
    let mut best: Option<(usize, String)> = None;
    for name in names.into_iter().take(CANDIDATES) {
        let name = name.as_ref();
        if name.len() > 128 {
            continue;
        }
        let found = match whole_start(wanted, name) {
            true => 1,
            false => distance(&wanted.to_lowercase(), &name.to_lowercase()),
        };
        let closer = best.as_ref().is_none_or(|(least, _)| found < *least);
        if found <= allowed && found < longest.max(1) && closer {
            best = Some((found, name.to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

/// Whether a name is the wanted one with its unit, as in `time` and `time_ms`. That counts as one
/// slip: nearer than another word of the same length with two wrong letters.
fn whole_start(wanted: &str, name: &str) -> bool {
    wanted.len() > 2 && name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('_'))
}

/// Edits between two words; two neighbours swapped count as one.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let mut least = (above[column] + usize::from(a != b))
                .min(above[column + 1] + 1)
                .min(current[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                least = least.min(before[column - 1] + 1);
            }
            current.push(least);
        }
        before = above;
        above = current;
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["status", "amount_due", "id", "startsWith"];
        for (wanted, expected) in [
            ("stauts", Some("status")),
            ("amountdue", Some("amount_due")),
            ("startswith", Some("startsWith")),
            ("customer", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wanted, names).as_deref(), expected, "{wanted}");
        }
    }

    #[test]
    fn a_name_with_its_unit_is_nearer_than_another_word() {
        let names = ["type", "time_ms", "id_of_it", "timeout"];
        assert_eq!(nearest("time", names).as_deref(), Some("time_ms"));
        assert_eq!(nearest("id", names), None);
    }
}
