//! The credentials of a call: whether they are there before anything is written down about it, and
//! what is said where one is not.

use postroom_adapters::{ACCESS_TOKEN, HttpRequest, SecretHeader};
use postroom_core::{Failure, Outcome};

use super::{Attempt, Call, refused};
use crate::secrets::Secret;

/// How long a run waits for a place that keeps secrets and does not answer.
const UNREADY_WAIT_MS: i64 = 5_000;

impl Attempt {
    /// Ends the attempt before its call if a credential is missing: no intent is left behind, and
    /// no room of a rate limit is taken.
    pub(super) fn has_credentials(
        &self,
        call: &Call<'_>,
        request: &HttpRequest,
        token: Option<&Secret>,
    ) -> Result<(), Outcome> {
        if self.inner.settings.sandbox {
            return Ok(());
        }
        let names = &call.connection.credentials;
        let missing = request.secrets.iter().find(|slot| {
            if token.is_some() && slot.credential == ACCESS_TOKEN {
                return false;
            }
            let name = names.get(&slot.credential);
            name.and_then(|name| self.inner.secrets.get(name)).is_none()
                && !self.may_be_left_out(call, slot)
        });
        missing.map_or(Ok(()), |slot| Err(self.no_credential(call, &slot.credential)))
    }

    /// Whether a header goes without its credential, which is optional and not set.
    pub(super) fn may_be_left_out(&self, call: &Call<'_>, slot: &SecretHeader) -> bool {
        let mut listed = call.adapter.credentials.iter();
        let optional = listed.any(|known| known.name == slot.credential && !known.required);
        let token = slot.credential == ACCESS_TOKEN && call.connection.oauth.is_some();
        optional
            && !token
            && !slot.header.starts_with(':')
            && self.inner.secrets.unready().is_none()
    }

    /// What a call without its credential comes to. Where a place of secrets does not answer, the
    /// run waits and no attempt is spent: the credential may well be there.
    pub(super) fn no_credential(&self, call: &Call<'_>, credential: &str) -> Outcome {
        if let Some(why) = self.inner.secrets.unready() {
            let connection = &call.connection.name;
            tracing::warn!(run = %self.run.id, connection, credential, why,
                "a run waits for a credential");
            return Outcome::Wait { until_ms: self.inner.clock.now_ms() + UNREADY_WAIT_MS };
        }
        let name = call.connection.credentials.get(credential).map_or("", String::as_str);
        let failure = Failure::new(
            "connection/credential-missing",
            format!(
                "connection `{}` has no `{credential}` for {}: `{name}` is not set",
                call.connection.name, call.adapter.title
            ),
        );
        refused(failure.with_hint(format!(
            "set {name} in the environment, in .env or with `postroom secrets set {name}`, then \
             redrive"
        )))
    }
}
