//! Messages: from the fields of `mail` to the text of RFC 5322, the same for the same key.
//!
//! Owns who it is from and to, what its headers hold and how its parts are put together; the
//! encodings are `lettre`'s. Refuses whatever would let a value leave its header: line breaks,
//! a second address where one stands, headers that are fields of `mail`. It sets no `Date`: whoever
//! sends it knows the time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{self, ContentType, HeaderName, HeaderValue, Headers};
use lettre::message::{Attachment, Mailbox, Mailboxes, MultiPart, SinglePart};
use postroom_core::Failure;
use postroom_expr::{Mapping, Scope};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::adapter::Action;
use crate::build::shown;
use crate::headers::is_header_name;

/// The fields of a message, in the order of the documentation.
pub(crate) const FIELDS: [&str; 11] = [
    "from",
    "to",
    "cc",
    "bcc",
    "replyTo",
    "subject",
    "text",
    "html",
    "headers",
    "attachments",
    "messageId",
];

/// The fields of an attachment.
const ATTACHMENT: [&str; 3] = ["filename", "contentType", "content"];

/// The most recipients of one message.
const MOST_RECIPIENTS: usize = 100;

/// Headers that a message has anyway.
const OWN_HEADERS: &[&str] = &[
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "message-id",
    "date",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "received",
    "return-path",
    "dkim-signature",
];

/// A message, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Its text, in ASCII.
    pub text: String,
    /// The address it is from, if it says so.
    pub from: Option<String>,
    /// The addresses it goes to, each once.
    pub recipients: Vec<String>,
    /// Its `Message-ID`, in angle brackets.
    pub id: String,
}

/// Who takes the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A provider, which takes the recipients out of the headers, hidden ones too.
    Provider,
    /// A mail server, which is told the recipients: hidden ones stand in no header.
    Server,
}

impl Action {
    /// The message of a call.
    pub(crate) fn letter(
        &self,
        fields: &Mapping,
        reader: Reader,
        scope: &Scope<'_>,
        key: &str,
        place: &str,
    ) -> Result<Letter, Failure> {
        let json = self.render(fields, scope, place)?;
        let value: Value = serde_json::from_str(json.text())
            .map_err(|error| Failure::new("internal", format!("{self}, {place}: {error}")))?;
        compose(&value, reader, key).map_err(|wrong| {
            let message = format!("{self}, {place}.{}: {}", wrong.field, wrong.why);
            let failure = Failure::new("adapter/bad-mail", message);
            match wrong.hint {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })
    }
}

/// What is wrong with a message.
#[derive(Debug)]
struct Wrong {
    field: String,
    why: String,
    hint: Option<&'static str>,
}

impl Wrong {
    fn new(field: &str, why: impl Into<String>) -> Self {
        Self { field: field.to_owned(), why: why.into(), hint: None }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

fn compose(mail: &Value, reader: Reader, key: &str) -> Result<Letter, Wrong> {
    let mut headers = Headers::new();
    let from = addresses(mail, "from")?;
    if from.len() > 1 {
        return Err(Wrong::new("from", "a message has one sender"));
    }
    let [to, cc, bcc, reply_to] =
        ["to", "cc", "bcc", "replyTo"].map(|field| addresses(mail, field));
    let (to, cc, bcc, reply_to) = (to?, cc?, bcc?, reply_to?);
    let mut recipients: Vec<String> = Vec::new();
    for mailbox in to.iter().chain(&cc).chain(&bcc) {
        let address = mailbox.email.to_string();
        if !recipients.contains(&address) {
            recipients.push(address);
        }
    }
    if recipients.is_empty() {
        return Err(Wrong::new("to", "nobody is named in `to`, `cc` or `bcc`"));
    }
    if recipients.len() > MOST_RECIPIENTS {
        return Err(Wrong::new("to", format!("more than {MOST_RECIPIENTS} recipients")));
    }
    let id = message_id(mail, key, from.first())?;
    let sender = from.first().map(|mailbox| mailbox.email.to_string());
    if let Some(mailbox) = from.into_iter().next() {
        headers.set(header::From::from(Mailboxes::from(mailbox)));
    }
    if !reply_to.is_empty() {
        headers.set(header::ReplyTo::from(together(reply_to)));
    }
    if !to.is_empty() {
        headers.set(header::To::from(together(to)));
    }
    if !cc.is_empty() {
        headers.set(header::Cc::from(together(cc)));
    }
    if !bcc.is_empty() && reader == Reader::Provider {
        headers.set(header::Bcc::from(together(bcc)));
    }
    let subject = line(mail, "subject")?.unwrap_or_default();
    headers.set(header::Subject::from(subject));
    headers.set(header::MessageId::from(id.clone()));
    headers.set(header::MIME_VERSION_1_0);
    own_headers(mail, &mut headers)?;
    let mut text = headers.to_string();
    let parts = body(mail, key)?;
    // The body brings the headers that say how it is encoded, and the empty line after them.
    text.push_str(&String::from_utf8_lossy(&parts));
    Ok(Letter { text, from: sender, recipients, id })
}

fn together(mailboxes: Vec<Mailbox>) -> Mailboxes {
    mailboxes.into_iter().collect()
}

/// The addresses of a field: text, or a list of texts. Null and empty texts are nobody.
fn addresses(mail: &Value, field: &str) -> Result<Vec<Mailbox>, Wrong> {
    let one = |value: &Value, field: &str| match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => address(text, field).map(Some),
        _ => Err(Wrong::new(field, "must be an address or a list of them")),
    };
    let found = match mail.get(field) {
        Some(Value::Array(items)) => {
            let items = items.iter().enumerate();
            let mailboxes = items.map(|(index, item)| one(item, &format!("{field}[{index}]")));
            mailboxes.collect::<Result<Vec<_>, _>>()?
        }
        Some(value) => vec![one(value, field)?],
        None => Vec::new(),
    };
    Ok(found.into_iter().flatten().collect())
}

fn address(text: &str, field: &str) -> Result<Mailbox, Wrong> {
    let text = text.trim();
    one_line(text, field)?;
    let wrong = |why: String| {
        let hint = "write `ann@example.com` or `Ann Lee <ann@example.com>`, several as a list";
        Wrong::new(field, why).hint(hint)
    };
    let mailbox: Mailbox =
        text.parse().map_err(|_| wrong(format!("`{}` is not one mail address", shown(text))))?;
    let email: &str = mailbox.email.as_ref();
    if !email.is_ascii() {
        let why = format!("`{}` holds a character outside ASCII", shown(email));
        return Err(wrong(why).hint("write the domain in its `xn--` form"));
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[]\\,;:\"".contains(&byte);
    if email.len() > 254 || !email.bytes().all(plain) {
        return Err(wrong(format!("`{}` is no plain mail address", shown(email))));
    }
    Ok(mailbox)
}

/// Text that stands in a header.
fn line(mail: &Value, field: &str) -> Result<Option<String>, Wrong> {
    match mail.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            one_line(text, field)?;
            Ok(Some(text.clone()))
        }
        Some(_) => Err(Wrong::new(field, "must be text")),
    }
}

fn one_line(text: &str, field: &str) -> Result<(), Wrong> {
    // A header may be long, folded; one without end is no header.
    if text.len() > 8192 {
        return Err(Wrong::new(field, "longer than 8192 bytes"));
    }
    // U+2028 and U+2029 are line breaks too, for some who read mail.
    match text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        true => {
            let wrong = Wrong::new(field, "holds a line break or a control character");
            Err(wrong.hint("take it out, for example with `replace`; a header is one line"))
        }
        false => Ok(()),
    }
}

