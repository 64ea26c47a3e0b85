//! OVSDB by properties, and judged by the Open vSwitch that is installed.

mod judge;
mod properties;
mod random;
mod resync;
mod secure;
mod server;
