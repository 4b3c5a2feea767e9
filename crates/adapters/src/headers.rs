//! Headers: what may be one, and several by name.

/// Headers by name without regard to case; a later value replaces an earlier one.
#[derive(Default)]
pub(crate) struct Headers(pub Vec<(String, String)>);

impl Headers {
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    pub fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

/// Whether a text may be the name of a header.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(token)
}

/// Refuses what cannot stand in a header: line breaks, NUL, other controls, anything beyond ASCII.
pub(crate) fn header_value(value: &str) -> Result<(), &'static str> {
    if value.len() > 8192 {
        return Err("its value is longer than 8192 bytes");
    }
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return Err("its value holds a line break, a control character or one outside ASCII");
    }
    Ok(())
}
