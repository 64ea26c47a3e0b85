//! Ethernet frames as bytes: reads them as the kernel does and builds them. Knows nothing of policy.

/// A placeholder until the frame crate lands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);
