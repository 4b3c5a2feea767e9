//! The line of a file that a problem is about, with a caret under what is meant.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use postroom_core::Problem;

use super::hidden;

/// The line and the caret; nothing where the line is not known.
pub(super) fn of(problem: &Problem) -> Option<String> {
    let (line, place) = (problem.line()?, problem.place.as_ref()?);
    let column = (place.column as usize).checked_sub(1)?;
    let start: usize = line.chars().take(column).map(char::len_utf8).sum();
    let meant = line.get(start..)?.trim_end();
    let end = (place.len as usize).min(meant.len());
    let count = meant.char_indices().take_while(|(at, _)| *at < end).count().max(1);
    // A terminal is not steered from a file, and what stands for such a character is one as well.
    let shown: String =
        line.chars().map(|c| if c != '\t' && hidden(c) { '\u{fffd}' } else { c }).collect();
    let byte = |nth: usize| shown.char_indices().nth(nth).map_or(shown.len(), |(at, _)| at);
    let mut caret = AnnotationKind::Primary.span(byte(column)..byte(column + count));
    if let Some(path) = problem.path() {
        caret = caret.label(format!("in {path}"));
    }
    let source = Snippet::source(shown.as_str())
        .line_start(place.line as usize)
        .fold(false)
        .annotation(caret);
    let group = Group::with_level(Level::ERROR).element(source);
    Some(format!("{}\n", Renderer::styled().render(&[group])))
}
