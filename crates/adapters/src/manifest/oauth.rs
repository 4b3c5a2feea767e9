//! `oauth`: where access tokens come from.

use postroom_core::yaml::{Fields, Node, Source};

use super::{bad, choice, credential, line};
use crate::adapter::{Credential, SecretHeader};
use crate::oauth::{ACCESS_TOKEN, ClientAuth, Grant, OAuth};

/// What the client is called where the manifest does not say.
const CLIENT: [&str; 2] = ["client_id", "client_secret"];

/// Reads the block.
pub(super) fn read(
    source: &mut Source<'_>,
    node: &Node,
    credentials: &[Credential],
) -> Option<OAuth> {
    let mut fields = source.map(node, "oauth")?;
    let table = Grant::ALL.map(|grant| (grant.word(), grant));
    let grant = fields.take("grant").map(|node| choice(source, node, "oauth.grant", &table));
    let grant = grant.unwrap_or(Some(Grant::AuthorizationCode));
    let authorize = match grant {
        Some(Grant::AuthorizationCode) => fields.need(source, "authorize"),
        _ => fields.take("authorize"),
    };
    if let (Some(Grant::ClientCredentials), Some(node)) = (grant, authorize) {
        let detail = "`oauth.authorize` is where a person is asked, and nobody is".to_owned();
        bad(source, node, detail, Some("remove it, or the `grant`".to_owned()));
    }
    let authorize = authorize.and_then(|node| address(source, node, "oauth.authorize"));
    let token = fields.need(source, "token");
    let token = token.and_then(|node| address(source, node, "oauth.token"));
    let scopes = fields.take("scopes").map(|node| scopes(source, node)).unwrap_or_default();
    let [id, secret] = CLIENT.map(|name| {
        let stands = credentials.iter().any(|credential| credential.name == name);
        named(source, &mut fields, name, credentials)
            .unwrap_or_else(|| stands.then(|| name.to_owned()))
    });
    if id.is_none() {
        let detail = "`oauth` needs a credential that holds the client's id".to_owned();
        bad(source, node, detail, Some("list `client_id` under `credentials`".to_owned()));
    }
    let table = [("basic", ClientAuth::Basic), ("body", ClientAuth::Body)];
    let client = fields.take("client").map(|node| choice(source, node, "oauth.client", &table));
    let parameters = fields.take("parameters").map(|node| parameters(source, node));
    let pkce = fields.take("pkce").map(|node| source.bool(node, "oauth.pkce"));
    fields.finish(source);
    Some(OAuth {
        grant: grant?,
        authorize,
        token: token?,
        scopes,
        client_id: id?,
        client_secret: secret,
        client: client.unwrap_or(Some(ClientAuth::Basic))?,
        parameters: parameters.unwrap_or_default(),
        pkce: pkce.unwrap_or(Some(true))?,
    })
}

/// A token that is fetched and sent nowhere is a mistake.
pub(super) fn check_use(source: &mut Source<'_>, node: &Node, auth: &[SecretHeader]) {
    if !auth.iter().any(|slot| slot.credential == ACCESS_TOKEN) {
        let detail = format!("`oauth` yields `{ACCESS_TOKEN}`, which no header of `auth` carries");
        let hint = format!(
            "add `- {{ header: Authorization, template: \"Bearer {{}}\", credential: \
             {ACCESS_TOKEN} }}` to `auth`"
        );
        bad(source, node, detail, Some(hint));
    }
}

/// The credential that a key names; `None` where the key is left out.
fn named(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
    credentials: &[Credential],
) -> Option<Option<String>> {
    let node = fields.take(name)?;
    let path = fields.path_of(name);
    Some(credential(source, node, &path, credentials).map(|found| found.name.clone()))
}

fn address(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = line(source, node, path)?;
    if let Some(why) = crate::url::wrong_absolute(&text) {
        bad(source, node, format!("`{path}` is `{text}`: {why}"), None);
        return None;
    }
    Some(text)
}

fn scopes(source: &mut Source<'_>, node: &Node) -> Vec<String> {
    let mut scopes = Vec::new();
    let items = source.list(node, "oauth.scopes").unwrap_or_default();
    for (index, node) in items.iter().enumerate() {
        let path = format!("oauth.scopes[{index}]");
        let Some(text) = line(source, node, &path) else { continue };
        if text.contains(char::is_whitespace) {
            let detail = format!("`{path}` is `{text}`, which is more than one scope");
            bad(source, node, detail, Some("give each an item of its own".to_owned()));
        }
        scopes.push(text);
    }
    scopes
}

fn parameters(source: &mut Source<'_>, node: &Node) -> Vec<(String, String)> {
    /// What the protocol sets itself.
    const OURS: [&str; 7] = [
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "code_challenge",
        "code_challenge_method",
    ];
    let Some(fields) = source.map(node, "oauth.parameters") else { return Vec::new() };
    let mut parameters = Vec::new();
    for (key, node) in fields.all() {
        let path = format!("oauth.parameters.{}", key.name);
        if OURS.contains(&key.name.as_str()) {
            bad(source, node, format!("`{path}` is set by Postroom itself"), None);
        }
        if let Some(text) = source.text(node, &path) {
            parameters.push((key.name.clone(), text.to_owned()));
        }
    }
    parameters
}
