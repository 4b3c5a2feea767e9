//! Calls whose request is a message for a mail server: `native: smtp`.
//!
//! Owns how such a request is written down, so that it is planned, shown, recorded and answered
//! like any other: `SEND smtp://host:port`, the envelope as headers, the message as body. An answer
//! has the reply code of the server as its status. Host, port and kind of TLS come from the
//! manifest and the connection, never from an input.

use postroom_core::Failure;
use postroom_expr::{Scope, Template};

use crate::adapter::Action;
use crate::build::{Asked, shown};
use crate::exchange::HttpRequest;
use crate::mail::Reader;

/// The method of such a request.
pub(crate) const METHOD: &str = "SEND";

/// The header that holds the sender's address.
pub const FROM_HEADER: &str = "Mail-From";
/// The header that holds a recipient's address, once for each.
pub const TO_HEADER: &str = "Rcpt-To";
/// The header that holds the id of the message.
pub const ID_HEADER: &str = "Message-ID";

/// The words of `tls`, with the scheme each is written as.
const TLS: [(&str, &str); 3] =
    [("starttls", "smtp"), ("implicit", "smtps"), ("none", "smtp+plain")];

/// A mail server.
#[derive(Debug)]
pub(crate) struct Server {
    pub host: Template,
    pub port: Template,
    pub tls: Template,
}

impl Action {
    /// The message of a call, on its way to a mail server.
    pub(crate) fn posted(
        &self,
        server: &Server,
        asked: &Asked<'_>,
        scope: &Scope<'_>,
    ) -> Result<HttpRequest, Failure> {
        let place = |part: &str| format!("{}.{part}", asked.place);
        let url = self.server_url(server, scope, &place)?;
        let Some(fields) = &asked.request.mail else {
            let message = format!("{self}, {}: there is none", place("mail"));
            return Err(Failure::new("adapter/bad-mail", message));
        };
        let letter = self.letter(fields, Reader::Server, scope, asked.key, &place("mail"))?;
        let Some(from) = letter.from else {
            let message =
                format!("{self}, {}: a mail server asks who it is from", place("mail.from"));
            return Err(Failure::new("adapter/bad-mail", message)
                .with_hint("give `from` in the step, or in `config` of the connection"));
        };
        let mut headers = vec![(FROM_HEADER.to_owned(), from)];
        headers.extend(letter.recipients.into_iter().map(|to| (TO_HEADER.to_owned(), to)));
        headers.push((ID_HEADER.to_owned(), letter.id));
        Ok(HttpRequest {
            method: METHOD.to_owned(),
            url,
            headers,
            body: letter.text.into_bytes(),
            secrets: self.provider.auth.clone(),
            idempotency_key: asked.honoured.then(|| asked.key.to_owned()),
        })
    }

    fn server_url(
        &self,
        server: &Server,
        scope: &Scope<'_>,
        place: &dyn Fn(&str) -> String,
    ) -> Result<String, Failure> {
        let wrong = |part: &str, value: &str, hint: &str| {
            let message = format!("{self}, {}: `{}`", place(part), shown(value));
            Failure::new("adapter/bad-url", message).with_hint(hint.to_owned())
        };
        let host = self.text(&server.host, scope, &place("host"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let six = host.contains(':') && !host.starts_with('[');
        if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
            return Err(wrong(
                "host",
                &host,
                "write a name or an address, without scheme and port",
            ));
        }
        let port = self.text(&server.port, scope, &place("port"))?;
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(wrong("port", &port, "a port is a number from 1 to 65535"));
        }
        let tls = self.text(&server.tls, scope, &place("tls"))?;
        let Some((_, scheme)) = TLS.iter().find(|(word, _)| *word == tls) else {
            return Err(wrong("tls", &tls, "one of starttls, implicit, none"));
        };
        Ok(match six {
            true => format!("{scheme}://[{host}]:{port}"),
            false => format!("{scheme}://{host}:{port}"),
        })
    }
}
