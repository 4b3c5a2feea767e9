//! Where in a file the characters of a scalar stand. Only what stands between its words differs
//! from its value: scalars of several lines are indented, and folded. Knows no escapes but line
//! ends.

use super::At;

/// The byte of the file at which byte `wanted` of a scalar's value stands; none where the value
/// does not stand in the file as it is.
pub(super) fn offset(file: &str, at: At, value: &str, wanted: usize) -> Option<usize> {
    let from = at.offset as usize;
    let len = if at.len == 0 { file.len() - from } else { at.len as usize };
    let text = file.get(from..from + len)?;
    // The first word stands behind the mark of the scalar and its header.
    let mut seen = match text.chars().next()? {
        '"' | '\'' => 1,
        '>' | '|' => text.find('\n')?,
        _ => 0,
    };
    let mut word_start = 0;
    for word in value.split(char::is_whitespace) {
        let end = word_start + word.len();
        if !word.is_empty() {
            seen = after_gap(text, seen, word)?;
            if wanted <= end {
                return Some(from + seen + wanted.saturating_sub(word_start));
            }
            seen += word.len();
        }
        word_start = end + value.get(end..)?.chars().next().map_or(0, char::len_utf8);
    }
    None
}

/// Where the next word begins: behind white space, and behind line ends that a quoted scalar writes
/// as `\n`.
fn after_gap(text: &str, from: usize, word: &str) -> Option<usize> {
    let mut rest = text.get(from..)?.trim_start();
    while !rest.starts_with(word) {
        rest = rest.strip_prefix("\\n")?.trim_start();
    }
    Some(text.len() - rest.len())
}
