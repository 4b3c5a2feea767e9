//! The address and the form of a request, as far as signatures are over them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// A way in which the sender may have written the address that it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlForm {
    /// As it was called.
    Exact,
    /// With the default port if it was called without, and without if it was called with it.
    Port,
    /// With some characters decoded that were called percent-encoded.
    Decoded,
}

/// What HubSpot decodes before it signs.
const DECODED: &[(&str, &str)] = &[
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

impl UrlForm {
    pub const ALL: &[(&str, Self)] =
        &[("exact", Self::Exact), ("port", Self::Port), ("decoded", Self::Decoded)];

    /// The address in this form, where it differs from how it was called.
    pub fn of(self, url: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Exact => Some(Cow::Borrowed(url)),
            Self::Port => other_port(url).map(Cow::Owned),
            Self::Decoded => {
                let mut text = url.to_owned();
                for (code, character) in DECODED {
                    text = text.replace(code, character);
                    text = text.replace(&code.to_ascii_lowercase(), character);
                }
                (text != url).then_some(Cow::Owned(text))
            }
        }
    }
}

fn other_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let port = if scheme == "https" { ":443" } else { ":80" };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    match host.strip_suffix(port) {
        Some(bare) => Some(format!("{scheme}://{bare}{path}")),
        None if host.rsplit(']').next()?.contains(':') => None,
        None => Some(format!("{scheme}://{host}{port}{path}")),
    }
}

/// The fields of a form or a query, decoded; `None` where one is not UTF-8.
pub(super) fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let field = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    };
    pairs.map(field).collect()
}

/// What Twilio signs of a form: names in order, each followed by its values, each value once.
pub(super) fn sorted(body: &[u8]) -> Option<String> {
    let mut fields = fields(std::str::from_utf8(body).ok()?)?;
    fields.sort();
    fields.dedup();
    Some(fields.into_iter().flat_map(|(name, value)| [name, value]).collect())
}

/// The JSON text of a form: an object of its fields, of which one that stands several times is a
/// list. Where a form has the field `json`, that holds the JSON text instead.
///
/// # Errors
/// Why the form cannot be read.
pub fn form_json(body: &[u8], json: Option<&str>) -> Result<String, String> {
    let fields = std::str::from_utf8(body).ok().and_then(fields);
    let fields = fields.ok_or_else(|| "the form is not UTF-8".to_owned())?;
    if let Some((_, text)) = fields.iter().find(|(name, _)| Some(name.as_str()) == json) {
        return Ok(text.clone());
    }
    let mut object = Map::new();
    for (name, value) in fields {
        let value = Value::String(value);
        match object.get_mut(&name) {
            None => drop(object.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_comes_and_goes() {
        for (url, other) in [
            ("https://a.example/x?y=1", Some("https://a.example:443/x?y=1")),
            ("https://a.example:443/x", Some("https://a.example/x")),
            ("http://a.example?y", Some("http://a.example:80?y")),
            ("https://a.example:8443/x", None),
            ("https://[::1]/x", Some("https://[::1]:443/x")),
        ] {
            assert_eq!(UrlForm::Port.of(url).as_deref(), other, "{url}");
        }
    }

    #[test]
    fn forms_become_json_and_what_is_signed_of_them() {
        let form = b"b=2&a=x+y%21&b=1&b=2&empty=&%C3%A9";
        assert_eq!(
            form_json(form, None).unwrap(),
            r#"{"a":"x y!","b":["2","1","2"],"empty":"","é":""}"#
        );
        assert_eq!(sorted(form).unwrap(), "ax y!b1b2emptyé");
        assert_eq!(form_json(b"payload=%7B%7D&x=1", Some("payload")).unwrap(), "{}");
        assert!(form_json(b"a=%ff", None).is_err());
        assert_eq!(form_json(b"", None).unwrap(), "{}");
    }
}
