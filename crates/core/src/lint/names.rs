//! Which names of fields say that their value is a secret. Silent about names that often mean
//! something else: `next_page_token`, `has_password`, `tokens`.

/// Words with which the name of a secret ends.
const SECRETS: &[&str] =
    &["password", "passwd", "passphrase", "secret", "token", "authorization", "apikey"];

/// Kinds of keys that are secret.
const KEYS: &[&str] = &["api", "secret", "private"];

/// Tokens that say where a list goes on.
const PLACES: &[&str] = &["page", "next", "previous", "prev", "continuation", "sync", "cursor"];

/// Beginnings of names that ask whether there is something.
const QUESTIONS: &[&str] = &["has", "is", "needs", "requires", "use", "uses", "with", "no"];

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// A text that nobody else should have.
    Text,
    /// Figures that nobody else should have, be they text or a number.
    Figures,
}

/// Whether a name by itself says that its value is a text nobody else should have.
#[must_use]
pub fn says_secret(name: &str) -> bool {
    secret(std::slice::from_ref(&name.to_owned())) == Some(Secret::Text)
}

/// Whether the last name of a path says that its value is a secret.
pub(super) fn secret(path: &[String]) -> Option<Secret> {
    let mut names = path.iter().rev().filter(|name| *name != "[]");
    let words = words(names.next()?);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.len() > 1 && QUESTIONS.contains(&words[0]) {
        return None;
    }
    match words.as_slice() {
        [.., kind, "key"] if KEYS.contains(kind) => Some(Secret::Text),
        [.., place, "token"] if PLACES.contains(place) => None,
        [.., last] if SECRETS.contains(last) => Some(Secret::Text),
        [.., "iban" | "cvc" | "cvv"] | [.., "card" | "cc", "number"] | [.., "cardnumber"] => {
            Some(Secret::Figures)
        }
        ["number"] => {
            let holder = self::words(names.next()?);
            (holder.last().is_some_and(|word| word == "card" || word == "cards"))
                .then_some(Secret::Figures)
        }
        _ => None,
    }
}

/// The words of a name, in lower case: `apiKey`, `api_key` and `API-Key` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut open, mut was_lower) = (false, false);
    for c in name.chars() {
        if !c.is_alphanumeric() {
            (open, was_lower) = (false, false);
            continue;
        }
        if !open || (was_lower && c.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        (open, was_lower) = (true, c.is_lowercase() || c.is_numeric());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<Secret> {
        secret(&path.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "password",
            "userPassword",
            "passwd",
            "secret",
            "clientSecret",
            "client_secret",
            "token",
            "access_token",
            "refreshToken",
            "api_key",
            "apiKey",
            "apikey",
            "x-api-key",
            "API-Key",
            "secretKey",
            "private_key",
            "authorization",
            "Authorization",
            "passphrase",
            "a.b.token",
            "reset_token",
        ] {
            assert_eq!(of(name), Some(Secret::Text), "{name}");
        }
        for name in ["iban", "card.cvc", "cvv", "card_number", "cardNumber", "cards.[].number"] {
            assert_eq!(of(name), Some(Secret::Figures), "{name}");
        }
    }

    #[test]
    fn names_that_mean_something_else_are_left_alone() {
        for name in [
            "tokens",
            "token_count",
            "next_page_token",
            "nextToken",
            "syncToken",
            "has_password",
            "isSecret",
            "needsToken",
            "password_changed_at",
            "key",
            "idempotencyKey",
            "number",
            "order.number",
            "secretary",
            "author",
            "publishable_key",
            "currency",
            "email",
            "phone_number",
            "cardinality",
            "tokenized",
            "",
            "[]",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
