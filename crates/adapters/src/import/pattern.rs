//! A text that a regular expression takes, for examples that nobody gave.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::fits::matches;

/// The longest text that is made up, in bytes.
const MAX_BYTES: usize = 512;
/// How much longer than needed repetitions are made, to reach a least length.
const MAX_EXTRA: u32 = 64;

/// A text that fits a pattern and has so many characters; `None` where none is found.
pub(super) fn text(pattern: &str, least: usize, most: usize) -> Option<String> {
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
    (0..=MAX_EXTRA).find_map(|extra| {
        let mut bytes = Vec::new();
        push(&parsed, extra, &mut bytes)?;
        let mut text = String::from_utf8(bytes).ok()?;
        // A pattern without an end lets anything follow.
        while text.len() < least && extra == MAX_EXTRA {
            text.push('a');
        }
        let size = text.chars().count();
        let fits = (least..=most).contains(&size) && matches(pattern, &text) == Some(true);
        fits.then_some(text)
    })
}

fn push(hir: &Hir, extra: u32, out: &mut Vec<u8>) -> Option<()> {
    if out.len() > MAX_BYTES {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => out.push(one_of(class)?),
        HirKind::Repetition(times) => {
            let wanted = times.min.saturating_add(extra);
            for _ in 0..times.max.map_or(wanted, |most| wanted.min(most)) {
                push(&times.sub, 0, out)?;
            }
        }
        HirKind::Capture(group) => push(&group.sub, extra, out)?,
        HirKind::Concat(parts) => {
            for part in parts {
                push(part, extra, out)?;
            }
        }
        HirKind::Alternation(cases) => push(cases.first()?, extra, out)?,
    }
    Some(())
}

/// A character of a class that is easy on the eye, if it has one.
fn one_of(class: &Class) -> Option<u8> {
    let Class::Bytes(class) = class else { return None };
    let has = |byte: &u8| class.iter().any(|range| (range.start()..=range.end()).contains(byte));
    b"a1A0-_ ".iter().copied().find(has).or_else(|| (0x21..0x7f).find(has))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_fits() {
        for (pattern, least, most, made) in [
            ("^AC[0-9a-fA-F]{32}$", 34, 34, Some(34)),
            ("^[a-z]+(-[a-z]+)*$", 5, 10, Some(7)),
            ("^\\d{4}-\\d{2}$", 0, 100, Some(7)),
            ("cus_", 10, 20, Some(10)),
            ("^(a|b)?$", 0, 1, Some(0)),
            ("^a$", 2, 3, None),
            ("(?=look)", 0, 9, None),
        ] {
            let found = text(pattern, least, most);
            assert_eq!(found.as_ref().map(String::len), made, "{pattern}: {found:?}");
        }
    }
}
