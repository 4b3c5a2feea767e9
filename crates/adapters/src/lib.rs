//! What Postroom knows of providers: manifests as data and the interpreter that turns them into
//! requests and outcomes.
//!
//! Owns the manifest format (`docs/adapters.md`), the built-in manifests, request building,
//! response classification and webhook verification. Pure: it opens no socket or file, reads no
//! clock, never sleeps, keeps no state and never sees a credential. The caller sends what
//! [`Action::request`] plans, fills in the secrets it names, and hands the answer to
//! [`Action::interpret`].
//!
//! ```
//! use postroom_adapters::{Catalog, Context, Planned};
//! use postroom_core::Json;
//! use postroom_core::definition::ActionRef;
//!
//! let catalog = Catalog::builtin();
//! let uses = ActionRef { adapter: "slack".into(), action: "post_message".into(), version: None };
//! let (_, action) = catalog.action(&uses).expect("there is such an action");
//! let input = Json::parse(r##"{"channel": "#billing", "text": "Paid"}"##.into()).expect("JSON");
//! let config = Json::null();
//! let context =
//!     Context { input: &input, results: &[], config: &config, base_url: None, key: "run-1.tell" };
//! let Ok(Planned::Send(request)) = action.request(0, &context) else { panic!("it is sent") };
//! assert_eq!(request.url, "https://slack.com/api/chat.postMessage");
//! ```

mod adapter;
mod answer;
mod becomes;
mod build;
mod catalog;
mod describe;
mod effects;
mod exchange;
mod form;
mod headers;
pub mod import;
mod interpret;
mod lookup;
mod mail;
mod manifest;
mod oauth;
mod pages;
mod quota;
mod rehearse;
mod retry_after;
mod sandbox;
mod schema;
mod scope;
mod settings;
pub mod smtp;
mod url;
mod webhook;

pub use adapter::{
    Action, Adapter, Call, Credential, Example, Expected, Idempotency, Probe, RateLimit,
    RecordedFailure, SecretHeader, Setting,
};
pub use becomes::{Back, Becomes, Upgraded};
pub use catalog::{Catalog, MANIFESTS};
pub use exchange::{Context, HttpRequest, HttpResponse, Lost, Planned};
pub use lookup::{Looked, RecordedLookup};
pub use manifest::own_webhook;
pub use oauth::{ACCESS_TOKEN, Ask, Client, ClientAuth, Grant, NoTokens, OAuth, Tokens, challenge};
pub use pages::{Paged, Reading};
pub use quota::{LimitHeaders, ResetUnit};
pub use sandbox::SANDBOX_HEADER;
pub use webhook::{
    Answer, Described, Example as Recorded, Incoming, Live, Rejection, Webhook, form_json,
};
