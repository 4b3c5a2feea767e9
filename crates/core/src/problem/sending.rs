//! The rows of what is not sent, or whose answer is not taken: messages that cannot be composed,
//! addresses that are out of bounds, answers that are too large.

use super::Kind;
use super::table::kind;

/// The rows of this file.
pub(super) const SENDING: &[&Kind] = &[&ADAPTER_BAD_MAIL];

/// A message that cannot be composed.
pub static ADAPTER_BAD_MAIL: Kind = kind(
    "adapter/bad-mail",
    422,
    "a message that cannot be composed",
    "A field of the message does not fit: no recipient, an address that is none, a line break in \
     what stands in a header, an attachment that is no base64. The message names the field. \
     Nothing was sent; mend what the workflow gives, and redrive.",
);
