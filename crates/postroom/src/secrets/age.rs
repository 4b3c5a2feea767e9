//! Files in the format of [age](https://age-encryption.org/v1), for keys of the kind X25519: what
//! is encrypted for several recipients opens with the key of any of them, also with `age` itself.
//! Written as text (armored), so that git keeps it well. Knows nothing of what is inside.

mod bech32;
mod stream;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use x25519_dalek::{PublicKey, StaticSecret};

/// The first line of a file, once its armor is off.
const VERSION: &str = "age-encryption.org/v1";
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// What says that a key is of an age identity, and of a recipient.
const SECRET: &str = "age-secret-key-";
const PUBLIC: &str = "age";
/// What the wrapping of a file's key is bound to.
const WRAPPING: &[u8] = b"age-encryption.org/v1/X25519";
/// Columns of armor.
const COLUMNS: usize = 64;
/// Bytes of the key of a file.
const FILE_KEY: usize = 16;

/// Why a file does not open, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// It is no file of this format.
    NotAge,
    /// It was cut, or somebody changed it.
    Broken,
    /// It is encrypted for other keys.
    OtherKeys,
    /// The system gives no random numbers.
    NoChance,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotAge => "it is no age file",
            Self::Broken => "it is cut off or was changed",
            Self::OtherKeys => "it is sealed for other keys",
            Self::NoChance => "the system gives no random numbers",
        })
    }
}

/// A secret key: opens what is encrypted for its recipient.
#[derive(Clone)]
pub(crate) struct Identity(StaticSecret);

impl Identity {
    /// A new key.
    pub fn make() -> Result<Self, Error> {
        Ok(Self(StaticSecret::from(chance::<32>()?)))
    }

    /// The first key in a text, as `age-keygen` writes it: remarks begin with `#`.
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let (prefix, bytes) = bech32::decode(line)?;
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        (prefix == SECRET).then(|| Self(StaticSecret::from(bytes)))
    }

    /// The key as text.
    pub fn text(&self) -> String {
        bech32::encode(SECRET, self.0.as_bytes()).to_ascii_uppercase()
    }

    /// For whom to encrypt, so that this key opens it.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recipient([u8; 32]);

impl Recipient {
    /// `age1…`.
    pub fn read(text: &str) -> Option<Self> {
        let (prefix, bytes) = bech32::decode(text.trim())?;
        (prefix == PUBLIC).then(|| bytes.try_into().ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bech32::encode(PUBLIC, &self.0))
    }
}

/// The text of a file that every one of the recipients can open.
pub(crate) fn seal(plain: &[u8], recipients: &[Recipient]) -> Result<String, Error> {
    let file_key = chance::<FILE_KEY>()?;
    let mut head = format!("{VERSION}\n");
    for recipient in recipients {
        let ephemeral = StaticSecret::from(chance::<32>()?);
        let share = PublicKey::from(&ephemeral).to_bytes();
        let shared = ephemeral.diffie_hellman(&PublicKey::from(recipient.0));
        let key = wrapping_key(shared.as_bytes(), &share, &recipient.0).ok_or(Error::Broken)?;
        let mut wrapped = file_key.to_vec();
        let sealed = key.seal_in_place_append_tag(zero(), Aad::empty(), &mut wrapped);
        sealed.map_err(|_| Error::Broken)?;
        let (share, wrapped) = (STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(wrapped));
        head.push_str(&format!("-> X25519 {share}\n{wrapped}\n"));
    }
    head.push_str("---");
    let tag = hmac::sign(&head_key(&file_key).ok_or(Error::Broken)?, head.as_bytes());
    head.push_str(&format!(" {}\n", STANDARD_NO_PAD.encode(tag)));
    let nonce = chance::<16>()?;
    let mut bytes = head.into_bytes();
    bytes.extend(nonce);
    let key = derived(&nonce, &file_key, b"payload").ok_or(Error::Broken)?;
    bytes.extend(stream::seal(&key, plain).ok_or(Error::Broken)?);
    Ok(armored(&bytes))
}

/// What is in a file, by whichever of the keys opens it.
pub(crate) fn open(file: &[u8], identities: &[Identity]) -> Result<Vec<u8>, Error> {
    let bytes = unarmored(file)?;
    let (head, body) = parts(&bytes)?;
    let mut shares = Vec::new();
    let mut lines = head.text.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        let Some(stanza) = line.strip_prefix("-> ") else { return Err(Error::NotAge) };
        let mut wrapped = String::new();
        // The last line of a stanza is the first that is not full.
        for line in lines.by_ref() {
            wrapped.push_str(line);
            if line.len() < COLUMNS {
                break;
            }
        }
        // Stanzas of other kinds are for others.
        if let Some(share) = stanza.strip_prefix("X25519 ") {
            let decoded = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| Error::Broken);
            shares.push((decoded(share)?, decoded(&wrapped)?));
        }
    }
    let opened = identities.iter().flat_map(|identity| {
        shares.iter().filter_map(|(share, wrapped)| unwrapped(identity, share, wrapped))
    });
    let file_key = opened.into_iter().next().ok_or(Error::OtherKeys)?;
    let signed = &bytes[..head.text.len() + "---".len()];
    let key = head_key(&file_key).ok_or(Error::Broken)?;
    hmac::verify(&key, signed, &head.tag).map_err(|_| Error::Broken)?;
    let (nonce, sealed) = body.split_at_checked(16).ok_or(Error::Broken)?;
    let key = derived(nonce, &file_key, b"payload").ok_or(Error::Broken)?;
    stream::open(&key, sealed).ok_or(Error::Broken)
}

