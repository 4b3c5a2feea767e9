//! The admin token: kept as a hash, compared as one.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use postroom_core::{Problem, problem};
use ring::digest::{SHA256, digest};
use std::sync::Arc;

use crate::App;
use crate::answer::Refusal;

/// The SHA-256 of the admin token.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

impl AdminToken {
    /// The token as it is kept.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.trim().as_bytes()).as_ref());
        Self(hash)
    }

    /// The hash in hex, for the file it is kept in.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads the hash back from its file.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Whether a request shows one of the tokens. Hashes are compared, so the time taken says
    /// nothing about them.
    pub(crate) fn check(tokens: &[Self], headers: &HeaderMap) -> Result<(), Problem> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(shown) = shown.and_then(|value| value.strip_prefix("Bearer ")) else {
            let detail = "this needs the admin token";
            return Err(Problem::new(&problem::UNAUTHENTICATED, detail)
                .hint("send `Authorization: Bearer <token>`"));
        };
        if tokens.contains(&Self::of(shown)) {
            return Ok(());
        }
        Err(Problem::new(&problem::FORBIDDEN, "the token is not the admin token"))
    }
}

/// Lets only requests with the admin token through.
pub(crate) async fn admin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match AdminToken::check(&app.tokens, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => Refusal(problem).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_file_and_is_not_in_it() {
        let token = AdminToken::of("prt_secret");
        assert_eq!(AdminToken::from_hex(&token.to_hex()), Some(token.clone()));
        assert!(!token.to_hex().contains("secret"));
        for text in ["", "zz", &"é".repeat(32), &"g".repeat(64)] {
            assert_eq!(AdminToken::from_hex(text), None, "{text}");
        }
        let mut headers = HeaderMap::new();
        let tokens = [token];
        let status = |h: &HeaderMap| AdminToken::check(&tokens, h).map_err(|p| p.kind.status);
        assert_eq!(status(&headers), Err(401));
        headers.insert(header::AUTHORIZATION, "Bearer nope".parse().unwrap());
        assert_eq!(status(&headers), Err(403));
        headers.insert(header::AUTHORIZATION, "Bearer prt_secret".parse().unwrap());
        assert_eq!(status(&headers), Ok(()));
    }
}
