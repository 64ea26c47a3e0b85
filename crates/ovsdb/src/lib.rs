//! OVSDB (RFC 7047, and what Open vSwitch adds) as JSON, values and the state of one connection. Who listens, and why, is left to others.
