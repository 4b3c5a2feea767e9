//! `oauth` of a connection: what of the adapter's it has otherwise.

use postroom_core::yaml::{At, Fields, Node};
use postroom_core::{Problem, problem};

use super::Spot;
use super::sections::Reader;

/// What a connection has otherwise than its adapter says.
#[derive(Debug)]
pub(crate) struct OAuthEntry {
    /// Where it stands.
    pub spot: Spot,
    /// Where a person allows access.
    pub authorize: Option<String>,
    /// Where tokens are asked for.
    pub token: Option<String>,
    /// What is asked for.
    pub scopes: Option<Vec<String>>,
}

impl Reader<'_, '_> {
    pub(super) fn oauth(&mut self, fields: &mut Fields<'_>) -> Option<OAuthEntry> {
        let path = fields.path_of("oauth");
        let mut fields = fields.take("oauth").and_then(|node| self.source.map(node, &path))?;
        let spot = Spot::of(self.source, fields.at);
        let [authorize, token] = ["authorize", "token"].map(|name| {
            let (text, at) = self.placed(&mut fields, name)?;
            self.address(&text, &format!("{path}.{name}"), at);
            Some(text)
        });
        let scopes = fields.take("scopes").map(|node| self.scopes(node, &format!("{path}.scopes")));
        fields.finish(self.source);
        Some(OAuthEntry { spot, authorize, token, scopes })
    }

    fn scopes(&mut self, node: &Node, path: &str) -> Vec<String> {
        let items = self.source.list(node, path).unwrap_or_default();
        items.iter().filter_map(|item| self.filled(item, path)).collect()
    }

    fn address(&mut self, text: &str, path: &str, at: At) {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let fits = host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']))
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !fits {
            let detail = format!("`{path}` is `{text}`, which is no address");
            let found = Problem::new(&problem::BAD_VALUE, detail);
            self.source.report(found.hint("write it with https:// and without `#`"), at);
        }
    }
}
