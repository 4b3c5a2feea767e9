//! The access token of a call, and the one repetition of a call whose token was refused.

use postroom_adapters::{ACCESS_TOKEN, Context, HttpRequest};
use postroom_core::Outcome;
use postroom_core::run::Report;

use super::{Attempt, Call};
use crate::oauth;
use crate::outbound::{Answered, NoAnswer};
use crate::secrets::Secret;

impl Attempt {
    /// The access token that a call carries; `None` where it carries none that is asked for.
    pub(super) async fn token(
        &self,
        call: &Call<'_>,
        request: &HttpRequest,
    ) -> Result<Option<Secret>, Outcome> {
        let inner = &self.inner;
        let carries = request.secrets.iter().any(|slot| slot.credential == ACCESS_TOKEN);
        if !carries || inner.settings.sandbox {
            return Ok(None);
        }
        if inner.transport.rehearses() {
            return Ok(call.connection.oauth.as_ref().map(|_| Secret::new(ACCESS_TOKEN)));
        }
        if !call.connection.asks_for_tokens(&*inner.secrets) {
            return Ok(None);
        }
        oauth::access(inner, call.connection).await.map(Some)
    }

    /// Sends the request of a look-up, with its access token.
    pub(super) async fn look_up(
        &self,
        call: &Call<'_>,
        request: HttpRequest,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Result<Result<Answered, NoAnswer>, Outcome> {
        let token = self.token(call, &request).await?;
        self.send_with(token, call, request, context, report).await
    }

    /// Sends a request. One that is answered with 401 was not carried out, so it is sent again,
    /// once, with the next token.
    pub(super) async fn send_with(
        &self,
        token: Option<Secret>,
        call: &Call<'_>,
        request: HttpRequest,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Result<Result<Answered, NoAnswer>, Outcome> {
        let token = match token {
            Some(token) if !self.inner.transport.rehearses() => token,
            token => return self.send(call, request, context, report, token.as_ref()).await,
        };
        let first = self.send(call, request.clone(), context, report, Some(&token)).await?;
        match &first {
            Ok(Answered::Response(response)) if response.status == 401 => {}
            _ => return Ok(first),
        }
        oauth::refuse(&self.inner, call.connection, &token);
        let next = oauth::access(&self.inner, call.connection).await?;
        self.send(call, request, context, report, Some(&next)).await
    }
}
