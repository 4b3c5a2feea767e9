//! How a command ends: the documented exit codes, and every failure with the one it means.
//! `docs/cli.md` lists the codes; scripts depend on them.

use std::io;
use std::process::ExitCode;

use postroom_core::Problem;

/// The command ended well.
pub(crate) const OK: u8 = 0;
/// The operation failed: the API refused it, there is no such run.
pub(crate) const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
pub(crate) const USAGE: u8 = 2;
/// Neither a server nor the store can be reached.
pub(crate) const UNREACHABLE: u8 = 3;
/// The state of what it is about does not allow it.
pub(crate) const CONFLICT: u8 = 4;
/// Interrupted by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The API answered with a problem.
    Refused(Refused),
    /// The command line cannot be followed.
    Usage(Said),
    /// The configuration has problems.
    Problems(Vec<Problem>),
    /// Neither a server nor the store can be reached.
    Unreachable(Said),
    /// What is there already does not allow it.
    Conflict(Said),
    /// Ctrl-C; what was done is said elsewhere.
    Interrupted,
    /// A question was answered with no.
    Declined,
    /// The reader of our output went away, as `head` does. Not an error.
    Pipe,
    /// Anything else.
    Other(anyhow::Error),
}

/// A sentence and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A problem as the API told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The stable code, if the answer was a problem document.
    pub code: Option<String>,
    /// What is wrong.
    pub said: Said,
}

impl Failed {
    /// A wrong command line.
    pub fn usage(detail: impl Into<String>, hint: &str) -> Self {
        Self::Usage(Said { detail: detail.into(), hint: Some(hint.to_owned()) })
    }

    /// Neither server nor store.
    pub fn unreachable(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unreachable(Said { detail: detail.into(), hint: Some(hint.into()) })
    }

    /// The documented exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Pipe => OK,
            Self::Refused(refused) if refused.status == 409 => CONFLICT,
            Self::Refused(_) | Self::Other(_) => FAILED,
            Self::Usage(_) | Self::Problems(_) => USAGE,
            Self::Unreachable(_) => UNREACHABLE,
            Self::Conflict(_) => CONFLICT,
            Self::Interrupted | Self::Declined => INTERRUPTED,
        }
    }
}

impl From<Failed> for ExitCode {
    fn from(failed: Failed) -> Self {
        Self::from(failed.code())
    }
}

impl From<Vec<Problem>> for Failed {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Other(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Failed {
        let said = Said { detail: String::new(), hint: None };
        Failed::Refused(Refused { status, code: None, said })
    }

    #[test]
    fn codes_are_the_documented_ones() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        for (failed, code) in [
            (refused(404), 1),
            (refused(409), 4),
            (refused(503), 1),
            (Failed::usage("", ""), 2),
            (Failed::Problems(Vec::new()), 2),
            (Failed::unreachable("", ""), 3),
            (Failed::Interrupted, 130),
            (Failed::Declined, 130),
            (broken.into(), 0),
            (denied.into(), 1),
        ] {
            assert_eq!(failed.code(), code, "{failed:?}");
        }
    }
}
