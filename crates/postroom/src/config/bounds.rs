//! `allow` and `caFile` of a connection: where its requests may go beside public addresses, and
//! whose certificates are believed there.

use std::path::Path;

use postroom_core::yaml::Fields;
use postroom_core::{Problem, problem};
use postroom_engine::outbound::{Allow, Authority};

use super::Spot;
use super::sections::{ConnectionEntry, Reader};

impl Reader<'_, '_> {
    pub(super) fn allow(&mut self, fields: &mut Fields<'_>) -> Vec<Allow> {
        let path = fields.path_of("allow");
        let Some(items) = fields.take("allow").and_then(|node| self.source.list(node, &path))
        else {
            return Vec::new();
        };
        let mut allow = Vec::new();
        for item in items {
            let Some(text) = self.filled(item, &path) else { continue };
            match Allow::parse(&text) {
                Ok(entry) => allow.push(entry),
                Err(why) => {
                    let detail = format!("`{path}` has `{text}`: {why}");
                    let hint = "write for example 10.0.0.0/8, 127.0.0.1, localhost or \
                                db.internal:8080";
                    let found = Problem::new(&problem::BAD_VALUE, detail).hint(hint);
                    self.source.report(found, item.at);
                }
            }
        }
        allow
    }

    pub(super) fn ca_file(&mut self, fields: &mut Fields<'_>) -> Option<(String, Spot)> {
        let (path, at) = self.placed(fields, "caFile")?;
        Some((path, Spot::of(self.source, at)))
    }
}

impl ConnectionEntry {
    /// The authority that `caFile` holds, in a folder.
    ///
    /// # Errors
    /// It cannot be read, or holds no certificate.
    pub(crate) fn authority(&self, folder: &Path) -> Result<Option<Authority>, Problem> {
        let Some((path, spot)) = &self.ca_file else { return Ok(None) };
        let wrong = |why: String| {
            let detail = format!("`caFile` of connection `{}` is `{path}`: {why}", self.name);
            let hint = "name a file with the authority's certificate in PEM";
            spot.mark(Problem::new(&problem::BAD_VALUE, detail).hint(hint))
        };
        let pem = std::fs::read(folder.join(path)).map_err(|error| wrong(error.to_string()))?;
        Authority::parse(&pem).map(Some).map_err(wrong)
    }
}
