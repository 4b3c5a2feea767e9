//! Whether a person wrote down where a request goes. A base URL of the configuration or a manifest,
//! or the beginning of a URL in a workflow file, was reviewed with its file; what an event brings
//! was not.

use postroom_expr::Mapping;

use super::{Attempt, Call};

impl Attempt {
    /// Whether the host and port of a URL stand in the configuration, the manifest or the workflow.
    pub(super) fn wrote(&self, call: &Call<'_>, url: &str) -> bool {
        let Some(goes_to) = authority(url) else { return false };
        // Which mail server it is no event says.
        if goes_to.starts_with("smtp") {
            return true;
        }
        let base = call.connection.base_url.as_deref().or(call.adapter.base_url.as_deref());
        if base.and_then(authority).is_some_and(|base| base == goes_to) {
            return true;
        }
        let inputs = call.action.address_inputs(call.index);
        let Some(Mapping::Object(entries)) = self.step().act().map(|act| &act.with) else {
            return false;
        };
        let named = entries.iter().filter(|(name, _)| inputs.contains(name));
        named.into_iter().any(|(_, value)| match value {
            Mapping::Template(template) => {
                let source = template.source();
                let (start, cut) = match source.find("${{") {
                    Some(at) => (&source[..at], true),
                    None => (source, false),
                };
                // Up to the slash it is a host and a port, whatever follows.
                let ends =
                    !cut || after_scheme(start).is_some_and(|rest| rest.contains(['/', '?']));
                ends && authority(start).is_some_and(|written| written == goes_to)
            }
            _ => false,
        })
    }
}

/// Scheme, host and port of a URL, in lower case; none where somebody's name stands in it.
fn authority(url: &str) -> Option<String> {
    let rest = after_scheme(url)?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let whole = &url[..url.len() - rest.len() + end];
    (end > 0 && !whole.contains('@')).then(|| whole.to_ascii_lowercase())
}

fn after_scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_begins_with_scheme_host_and_port() {
        for (url, found) in [
            ("http://A.example:80/x?y", Some("http://a.example:80")),
            ("https://a.example?x", Some("https://a.example")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("http://a@b.example/", None),
            ("http:///x", None),
            ("/path", None),
        ] {
            assert_eq!(authority(url).as_deref(), found, "{url}");
        }
    }
}
