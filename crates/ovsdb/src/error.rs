//! What a server says when it refuses: the names of RFC 7047 and of Open vSwitch.

use std::fmt;

use serde_json::Value;

use crate::message::excerpt;

macro_rules! names {
    ($($(#[$meta:meta])* $variant:ident = $text:literal,)*) => {
        /// Why, in one word of the protocol.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorName {
            $($(#[$meta])* $variant,)*
            /// Any other, as the server wrote it.
            Other(String),
        }

        impl ErrorName {
            /// As it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for ErrorName {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(excerpt(other)),
                }
            }
        }
    };
}

names! {
    /// An `abort` operation.
    Aborted = "aborted",
    /// The client took the transaction back.
    Canceled = "canceled",
    /// The transaction would leave the database in a state that its schema forbids.
    ConstraintViolation = "constraint violation",
    /// Division by zero, or modulo.
    DomainError = "domain error",
    /// One name for two new rows.
    DuplicateUuidName = "duplicate uuid-name",
    /// A UUID that a row has already.
    DuplicateUuid = "duplicate uuid",
    /// The server could not write.
    IoError = "I/O error",
    /// The server is busy.
    NotAllowed = "not allowed",
    /// The lock that `assert` names is not held.
    NotOwner = "not owner",
    /// Not on this server.
    NotSupported = "not supported",
    /// Roles of the server forbid it.
    PermissionError = "permission error",
    /// A result that is out of its column's range.
    RangeError = "range error",
    /// A row would refer to one that is not there, or one would go that is referred to.
    ReferentialIntegrityViolation = "referential integrity violation",
    /// Memory or the like.
    ResourcesExhausted = "resources exhausted",
    /// The request is no request.
    SyntaxError = "syntax error",
    /// A `wait` whose condition did not become true.
    TimedOut = "timed out",
    /// No column of that name.
    UnknownColumn = "unknown column",
    /// No such database on this server.
    UnknownDatabase = "unknown database",
    /// No monitor of that id.
    UnknownMonitor = "unknown monitor",
    /// The server is older, or another.
    UnknownMethod = "unknown method",
    /// No table of that name.
    UnknownTable = "unknown table",
}

impl fmt::Display for ErrorName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a server gave as error: of a request as a whole, or of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteError {
    pub name: ErrorName,
    /// In words.
    pub details: Option<String>,
    /// The JSON that it complains of.
    pub syntax: Option<String>,
}

impl RemoteError {
    /// From any JSON: RFC 7047 has an object with `error` and `details`, and Open vSwitch sometimes
    /// a text alone.
    pub fn from_json(value: &Value) -> Self {
        let text = |member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
        let name = match (value.as_str(), value.get("error").and_then(Value::as_str)) {
            (Some(name), _) | (None, Some(name)) => name.into(),
            (None, None) => ErrorName::Other(excerpt(&value.to_string())),
        };
        Self {
            name,
            details: text("details"),
            syntax: text("syntax"),
        }
    }
}

impl std::error::Error for RemoteError {}

impl fmt::Display for RemoteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)?;
        if let Some(details) = &self.details {
            write!(formatter, ": {details}")?;
        }
        if let Some(syntax) = &self.syntax {
            write!(formatter, " (in {})", excerpt(syntax))?;
        }
        Ok(())
    }
}
