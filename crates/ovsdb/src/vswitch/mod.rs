//! The tables of Open vSwitch that are in use here, as Rust types. `schema.json` is the part of
//! Open vSwitch 3.1's schema that they come from, and `tables.rs` is written from it by the test
//! `tables`. A server that is older lacks some columns; the cache then has their defaults.

mod tables;

pub use tables::*;

/// The database of a switch.
pub const DATABASE: &str = "Open_vSwitch";

/// The schema that the tables come from, as JSON.
pub const SCHEMA: &str = include_str!("schema.json");
