//! The body of an age file: pieces of 64 KiB, each sealed by itself under its number and whether it
//! is the last, so that none can be left out, doubled or moved.

use ring::aead::{Aad, Nonce};

use super::aead_key;

/// Bytes of a piece before it is sealed.
const PIECE: usize = 64 << 10;
/// Bytes that sealing adds.
const TAG: usize = 16;

pub(super) fn seal(key: &[u8; 32], plain: &[u8]) -> Option<Vec<u8>> {
    let key = aead_key(key)?;
    let mut out = Vec::with_capacity(plain.len() + TAG);
    // Nothing is one empty piece.
    let count = plain.len().div_ceil(PIECE).max(1);
    for number in 0..count {
        let end = plain.len().min((number + 1) * PIECE);
        let mut piece = plain[number * PIECE..end].to_vec();
        let nonce = nonce(number, number + 1 == count);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut piece).ok()?;
        out.extend(piece);
    }
    Some(out)
}

/// `None` if anything was changed or left out.
pub(super) fn open(key: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = aead_key(key)?;
    let count = sealed.len().div_ceil(PIECE + TAG);
    let mut out = Vec::with_capacity(sealed.len());
    for (number, piece) in sealed.chunks(PIECE + TAG).enumerate() {
        let mut piece = piece.to_vec();
        let nonce = nonce(number, number + 1 == count);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut piece).ok()?;
        if opened.is_empty() && number > 0 {
            return None;
        }
        out.extend_from_slice(opened);
    }
    (count > 0).then_some(out)
}

/// Eleven bytes of number, one that says whether it is the last.
fn nonce(number: usize, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&(number as u64).to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}
