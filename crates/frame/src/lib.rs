//! Ethernet frames as bytes: reads them as the kernel does and builds them. Knows nothing of policy.
//!
//! [`Frame::parse`] gives what a rule of nf_tables' bridge family would see of a frame, [`build`]
//! makes frames, [`FrameSpec`] is their one-line text form, and [`random`] makes frames that a
//! property test wants to meet. Nothing here does I/O, and nothing panics whatever the bytes are.

pub mod build;
mod mac;
mod parse;
pub mod protocol;
pub mod random;
mod spec;

pub use build::{FrameBuilder, TcpFlags, fragment};
pub use mac::{MacAddress, ParseMacError};
pub use parse::{
    Arp, Family, Frame, FrameError, Ipv4, Ipv6, NdOption, NdOptions, Network, Readability, Tag,
    Transport, ipv4_multicast_mac, ipv6_multicast_mac, minimal_header,
};
pub use spec::{
    ArpOperation, DhcpKind, Dhcpv6Kind, FrameSpec, FrameSpecError, NeighborKind, PortProtocol,
    SpecContent, describe,
};
