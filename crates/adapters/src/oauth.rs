//! OAuth2 as data ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749), with the proof keys of RFC
//! 7636): where a person allows access, what a request for a token is, what its answer means. It
//! sends nothing, keeps nothing and draws no random number.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::exchange::{HttpRequest, HttpResponse};
use crate::retry_after;
use crate::url::push_form;

/// The credential that an [`OAuth`] yields. `auth` names it like any other.
pub const ACCESS_TOKEN: &str = "access_token";

/// How a provider gives access tokens out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Who allows the access.
    pub grant: Grant,
    /// Where a person allows it; not for [`Grant::ClientCredentials`].
    pub authorize: Option<String>,
    /// Where tokens are asked for.
    pub token: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The name of the credential that holds the client's id.
    pub client_id: String,
    /// The name of the credential that holds the client's secret; a public client has none.
    pub client_secret: Option<String>,
    /// How the client says who it is.
    pub client: ClientAuth,
    /// What else goes to `authorize`.
    pub parameters: Vec<(String, String)>,
    /// Whether codes are bound to whoever asked for them, by a proof key (S256).
    pub pkce: bool,
}

/// Who allows the access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A person, in a browser.
    AuthorizationCode,
    /// Nobody: the client acts for itself.
    ClientCredentials,
}

impl Grant {
    pub(crate) const ALL: [Self; 2] = [Self::AuthorizationCode, Self::ClientCredentials];

    /// The word of manifests and of the protocol.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// How the client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In a header, as `Basic`.
    Basic,
    /// In the form.
    Body,
}

/// A client's own credentials.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its secret, unless it is public.
    pub secret: Option<&'a str>,
}

/// What a token is asked for with.
#[derive(Clone, Copy)]
pub enum Ask<'a> {
    /// The code that came back from `authorize`.
    Code {
        /// The code.
        code: &'a str,
        /// Where it came back to.
        redirect: &'a str,
        /// The proof key, whose [`challenge`] went to `authorize`.
        verifier: &'a str,
    },
    /// A refresh token.
    Refresh {
        /// The token.
        token: &'a str,
    },
    /// The client's own credentials.
    ClientCredentials,
}

/// Tokens that were given out. Does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token. Where the answer to a refresh has none, the one before stays good.
    pub refresh: Option<String>,
    /// How long the access token is good, in milliseconds, if that is said.
    pub lasts_ms: Option<u64>,
    /// What was allowed, if that is said: it may be less than what was asked for.
    pub scope: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("lasts_ms", &self.lasts_ms)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Why no tokens were given out, by what is to be done next. `code` is the provider's word,
/// `detail` its sentence; neither was looked through for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoTokens {
    /// Asking again may help.
    Again {
        /// The wait that the provider asks for, in milliseconds.
        after_ms: Option<u64>,
        /// The provider's word, or the status.
        code: String,
        /// Its sentence.
        detail: String,
    },
    /// What was allowed is allowed no longer (`invalid_grant`): a person has to allow it again.
    Ended {
        /// The provider's word.
        code: String,
        /// Its sentence.
        detail: String,
    },
    /// The client is not known, its secret is wrong, or it asks for what it may not have.
    Refused {
        /// The provider's word, or the status.
        code: String,
        /// Its sentence.
        detail: String,
    },
}

/// What is sent to `authorize` for a proof key: base64url of its SHA-256.
#[must_use]
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

