//! OVSDB (RFC 7047, and what Open vSwitch adds): JSON, values, transactions, monitors, a typed copy of
//! the tables in use, and the state of one connection, all without sockets; [`client`] alone has some.
//! What rows mean, and what should be in them, is left to others.

#![forbid(unsafe_code)]

pub mod cache;
pub mod client;
pub mod error;
pub mod framing;
pub mod machine;
pub mod message;
pub mod monitor;
pub mod operation;
pub mod schema;
pub mod session;
pub mod transaction;
pub mod typed;
pub mod uuid;
pub mod value;
pub mod vswitch;

pub use cache::{Cache, Change, ChangeKind, RowView};
pub use client::Client;
pub use error::{ErrorName, RemoteError};
pub use machine::{Arrival, Machine, RequestId};
pub use monitor::Watch;
pub use operation::{Condition, Function, Mutation, Mutator, Operation, Until};
pub use schema::Schema;
pub use session::{Event, Outcome, Retry, Session, SessionError, Settings, Ticket};
pub use transaction::{OperationResult, RowReference, Transaction, TransactionError};
pub use typed::{Column, RowExt, Table, Typed};
pub use uuid::Uuid;
pub use value::{Atom, AtomKind, Datum, Real, Row};