fn message_id(mail: &Value, key: &str, from: Option<&Mailbox>) -> Result<String, Wrong> {
    let Some(own) = line(mail, "messageId")? else {
        let domain = from.map_or("postroom.invalid", |mailbox| mailbox.email.domain());
        return Ok(format!("<{}@{domain}>", hash(key)));
    };
    let bare = own.trim().trim_start_matches('<').trim_end_matches('>');
    let fits = |c: char| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(c);
    let parts = bare.split_once('@').filter(|(left, right)| !left.is_empty() && !right.is_empty());
    if parts.is_none_or(|(_, right)| right.contains('@')) || !bare.chars().all(fits) {
        let wrong = Wrong::new("messageId", format!("`{}` is no message id", shown(&own)));
        return Err(wrong.hint("write it like `invoice-17@example.com`"));
    }
    Ok(format!("<{bare}>"))
}

/// 32 hexadecimal digits that stand for one message: `sha256(key).substring(0, 32)`.
fn hash(key: &str) -> String {
    let digest = digest(&SHA256, key.as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn own_headers(mail: &Value, headers: &mut Headers) -> Result<(), Wrong> {
    let entries = match mail.get("headers") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(Wrong::new("headers", "must be an object")),
    };
    for (name, value) in entries {
        let field = format!("headers.{}", shown(name));
        if !is_header_name(name) {
            return Err(Wrong::new(&field, "this is no header name"));
        }
        let lower = name.to_ascii_lowercase();
        if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("resent-") {
            let wrong = Wrong::new(&field, "the message has this header anyway");
            return Err(wrong.hint("`mail` has a field for it, or it is set when sending"));
        }
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            _ => return Err(Wrong::new(&field, "must be text or a number")),
        };
        one_line(&value, &field)?;
        let name = HeaderName::new_from_ascii(name.clone())
            .map_err(|_| Wrong::new(&field, "this is no header name"))?;
        headers.insert_raw(HeaderValue::new(name, value));
    }
    Ok(())
}