impl OAuth {
    /// The page at which a person allows access and is sent back to `redirect`, with a code and
    /// `state`. `None` where nobody is asked.
    #[must_use]
    pub fn authorize_url(
        &self,
        client_id: &str,
        redirect: &str,
        state: &str,
        verifier: &str,
    ) -> Option<String> {
        let page = self.authorize.as_ref().filter(|_| self.grant == Grant::AuthorizationCode)?;
        let scope = self.scopes.join(" ");
        let proof = challenge(verifier);
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect),
            ("state", state),
        ];
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        if self.pkce {
            fields.extend([("code_challenge", proof.as_str()), ("code_challenge_method", "S256")]);
        }
        fields.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let join = if page.contains('?') { '&' } else { '?' };
        Some(format!("{page}{join}{}", form(&fields)))
    }

    /// The request for a token. It holds the client's secret and what is asked with: it is to be
    /// sent and not to be shown.
    #[must_use]
    pub fn token_request(&self, client: Client<'_>, ask: Ask<'_>) -> HttpRequest {
        let scope = self.scopes.join(" ");
        let mut fields = Vec::new();
        match ask {
            Ask::Code { code, redirect, verifier } => {
                fields.extend([
                    ("grant_type", "authorization_code"),
                    ("code", code),
                    ("redirect_uri", redirect),
                ]);
                if self.pkce {
                    fields.push(("code_verifier", verifier));
                }
            }
            Ask::Refresh { token } => {
                fields.extend([("grant_type", "refresh_token"), ("refresh_token", token)]);
            }
            Ask::ClientCredentials => {
                fields.push(("grant_type", "client_credentials"));
                if !scope.is_empty() {
                    fields.push(("scope", &scope));
                }
            }
        }
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ];
        match (self.client, client.secret) {
            (ClientAuth::Basic, Some(secret)) => {
                // Both are written as in a form before they are joined: RFC 6749, section 2.3.1.
                let mut both = String::new();
                push_form(&mut both, client.id);
                both.push(':');
                push_form(&mut both, secret);
                let value = format!("Basic {}", STANDARD.encode(both));
                headers.push(("authorization".to_owned(), value));
            }
            (_, secret) => {
                fields.push(("client_id", client.id));
                fields.extend(secret.map(|secret| ("client_secret", secret)));
            }
        }
        HttpRequest {
            method: "POST".to_owned(),
            url: self.token.clone(),
            headers,
            body: form(&fields).into_bytes(),
            secrets: Vec::new(),
            idempotency_key: None,
        }
    }

    /// What the answer to a request for a token means.
    ///
    /// # Errors
    /// No tokens, by what is to be done next.
    pub fn read(response: &HttpResponse) -> Result<Tokens, NoTokens> {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        // Some say what went wrong with a status of 200.
        let word = text("error");
        let status = response.status;
        if let (200..=299, None, Some(access)) = (status, &word, text("access_token"))
            && !access.is_empty()
        {
            let refresh = text("refresh_token").filter(|token| !token.is_empty());
            return Ok(Tokens { access, refresh, lasts_ms: lasts_ms(&body), scope: text("scope") });
        }
        let detail = text("error_description").or_else(|| text("message")).unwrap_or_default();
        let code = word.clone().unwrap_or_else(|| format!("http-{status}"));
        let passing = ["temporarily_unavailable", "server_error", "slow_down"];
        if matches!(status, 408 | 425 | 429 | 500..=599)
            || word.as_deref().is_some_and(|word| passing.contains(&word))
        {
            let header = |name: &str| {
                let found = response.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.as_str())
            };
            return Err(NoTokens::Again {
                after_ms: retry_after::from_headers(header),
                code,
                detail,
            });
        }
        match word.as_deref() {
            Some("invalid_grant") => Err(NoTokens::Ended { code, detail }),
            // Not an answer of a token endpoint: a proxy, or a page about an outage.
            None if (200..=299).contains(&status) => {
                let detail = "the answer holds no access token".to_owned();
                Err(NoTokens::Again { after_ms: None, code, detail })
            }
            _ => Err(NoTokens::Refused { code, detail }),
        }
    }
}

