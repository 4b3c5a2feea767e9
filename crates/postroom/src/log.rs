//! Where log lines go: to standard output, without the values of secrets. Whatever part of Postroom
//! or of a library writes one, it passes here.

use std::io::{self, Write};

use postroom_engine::Engine;
use tracing_subscriber::fmt::MakeWriter;

/// Lines of the log. What is written at once is one line.
pub(crate) struct Lines(Engine);

impl Lines {
    /// Without the secrets that an engine knows.
    pub fn over(engine: &Engine) -> Self {
        Self(engine.clone())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line(&self.0)
    }
}

/// One line.
pub(crate) struct Line<'w>(&'w Engine);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let clean = self.0.redaction().values(&text);
        io::stdout().lock().write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