/// The parts of the message, with the headers that describe them.
fn body(mail: &Value, key: &str) -> Result<Vec<u8>, Wrong> {
    let prose = |field: &str| match mail.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Wrong::new(field, "must be text")),
    };
    let attached = attachments(mail)?;
    let boundary = |which: &str| format!("=_{which}_{}", hash(key));
    let both = |text: String, html: String| {
        MultiPart::alternative()
            .boundary(boundary("alternative"))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(html))
    };
    let (text, html) = (prose("text")?, prose("html")?);
    if attached.is_empty() {
        return Ok(match (text, html) {
            (Some(text), Some(html)) => both(text, html).formatted(),
            (None, Some(html)) => SinglePart::html(html).formatted(),
            (text, None) => SinglePart::plain(text.unwrap_or_default()).formatted(),
        });
    }
    let mixed = MultiPart::mixed().boundary(boundary("mixed"));
    let mixed = match (text, html) {
        (Some(text), Some(html)) => mixed.multipart(both(text, html)),
        (None, Some(html)) => mixed.singlepart(SinglePart::html(html)),
        (text, None) => mixed.singlepart(SinglePart::plain(text.unwrap_or_default())),
    };
    Ok(attached.into_iter().fold(mixed, MultiPart::singlepart).formatted())
}

fn attachments(mail: &Value) -> Result<Vec<SinglePart>, Wrong> {
    let items = match mail.get("attachments") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Wrong::new("attachments", "must be a list")),
    };
    let place = |index: usize| format!("attachments[{index}]");
    items.iter().enumerate().map(|(index, item)| attachment(item, &place(index))).collect()
}