/// Seconds, which some write as text.
fn lasts_ms(body: &Value) -> Option<u64> {
    let seconds = body.get("expires_in")?;
    let seconds = seconds.as_f64().or_else(|| seconds.as_str()?.trim().parse().ok())?;
    // A cast saturates, and nothing lasts less than nothing.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (seconds.is_finite() && seconds > 0.0).then_some((seconds * 1000.0) as u64)
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        push_form(&mut out, name);
        out.push('=');
        push_form(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth() -> OAuth {
        OAuth {
            grant: Grant::AuthorizationCode,
            authorize: Some("https://accounts.acme.test/auth".into()),
            token: "https://accounts.acme.test/token".into(),
            scopes: vec!["mail.send".into(), "mail.read".into()],
            client_id: "client_id".into(),
            client_secret: Some("client_secret".into()),
            client: ClientAuth::Basic,
            parameters: vec![("access_type".into(), "offline".into())],
            pkce: true,
        }
    }

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// Appendix B of RFC 7636.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_page_says_who_asks_for_what() {
        let mut oauth = oauth();
        let page = oauth.authorize_url("me@acme", "http://127.0.0.1:1/callback", "s t", "v");
        assert_eq!(
            page.unwrap(),
            "https://accounts.acme.test/auth?response_type=code&client_id=me%40acme&redirect_uri=\
             http%3A%2F%2F127.0.0.1%3A1%2Fcallback&state=s+t&scope=mail.send+mail.read&\
             code_challenge=TJRIXgwhrmxBzh3-e2v6zupato5AokdvUCCOUm9QYIA&\
             code_challenge_method=S256&access_type=offline"
        );
        (oauth.authorize, oauth.pkce) = (Some("https://a.test/?tenant=1".into()), false);
        (oauth.scopes, oauth.parameters) = (Vec::new(), Vec::new());
        assert_eq!(
            oauth.authorize_url("c", "r", "s", "v").unwrap(),
            "https://a.test/?tenant=1&response_type=code&client_id=c&redirect_uri=r&state=s"
        );
        oauth.grant = Grant::ClientCredentials;
        assert_eq!(oauth.authorize_url("c", "r", "s", "v"), None);
    }

    #[test]
    fn the_client_says_who_it_is_in_the_header_or_in_the_form() {
        let mut oauth = oauth();
        let client = Client { id: "a:b", secret: Some("s p&") };
        let body = |request: &HttpRequest| String::from_utf8(request.body.clone()).unwrap();
        let header = |request: &HttpRequest| {
            let found = request.headers.iter().find(|(name, _)| name == "authorization");
            found.map(|(_, value)| value.clone())
        };
        let request = oauth.token_request(client, Ask::Refresh { token: "r/1" });
        assert_eq!(body(&request), "grant_type=refresh_token&refresh_token=r%2F1");
        let basic = format!("Basic {}", STANDARD.encode("a%3Ab:s+p%26"));
        assert_eq!(header(&request), Some(basic));
        oauth.client = ClientAuth::Body;
        let ask = Ask::Code { code: "c", redirect: "http://x/", verifier: "v" };
        let request = oauth.token_request(client, ask);
        assert_eq!(
            body(&request),
            "grant_type=authorization_code&code=c&redirect_uri=http%3A%2F%2Fx%2F&\
             code_verifier=v&client_id=a%3Ab&client_secret=s+p%26"
        );
        assert_eq!(header(&request), None);
        // A public client has no secret to put into a header.
        oauth.client = ClientAuth::Basic;
        let request = oauth.token_request(Client { id: "c", secret: None }, Ask::ClientCredentials);
        assert_eq!(
            body(&request),
            "grant_type=client_credentials&scope=mail.send+mail.read&client_id=c"
        );
    }

    #[test]
    fn tokens_are_read() {
        let tokens = OAuth::read(&answer(
            200,
            r#"{"access_token":"at","expires_in":3599,"refresh_token":"rt","scope":"a b"}"#,
        ));
        let expected = Tokens {
            access: "at".into(),
            refresh: Some("rt".into()),
            lasts_ms: Some(3_599_000),
            scope: Some("a b".into()),
        };
        assert_eq!(tokens, Ok(expected.clone()));
        let shown = format!("{expected:?}");
        assert!(!shown.contains("at\"") && !shown.contains("rt"), "{shown}");
        for (lasts, expected) in
            [("\"60\"", Some(60_000)), ("0", None), ("-1", None), ("null", None), ("{}", None)]
        {
            let body = format!(r#"{{"access_token":"at","expires_in":{lasts}}}"#);
            assert_eq!(OAuth::read(&answer(200, &body)).unwrap().lasts_ms, expected, "{lasts}");
        }
    }

    #[test]
    fn what_went_wrong_says_what_is_next() {
        let ended = r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#;
        for status in [400, 401, 200] {
            let detail = "Token has been revoked.".to_owned();
            let expected = NoTokens::Ended { code: "invalid_grant".into(), detail };
            assert_eq!(OAuth::read(&answer(status, ended)), Err(expected), "{status}");
        }
        for (status, body, code) in [
            (500, "oops", "http-500"),
            (429, "{}", "http-429"),
            (503, ended, "invalid_grant"),
            (400, r#"{"error":"temporarily_unavailable"}"#, "temporarily_unavailable"),
            (200, "<html>maintenance</html>", "http-200"),
            (200, r#"{"access_token":""}"#, "http-200"),
        ] {
            let read = OAuth::read(&answer(status, body));
            let Err(NoTokens::Again { code: found, .. }) = read else { panic!("{body}: {read:?}") };
            assert_eq!(found, code);
        }
        for (status, body, code) in [
            (401, r#"{"error":"invalid_client"}"#, "invalid_client"),
            (400, r#"{"error":"invalid_scope"}"#, "invalid_scope"),
            (404, "not here", "http-404"),
            (302, "", "http-302"),
        ] {
            let read = OAuth::read(&answer(status, body));
            let Err(NoTokens::Refused { code: found, .. }) = read else { panic!("{read:?}") };
            assert_eq!(found, code);
        }
        let mut slow = answer(429, "{}");
        slow.headers.push(("Retry-After".into(), "7".into()));
        let Err(NoTokens::Again { after_ms, .. }) = OAuth::read(&slow) else { panic!() };
        assert_eq!(after_ms, Some(7_000));
    }
}
