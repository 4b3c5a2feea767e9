//! Takes secrets out of texts that leave towards logs, journals, metrics and answers: by value,
//! in every form in which a value is likely to turn up, and by the name that stands before one.
//! One pass finds all values, however many there are. Never used on what is sent or on events as
//! they came in.

mod forms;
mod named;

use std::borrow::Cow;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use parking_lot::RwLock;
use postroom_core::Json;

use crate::secrets::{Secret, Secrets};
use named::Names;

/// What stands in place of a secret.
pub(crate) const VEIL: &str = "***";

/// Redaction that follows the secrets as they change. What it looks for is put together when it is
/// first asked, so that a process that redacts nothing does not pay for it.
pub struct Redaction {
    secrets: Arc<dyn Secrets>,
    made: RwLock<Option<(u64, Arc<Redactor>)>>,
}

impl Redaction {
    /// Over these secrets.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, made: RwLock::new(None) }
    }

    /// The text without secrets, by value and by name.
    #[must_use]
    pub fn clean(&self, text: String) -> String {
        self.redactor().clean(text)
    }

    /// The text without the values of secrets; whatever is named like one stays.
    #[must_use]
    pub fn values<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redactor().values(text)
    }

    /// JSON without the values of secrets.
    #[must_use]
    pub fn json(&self, json: Json) -> Json {
        self.redactor().json(json)
    }

    /// What redacts as of now.
    #[must_use]
    pub fn redactor(&self) -> Arc<Redactor> {
        let edition = self.secrets.edition();
        if let Some((made, redactor)) = &*self.made.read()
            && *made == edition
        {
            return Arc::clone(redactor);
        }
        let redactor = Arc::new(Redactor::new(&self.secrets.all()));
        *self.made.write() = Some((edition, Arc::clone(&redactor)));
        redactor
    }
}

/// Redaction over secrets that do not change.
pub struct Redactor {
    values: Option<AhoCorasick>,
    names: Names,
}

impl Redactor {
    /// Over these secrets.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Self {
        let mut forms: Vec<String> =
            secrets.iter().flat_map(|secret| forms::of(secret.expose())).collect();
        forms.sort_unstable();
        forms.dedup();
        // Of two that begin at one place, the longer is the whole.
        let values = (!forms.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&forms)
        });
        // It fails for more than 2^31 bytes of patterns only, and then nothing may pass.
        let values = values.and_then(Result::ok);
        Self { values, names: Names::new() }
    }

    /// The text without secrets, by value and by name.
    #[must_use]
    pub fn clean(&self, text: String) -> String {
        let text = match self.values(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => clean,
        };
        match self.names.clean(&text) {
            None => text,
            Some(clean) => clean,
        }
    }

    /// The text without the values of secrets.
    #[must_use]
    pub fn values<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(values) = self.values.as_ref().filter(|values| values.is_match(text)) else {
            return Cow::Borrowed(text);
        };
        let mut clean = String::with_capacity(text.len());
        let mut at = 0;
        for found in values.find_iter(text) {
            clean.push_str(&text[at..found.start()]);
            clean.push_str(VEIL);
            at = found.end();
        }
        clean.push_str(&text[at..]);
        Cow::Owned(clean)
    }

    /// JSON without the values of secrets, still JSON: a secret of digits may stand in a number.
    #[must_use]
    pub fn json(&self, json: Json) -> Json {
        let clean = match self.values(json.text()) {
            Cow::Borrowed(_) => return json,
            Cow::Owned(clean) => clean,
        };
        Json::parse(clean).unwrap_or_else(|_| {
            let mut value = serde_json::from_str(json.text()).unwrap_or_default();
            self.inside(&mut value);
            Json::from_value(&value)
        })
    }

    fn inside(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.inside(item)),
            Value::Object(entries) => entries.values_mut().for_each(|item| self.inside(item)),
            Value::String(text) => {
                if let Cow::Owned(clean) = self.values(text) {
                    *text = clean;
                }
            }
            Value::Number(number) => {
                if let Cow::Owned(clean) = self.values(&number.to_string()) {
                    *value = Value::String(clean);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Fixed;

    fn redactor(values: &[&str]) -> Redactor {
        let values: Vec<Secret> = values.iter().map(|value| Secret::new(value)).collect();
        Redactor::new(&values)
    }

    #[test]
    fn json_stays_json() {
        let redactor = redactor(&["sk_live_abcdef", "12345678"]);
        let json = Json::parse(r#"{"a":"x sk_live_abcdef","n":12345678,"b":[1.50]}"#.to_owned());
        let clean = redactor.json(json.unwrap());
        assert_eq!(clean.text(), r#"{"a":"x ***","b":[1.5],"n":"***"}"#);
        let text = r#"{ "kept" : 1.50 }"#;
        assert_eq!(redactor.json(Json::parse(text.to_owned()).unwrap()).text(), text);
    }

    #[test]
    fn it_follows_the_secrets() {
        struct Turning(RwLock<Vec<String>>);
        impl Secrets for Turning {
            fn get(&self, _: &str) -> Option<Secret> {
                None
            }
            fn all(&self) -> Vec<Secret> {
                self.0.read().iter().map(|value| Secret::new(value)).collect()
            }
        }
        let turning = Arc::new(Turning(RwLock::new(vec!["first-value".into()])));
        let redaction = Redaction::new(Arc::clone(&turning) as _);
        assert_eq!(redaction.values("first-value second-value"), "*** second-value");
        turning.0.write().push("second-value".into());
        assert_eq!(redaction.values("first-value second-value"), "*** ***");
        let nothing = Redaction::new(Arc::new(Fixed::default()));
        assert_eq!(nothing.values("first-value"), "first-value");
    }

    #[test]
    fn the_longer_of_two_is_the_whole() {
        let redactor = redactor(&["whsec_abc", "whsec_abcdef"]);
        assert_eq!(redactor.values("whsec_abcdef whsec_abcx"), "*** ***x");
    }
}
