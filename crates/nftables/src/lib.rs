//! nf_tables over netlink: typed expressions, batches, dumps and monitoring. Knows nothing of ports or policy.
//!
//! Three parts. The *model* is plain data: [`Table`], [`Chain`], [`Rule`] of [`Expression`]s, [`Set`], [`Element`],
//! [`Object`]. What the kernel reports equals what was sent (but for counters: see `without_state`), so the
//! difference between what is and what should be is a comparison of values. [`Batch`] turns changes into bytes
//! and knows which byte came from which change. [`Connection`] sends a batch and reads tables back, [`Monitor`]
//! tells what others change, [`nflog`] what rules log, [`probe`] what this kernel can do. [`conntrack`] is the
//! kernel's table of connections, which has the same wire.
//!
//! ```no_run
//! use nftables::{
//!     Batch, Chain, Connection, Datatype, Element, Expression, Family, Hook, HookPoint, LookupResult, MetaKey,
//!     Place, Policy, Register, Rule, Set, SetData, Table, TableId, Verdict,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let table = TableId::new(Family::Bridge, "example");
//! let mut connection = Connection::open()?;
//! let mut batch = Batch::new(Some(connection.generation()?));
//! batch.add_table(&Table::new(table.clone()));
//! let hook = Hook::filter(HookPoint::Prerouting, -300, Policy::Accept);
//! batch.add_chain(&table, &Chain::base("from-port", hook));
//! batch.add_chain(&table, &Chain::regular("port-7"));
//! batch.add_set(&table, &Set::new("ports", &[Datatype::INTERFACE_INDEX], SetData::Verdict));
//! let element = Element::verdict(7u32.to_ne_bytes().to_vec(), Verdict::goto("port-7"));
//! batch.add_elements(&table, "ports", &[element.with_comment("vm 1")]);
//! let look_up = vec![
//!     Expression::Meta { key: MetaKey::InputInterface, destination: Register::R0 },
//!     Expression::Lookup {
//!         set: "ports".to_owned(),
//!         source: Register::R0,
//!         result: LookupResult::Verdict,
//!     },
//! ];
//! batch.add_rule(&table, &Rule::new("from-port", look_up), Place::Last);
//! connection.commit(&batch)?;
//! let contents = connection.dump_table(&table)?;
//! # let _ = contents;
//! # Ok(())
//! # }
//! ```

mod batch;
mod chain;
mod connection;
pub mod conntrack;
mod datatype;
mod dump;
mod element;
mod expression;
mod fault;
mod message;
mod monitor;
pub mod nflog;
mod object;
pub mod probe;
mod register;
mod rule;
mod set;
mod socket;
mod table;
mod userdata;
mod verdict;
mod wire;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Place, Statistics};
pub use chain::{Chain, Hook, HookPoint, Policy};
pub use connection::Connection;
pub use datatype::Datatype;
pub use dump::{SetContents, TableContents};
pub use element::{Element, ElementData};
pub use expression::{
    BitOperation, ByteOrderOperation, Comparison, ConnectionDirection, ConnectionKey,
    DynamicOperation, Expression, ExtensionKind, LimitUnit, Log, LookupResult, MetaKey,
    PayloadBase, Reject, connection_state,
};
pub use fault::{CommitError, ReadError, Refusal};
pub use monitor::{Change, Event, Monitor, Subject};
pub use object::{Counter, Limit, Object, ObjectKind, ObjectState, Quota};
pub use register::Register;
pub use rule::Rule;
pub use set::{Key, Set, SetData, SetFlags};
pub use socket::enter_new_network_namespace;
pub use table::{Family, Installed, Table, TableId};
pub use userdata::{ByteOrder, COMMENT_LIMIT, UserData};
pub use verdict::Verdict;
