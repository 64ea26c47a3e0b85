//! What a policy means. Documents are parsed ([`language`]) into a [`Catalog`], compiled with the
//! ports that exist into one [`HostProgram`], and [`evaluate()`]d: the only definition of whether a
//! frame passes. Everything here is a function of its inputs; switches and sockets are left to others.

pub mod catalog;
pub mod claim;
pub mod compile;
pub mod connection;
pub mod document;
pub mod evaluate;
pub mod intervals;
pub mod language;
pub mod learn;
pub mod lint;
pub mod meaning;
pub mod observation;
pub mod origin;
pub mod program;
pub mod rule;
pub mod services;

pub use catalog::Catalog;
pub use compile::{CompileError, Incremental, compile, compile_learned};
pub use evaluate::{Decider, Evaluation, evaluate};
pub use program::HostProgram;
