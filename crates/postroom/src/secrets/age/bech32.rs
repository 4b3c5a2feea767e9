//! Bech32 (BIP 173), in which age writes keys: a prefix, and bytes with a checksum.

const CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];

/// In lower case.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    let mut groups = regrouped(bytes, 8, 5, true).unwrap_or_default();
    let check = checksum(prefix, &[&groups[..], &[0; 6]].concat()) ^ 1;
    groups.extend((0..6).map(|at| (check >> (5 * (5 - at))) as u8 & 31));
    let text: String = groups.iter().map(|it| char::from(CHARACTERS[usize::from(*it)])).collect();
    format!("{prefix}1{text}")
}

/// The prefix in lower case, and the bytes. `None` for what is mixed in case or wrong.
pub(super) fn decode(text: &str) -> Option<(String, Vec<u8>)> {
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let (prefix, rest) = lower.rsplit_once('1')?;
    let group = |byte: u8| CHARACTERS.iter().position(|known| *known == byte);
    let groups: Option<Vec<u8>> =
        rest.bytes().map(|byte| group(byte).and_then(|at| u8::try_from(at).ok())).collect();
    let groups = groups?;
    if groups.len() < 6 || checksum(prefix, &groups) != 1 {
        return None;
    }
    let bytes = regrouped(&groups[..groups.len() - 6], 5, 8, false)?;
    Some((prefix.to_owned(), bytes))
}

fn checksum(prefix: &str, groups: &[u8]) -> u32 {
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let all = high.chain([0]).chain(low).chain(groups.iter().copied());
    all.fold(1, |check, group| {
        let top = check >> 25;
        let next = (check & 0x01ff_ffff) << 5 ^ u32::from(group);
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(next, |sum, bit| sum ^ GENERATOR[bit])
    })
}

/// Groups of `from` bits as groups of `to` bits; the rest at the end is padding, and must be
/// nothing where there is to be none.
fn regrouped(groups: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for group in groups {
        held = held << from | u32::from(*group);
        bits += from;
        while bits >= to {
            bits -= to;
            out.push((held >> bits) as u8 & ((1_u32 << to) - 1) as u8);
        }
        held &= (1 << bits) - 1;
    }
    if pad && bits > 0 {
        out.push((held << (to - bits)) as u8);
    } else if bits >= from || held != 0 {
        return None;
    }
    Some(out)
}
