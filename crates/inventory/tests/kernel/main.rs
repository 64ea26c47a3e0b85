//! The inventory against real bridges, veths and taps. Each test runs in a network namespace of its own,
//! which ends with its process.

mod monitoring;
mod namespace;
mod observing;
mod single;
mod vlans;
