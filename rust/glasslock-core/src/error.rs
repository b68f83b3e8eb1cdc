//! The one error of the core: what failed, under which rule, in words that carry no secret.

use std::fmt;

/// The class of a failure; the bindings map each to one class of `glasslock.errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes are not in the expected format.
    Wire,
    /// A check of something well-formed did not hold.
    Verification,
    /// A signature does not verify.
    BadSignature,
    /// A public key fails the checks of its standard.
    KeyRejected,
    /// The group is in another epoch.
    StaleEpoch,
    /// The call does not fit the state of the object.
    State,
    /// The code panicked; the handle is of no further use.
    Panic,
}

/// A failure of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The class of the failure.
    pub kind: Kind,
    /// Stable name of the check that failed.
    pub rule: &'static str,
    /// What failed, without any secret.
    pub message: String,
}

/// Result of the core.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error from its parts.
    pub fn new(kind: Kind, rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            rule,
            message: message.into(),
        }
    }

    /// Bytes that do not parse.
    pub fn wire(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Wire, rule, message)
    }

    /// A check that did not hold.
    pub fn verification(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Verification, rule, message)
    }

    /// A call at the wrong time.
    pub fn state(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::State, rule, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