/// The head of a file: version and stanzas, and what they are signed with.
struct Head<'f> {
    text: &'f str,
    tag: Vec<u8>,
}

fn parts(bytes: &[u8]) -> Result<(Head<'_>, &[u8]), Error> {
    if !bytes.starts_with(format!("{VERSION}\n").as_bytes()) {
        return Err(Error::NotAge);
    }
    let mark = bytes.windows(5).position(|part| part == b"\n--- ").ok_or(Error::NotAge)?;
    let text = std::str::from_utf8(&bytes[..=mark]).map_err(|_| Error::NotAge)?;
    let rest = &bytes[mark + 5..];
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(Error::NotAge)?;
    let tag = STANDARD_NO_PAD.decode(&rest[..end]).map_err(|_| Error::Broken)?;
    Ok((Head { text, tag }, &rest[end + 1..]))
}

fn unwrapped(identity: &Identity, share: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    let share: [u8; 32] = share.try_into().ok()?;
    let shared = identity.0.diffie_hellman(&PublicKey::from(share));
    // A share of low order would make a key that everybody knows.
    if !shared.was_contributory() || wrapped.len() != FILE_KEY + 16 {
        return None;
    }
    let key = wrapping_key(shared.as_bytes(), &share, &identity.recipient().0)?;
    let mut file_key = wrapped.to_vec();
    let opened = key.open_in_place(zero(), Aad::empty(), &mut file_key).ok()?;
    Some(opened.to_vec())
}

fn wrapping_key(shared: &[u8], share: &[u8; 32], recipient: &[u8; 32]) -> Option<LessSafeKey> {
    let bytes = derived(&[&share[..], recipient].concat(), shared, WRAPPING)?;
    aead_key(&bytes)
}

fn aead_key(bytes: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, bytes).ok().map(LessSafeKey::new)
}

fn head_key(file_key: &[u8]) -> Option<hmac::Key> {
    Some(hmac::Key::new(hmac::HMAC_SHA256, &derived(b"", file_key, b"header")?))
}

fn derived(salt: &[u8], from: &[u8], purpose: &[u8]) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let made = Salt::new(HKDF_SHA256, salt).extract(from);
    made.expand(&[purpose], HKDF_SHA256).ok()?.fill(&mut key).ok()?;
    Some(key)
}

/// Each key that wraps is used once, so its nonce is nothing.
fn zero() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn chance<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoChance)?;
    Ok(bytes)
}

fn armored(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut text = format!("{BEGIN}\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(END);
    text.push('\n');
    text
}

fn unarmored(file: &[u8]) -> Result<Vec<u8>, Error> {
    let Ok(text) = std::str::from_utf8(file) else { return Ok(file.to_vec()) };
    let Some(inside) = text.trim().strip_prefix(BEGIN) else { return Ok(file.to_vec()) };
    let inside = inside.strip_suffix(END).ok_or(Error::Broken)?;
    let lines: String = inside.split_whitespace().collect();
    STANDARD.decode(lines).map_err(|_| Error::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `age-keygen` and `age` 1.1.1 of Debian.
    const KEY: &str = include_str!("age/golden.key");
    const GOLDEN: &[u8] = include_bytes!("age/golden.age");
    const BINARY: &[u8] = include_bytes!("age/golden.bin");

    #[test]
    fn files_of_age_itself_open() {
        let identity = Identity::read(KEY).unwrap();
        assert!(KEY.contains(&identity.text()));
        assert!(KEY.contains(&identity.recipient().to_string()), "{}", identity.recipient());
        for file in [GOLDEN, BINARY] {
            assert_eq!(open(file, std::slice::from_ref(&identity)).unwrap(), b"A: \"golden\"\n");
        }
    }

    #[test]
    fn what_is_sealed_opens_with_any_of_its_keys_and_no_other() {
        let keys: Vec<Identity> = (0..3).map(|_| Identity::make().unwrap()).collect();
        let two = [keys[0].recipient(), keys[1].recipient()];
        for length in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let plain = vec![7; length];
            let sealed = seal(&plain, &two).unwrap();
            assert!(sealed.lines().all(|line| line.len() <= COLUMNS));
            for key in &keys[..2] {
                assert!(open(sealed.as_bytes(), std::slice::from_ref(key)).unwrap() == plain);
            }
            let other = open(sealed.as_bytes(), &keys[2..]);
            assert_eq!(other, Err(Error::OtherKeys));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = [Identity::make().unwrap()];
        let sealed = seal(b"A: \"1\"\n", &[key[0].recipient()]).unwrap();
        let bytes = unarmored(sealed.as_bytes()).unwrap();
        assert!(open(&bytes, &key).is_ok());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &key).is_err(), "byte {at}");
            assert!(open(&bytes[..at], &key).is_err(), "cut at {at}");
        }
        assert_eq!(open(b"A: 1\n", &key), Err(Error::NotAge));
    }
}