fn attachment(item: &Value, place: &str) -> Result<SinglePart, Wrong> {
    let Value::Object(entries) = item else {
        return Err(Wrong::new(place, "must be an object"));
    };
    if let Some(unknown) = entries.keys().find(|name| !ATTACHMENT.contains(&name.as_str())) {
        let why = format!("`{}` is not known here", shown(unknown));
        return Err(Wrong::new(place, why).hint("it has `filename`, `contentType` and `content`"));
    }
    let within = |field: &str| format!("{place}.{field}");
    let text =
        |field: &str| line(item, field).map_err(|wrong| Wrong { field: within(field), ..wrong });
    let filename = text("filename")?.filter(|name| !name.is_empty());
    let Some(filename) = filename else {
        return Err(Wrong::new(&within("filename"), "is missing"));
    };
    let kind = text("contentType")?.unwrap_or_else(|| "application/octet-stream".to_owned());
    let kind = ContentType::parse(&kind)
        .map_err(|_| Wrong::new(&within("contentType"), format!("`{}` is none", shown(&kind))))?;
    // The one field that may be long.
    let Some(Value::String(content)) = entries.get("content") else {
        return Err(Wrong::new(&within("content"), "must be text in base64"));
    };
    let content: String = content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(&content).map_err(|_| {
        let wrong = Wrong::new(&within("content"), "is no base64");
        wrong.hint("write the bytes in padded base64, for example with `base64()`")
    })?;
    let base64 = header::ContentTransferEncoding::Base64;
    let body = lettre::message::Body::new_with_encoding(bytes, base64)
        .map_err(|_| Wrong::new(&within("content"), "cannot be attached"))?;
    Ok(Attachment::new(filename).body(body, kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn composed(mail: &Value) -> Letter {
        compose(mail, Reader::Provider, "run-1.tell").unwrap()
    }

    fn refused(mail: &Value) -> String {
        let wrong = compose(mail, Reader::Provider, "run-1.tell").unwrap_err();
        format!("{}: {}", wrong.field, wrong.why)
    }

    #[test]
    fn a_plain_message() {
        let mail = json!({
            "from": "Ann Lee <ann@example.com>",
            "to": ["bob@example.com", "Cy <cy@example.org>"],
            "bcc": "audit@example.com",
            "replyTo": "help@example.com",
            "subject": "Paid",
            "text": "Thank you.\nAnn",
            "headers": { "X-Run": "1", "List-Unsubscribe": null },
        });
        let letter = composed(&mail);
        assert_eq!(letter.from.as_deref(), Some("ann@example.com"));
        assert_eq!(letter.recipients, ["bob@example.com", "cy@example.org", "audit@example.com"]);
        let id = letter.id.clone();
        assert_eq!(id.len(), "<@example.com>".len() + 32);
        let wanted = format!(
            "From: \"Ann Lee\" <ann@example.com>\r\nReply-To: help@example.com\r\n\
             To: bob@example.com, Cy <cy@example.org>\r\nBcc: audit@example.com\r\n\
             Subject: Paid\r\nMessage-ID: {id}\r\nMIME-Version: 1.0\r\nX-Run: 1\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             Thank you.\r\nAnn\r\n"
        );
        assert_eq!(letter.text, wanted);
        let server = compose(&mail, Reader::Server, "run-1.tell").unwrap();
        assert!(!server.text.contains("audit@example.com"), "{}", server.text);
        assert_eq!(server.recipients, letter.recipients);
    }

    #[test]
    fn all_of_it_is_ascii_and_the_same_every_time() {
        let mail = json!({
            "from": "Zoë <zoe@example.com>",
            "to": "Łukasz <l@example.com>",
            "subject": "Überfällig: 12 € — bitte 🙏",
            "text": "Grüße, and a line that is longer than a line of mail may be, by far: 123 456 789",
            "html": "<p>Grüße</p>",
            "attachments": [{
                "filename": "Rechnung März.pdf",
                "contentType": "application/pdf",
                "content": STANDARD.encode([0_u8, 255, 10, 13]),
            }],
        });
        let letter = composed(&mail);
        assert!(letter.text.is_ascii(), "{}", letter.text);
        assert_eq!(letter, composed(&mail));
        let other = compose(&mail, Reader::Provider, "run-2.tell").unwrap();
        assert_ne!(letter.id, other.id);
        for wanted in [
            "multipart/mixed;\r\n boundary=\"=_mixed_",
            "multipart/alternative;\r\n boundary=\"=_alternative_",
            "=?utf-8?b?",
            "filename*0*=utf-8''Rechnung%20M%C3%A4rz.pdf",
            "Content-Transfer-Encoding: base64\r\n\r\nAP8KDQ==\r\n",
        ] {
            assert!(letter.text.contains(wanted), "{wanted}\n{}", letter.text);
        }
        assert!(letter.text.lines().all(|line| line.len() <= 998), "{}", letter.text);
    }

    #[test]
    fn nothing_leaves_its_header() {
        let base = json!({ "from": "a@example.com", "to": "b@example.com", "subject": "s" });
        for (field, value) in [
            ("subject", json!("Hi\r\nBcc: eve@example.com")),
            ("subject", json!("Hi\nthere")),
            ("subject", json!("Hi\u{2028}there")),
            ("from", json!("Ann\r\nBcc: eve@example.com <a@example.com>")),
            ("to", json!("b@example.com, eve@example.com")),
            ("to", json!("b@example.com\nRCPT TO:<eve@example.com>")),
            ("to", json!("<b@example.com> <eve@example.com>")),
            ("to", json!("\"b> RCPT\"@example.com")),
            ("to", json!("b@[127.0.0.1]")),
            ("to", json!("bücher@example.com")),
            ("to", json!([])),
            ("to", json!(7)),
            ("from", json!(["a@example.com", "c@example.com"])),
            ("replyTo", json!("nobody")),
            ("messageId", json!("a@b>\r\nX: y")),
            ("messageId", json!("no-at")),
            ("headers", json!({ "X\r\nBcc": "eve@example.com" })),
            ("headers", json!({ "X": "1\r\nBcc: eve@example.com" })),
            ("headers", json!({ "Bcc": "eve@example.com" })),
            ("headers", json!({ "content-type": "text/html" })),
            ("headers", json!({ "X": [1] })),
            ("attachments", json!({})),
            ("attachments", json!([{ "filename": "a", "content": "***" }])),
            ("attachments", json!([{ "filename": "a\r\nX: y", "content": "" }])),
            ("attachments", json!([{ "filename": "", "content": "" }])),
            ("attachments", json!([{ "filename": "a", "content": "", "contentType": "x" }])),
            ("attachments", json!([{ "filename": "a", "content": "", "typ": "x" }])),
            ("text", json!(1)),
        ] {
            let mut mail = base.clone();
            mail[field] = value;
            let told = refused(&mail);
            assert!(told.starts_with(field), "{told}");
            assert!(!told.contains(['\r', '\n']), "{told}");
        }
    }

    #[test]
    fn a_quote_in_a_name_stays_in_it() {
        let mail = json!({ "to": "\"Lee, \\\"Ann\\\"\" <ann@example.com>", "subject": "\"x\"" });
        let letter = composed(&mail);
        assert_eq!(letter.recipients, ["ann@example.com"]);
        assert!(letter.id.ends_with("@postroom.invalid>"), "{}", letter.id);
        let line = letter.text.lines().next().unwrap();
        assert_eq!(line, "To: =?utf-8?b?TGVlLCAiQW5uIg==?= <ann@example.com>");
    }

    #[test]
    fn a_message_id_of_ones_own() {
        let mail = json!({ "to": "a@example.com", "messageId": "<invoice-17@example.com>" });
        let letter = composed(&mail);
        assert_eq!(letter.id, "<invoice-17@example.com>");
        assert!(letter.text.contains("Message-ID: <invoice-17@example.com>\r\n"));
    }
}
