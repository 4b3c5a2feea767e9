//! URLs: percent-encoding, paths whose interpolated parts cannot leave their segment, and the
//! checks on URLs that come from outside.

use postroom_expr::Template;

/// The longest URL that is sent, in bytes.
pub(crate) const MAX_BYTES: usize = 8192;

/// A piece of a path.
#[derive(Debug)]
pub(crate) enum PathPart {
    /// Text of the manifest, sent as it is.
    Text(String),
    /// A value, percent-encoded within its segment.
    Value(Template),
}

/// Cuts a path at its `${{ }}`. The whole text must be a valid template.
pub(crate) fn path_parts(text: &str) -> Option<Vec<PathPart>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        if start > 0 {
            parts.push(PathPart::Text(rest[..start].to_owned()));
        }
        rest = &rest[start..];
        // A `}}` may stand inside a string of the expression, so the end is the first one that
        // leaves a whole expression before it.
        let ends = rest.match_indices("}}").map(|(at, _)| at + 2);
        let (end, template) =
            ends.filter_map(|end| Some((end, Template::parse(&rest[..end]).ok()?))).next()?;
        parts.push(PathPart::Value(template));
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        parts.push(PathPart::Text(rest.to_owned()));
    }
    Some(parts)
}

/// Why the literal text of a path cannot be sent, if it cannot.
pub(crate) fn wrong_path_text(text: &str) -> Option<&'static str> {
    if text.contains(['?', '#']) {
        return Some("a query belongs under `query`");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    (!text.bytes().all(fits)).then_some("it holds a character that no URL path has")
}

/// Appends a value as part of one path segment.
pub(crate) fn push_segment(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            push_escaped(out, byte);
        }
    }
}

/// Whether a path has a segment that means "here" or "one up", however it is written.
pub(crate) fn climbs(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

/// Appends text as the WHATWG URL standard serialises form data.
pub(crate) fn push_form(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => push_escaped(out, byte),
        }
    }
}

fn push_escaped(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Why an absolute URL from outside cannot be requested, if it cannot.
pub(crate) fn wrong_absolute(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return Some("it must start with `https://` or `http://`");
    };
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>`".contains(&byte);
    if !url.bytes().all(allowed) {
        return Some(
            "it holds a space, a control character or one outside ASCII; percent-encode it",
        );
    }
    if url.contains('#') {
        return Some("a fragment (`#...`) is never sent; leave it out");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("a user name or password in a URL ends up in logs; use a header");
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.is_empty().then_some("it names no host")
}

/// Why a base URL cannot be used, if it cannot.
pub(crate) fn wrong_base(url: &str) -> Option<&'static str> {
    wrong_absolute(url).or_else(|| url.contains('?').then_some("a base URL has no query"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_expressions() {
        let parts = path_parts("/v1/${{ {a: {b: '}}'}}.a.b }}/x/${{input.id}}").unwrap();
        let shape: Vec<String> = parts
            .iter()
            .map(|part| match part {
                PathPart::Text(text) => text.clone(),
                PathPart::Value(template) => format!("<{}>", template.source()),
            })
            .collect();
        assert_eq!(shape, ["/v1/", "<${{ {a: {b: '}}'}}.a.b }}>", "/x/", "<${{input.id}}>"]);
    }

    #[test]
    fn a_segment_stays_one() {
        let mut out = String::new();
        push_segment(&mut out, "../a b/c?d#e%2e\0é");
        assert_eq!(out, "..%2Fa%20b%2Fc%3Fd%23e%252e%00%C3%A9");
        assert!(climbs("/v1/../x") && climbs("/v1/%2E%2e") && climbs("/./x"));
        assert!(!climbs("/v1/...") && !climbs("/v1/a..b"));
    }

    #[test]
    fn form_text_follows_the_standard() {
        let mut out = String::new();
        push_form(&mut out, "a b*-._~[é]&=+\r\n");
        assert_eq!(out, "a+b*-._%7E%5B%C3%A9%5D%26%3D%2B%0D%0A");
    }

    #[test]
    fn urls_from_outside_are_checked() {
        for url in ["https://api.example.com/x?y=1", "http://localhost:4000", "http://[::1]:80/"] {
            assert_eq!(wrong_absolute(url), None, "{url}");
        }
        for url in [
            "ftp://x",
            "https://",
            "https://:80",
            "https://a b",
            "https://u:p@host/",
            "https://host/#x",
            "https://host\\@evil/",
            "https://hö.st/",
            "javascript:alert(1)",
            "https://host/\r\nX: y",
        ] {
            assert!(wrong_absolute(url).is_some(), "{url}");
        }
        assert!(wrong_base("https://host/?x").is_some());
    }
}
