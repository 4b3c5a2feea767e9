//! The rows of what is not sent, or whose answer is not taken: messages that cannot be composed,
//! addresses that are out of bounds, answers that are too large.

use super::Kind;
use super::table::kind;

/// The rows of this file.
pub(super) const SENDING: &[&Kind] =
    &[&ADAPTER_BAD_MAIL, &BLOCKED_ADDRESS, &ANSWER_TOO_LARGE, &LOGIN_FAILED, &NOT_SECURE];

/// A message that cannot be composed.
pub static ADAPTER_BAD_MAIL: Kind = kind(
    "adapter/bad-mail",
    422,
    "a message that cannot be composed",
    "A field of the message does not fit: no recipient, an address that is none, a line break in \
     what stands in a header, an attachment that is no base64. The message names the field. \
     Nothing was sent; mend what the workflow gives, and redrive.",
);

/// An address that is out of bounds.
pub static BLOCKED_ADDRESS: Kind = kind(
    "call/blocked-address",
    422,
    "an address that a connection may not go to",
    "The request goes to a private, loopback, link-local or otherwise special address, by its \
     URL or because its name is at one. Nothing was sent, and it is not tried again. Whoever \
     sends events could reach machines behind your door so. If it is meant, list the address, \
     range or name under `allow` of the connection: `docs/connections.md`.",
);

/// An answer that is too large.
pub static ANSWER_TOO_LARGE: Kind = kind(
    "call/answer-too-large",
    502,
    "an answer that is too large",
    "The provider's answer is larger than is read. Asked again it would be too, so it is not \
     tried again. Ask for less: fewer items, a page, fewer fields.",
);

/// Access to an account that was not had.
pub static LOGIN_FAILED: Kind = kind(
    "connection/login-failed",
    400,
    "access to an account that was not had",
    "A login came to no tokens: access was not allowed, nobody came back in time, the provider \
     refused the client or the code, or the tokens could not be kept. The message says which. \
     What was kept before is as it was.",
);

/// A server that is not secure enough.
pub static NOT_SECURE: Kind = kind(
    "call/not-secure",
    422,
    "a server that would be sent secrets in plain text",
    "The mail server does not offer the encryption that the connection asks for, or credentials \
     would travel to it in plain text. Nothing was sent. Set `tls` in `config` of the connection \
     to what the server speaks.",
);
