//! nf_tables over netlink: typed expressions, batches, dumps and monitoring. Knows nothing of ports or policy.
//!
//! Three parts. The *model* is plain data: [`Table`], [`Chain`], [`Rule`] of [`Expression`]s, [`Set`], [`Element`],
//! [`Object`]. What the kernel reports equals what was sent (but for counters: see `without_state`), so the
//! difference between what is and what should be is a comparison of values. [`Batch`] turns changes into bytes
//! and knows which byte came from which change. [`Connection`] sends a batch and reads tables back, [`Monitor`]
//! tells what others change, [`nflog`] what rules log, [`probe`] what this kernel can do.

mod batch;
mod connection;
mod datatype;
mod dump;
mod element;
mod expression;
mod message;
mod monitor;
pub mod nflog;
mod object;
pub mod probe;
mod register;
mod set;
mod socket;
mod table;
mod userdata;
mod verdict;
mod wire;

pub use batch::{Batch, Place, Statistics};
pub use connection::{CommitError, Connection, ReadError, Refusal};
pub use datatype::Datatype;
pub use dump::{SetContents, TableContents};
pub use element::{Element, ElementData};
pub use expression::{
    BitOperation, ByteOrderOperation, Comparison, ConnectionDirection, ConnectionKey,
    DynamicOperation, Expression, ExtensionKind, LimitUnit, Log, LookupResult, MetaKey,
    PayloadBase, Reject, connection_state,
};
pub use monitor::{Change, Event, Monitor, Subject};
pub use object::{Counter, Limit, Object, ObjectKind, ObjectState, Quota};
pub use register::Register;
pub use set::{Key, Set, SetData, SetFlags};
pub use socket::enter_new_network_namespace;
pub use table::{Chain, Family, Hook, HookPoint, Installed, Policy, Rule, Table, TableId};
pub use userdata::{ByteOrder, COMMENT_LIMIT, UserData};
pub use verdict::Verdict;
