//! Words of a description as a manifest has them: names of actions, first sentences, plain text.

/// The longest name of an action or a credential.
const MAX_NAME: usize = 64;

/// A name in snake case: `chat.postMessage`, `CreateMessage` and `issues/create` alike.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    let letters: Vec<char> = text.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).map(|at| letters[at]);
        let starts = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase()
                        && letters.get(index + 1).is_some_and(char::is_ascii_lowercase))
            });
        if starts && !out.ends_with('_') {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    while out.ends_with('_') {
        out.pop();
    }
    out
}

/// A name that nobody in `taken` has, of 1 to 64 characters.
pub(super) fn unique(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    let wanted = if wanted.is_empty() { "call" } else { wanted };
    let cut = |room: usize| wanted.chars().take(room).collect::<String>();
    let short = cut(MAX_NAME).trim_end_matches('_').to_owned();
    if !taken(&short) {
        return short;
    }
    // Ends: there are fewer names taken than numbers.
    let numbered = (2..).map(|n| format!("{}_{n}", cut(MAX_NAME - 6)));
    numbered.into_iter().find(|name| !taken(name)).unwrap_or(short)
}

/// The first sentence of a text, without markup, in at most so many characters.
pub(super) fn sentence(text: &str, most: usize) -> String {
    let text = plain(text);
    let end = text.match_indices(['.', '!', '?']).map(|(at, _)| at + 1).find(|end| {
        let rest = &text[*end..];
        let before = text[..*end].rsplit(' ').next().unwrap_or_default();
        rest.starts_with(' ') && !["e.g.", "i.e.", "etc.", "vs."].contains(&before)
    });
    let text = end.map_or(text.as_str(), |end| &text[..end]);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most - 1).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(cut, _)| cut);
    format!("{}…", cut.trim_end_matches([',', ';', ':', ' ']))
}

/// The sentence with a sign at its end.
pub(super) fn ended(mut sentence: String) -> String {
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', '…', ':']) {
        sentence.push('.');
    }
    sentence
}

/// A text in one line: no tags, no links, no emphasis, no control characters.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[', '`', '*']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (shown, after) = match rest.as_bytes()[0] {
            b'<' => tag(rest),
            b'[' => link(rest),
            _ => ("", &rest[1..]),
        };
        out.push_str(shown);
        rest = after;
    }
    out.push_str(rest);
    let clean: String = out.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A tag is left out; a `<` that starts none stays.
fn tag(text: &str) -> (&str, &str) {
    let named = text[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    match text.find('>').filter(|end| named && *end < 300) {
        Some(end) => (" ", &text[end + 1..]),
        None => text.split_at(1),
    }
}

/// Of `[shown](address)` stays what is shown.
fn link(text: &str) -> (&str, &str) {
    let found = text.find("](").and_then(|middle| {
        let end = text[middle..].find(')')?;
        Some((&text[1..middle], &text[middle + end + 1..]))
    });
    found.filter(|(shown, _)| !shown.contains('[')).unwrap_or_else(|| text.split_at(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case_and_unique() {
        for (text, name) in [
            ("PostInvoicesInvoiceFinalize", "post_invoices_invoice_finalize"),
            ("issues/create-comment", "issues_create_comment"),
            ("users.messages.send", "users_messages_send"),
            ("listAPIKeys", "list_api_keys"),
            ("post-page", "post_page"),
            ("__x__", "x"),
        ] {
            assert_eq!(snake(text), name);
        }
        let long = "a".repeat(80);
        assert_eq!(unique(&long, |_| false).len(), 64);
        assert_eq!(unique("a", |name| ["a", "a_2"].contains(&name)), "a_3");
        assert_eq!(unique("", |_| false), "call");
    }

    #[test]
    fn sentences_lose_their_markup() {
        for (text, plain) in [
            ("<p>Makes a <em>thing</em>. Then more.</p>", "Makes a thing ."),
            ("See [the page](https://x.y/z) now. More.", "See the page now."),
            ("A list, e.g. this one\n* and **that**", "A list, e.g. this one and that"),
            ("a < b [c]", "a < b [c]"),
            ("", ""),
        ] {
            assert_eq!(sentence(text, 100), plain);
        }
        assert_eq!(sentence("one two three four", 12), "one two…");
    }
}
