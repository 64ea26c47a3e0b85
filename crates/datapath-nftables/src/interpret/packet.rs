//! What an interpreter is asked about: a frame, and what the kernel knows of it besides its bytes.

use nftables::connection_state;

/// A frame at a hook of the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its bytes as on the wire, VLAN tags included, without preamble and checksum.
    pub frame: &'a [u8],
    /// Index of the port it came in by; `None` at postrouting and output, where the kernel does not tell and
    /// `iif` loads 0.
    pub input: Option<u32>,
    /// Index of the port it goes out by; `None` at prerouting and input, where `oif` loads 0.
    pub output: Option<u32>,
    /// Name of the input port; only needed for tables that match names.
    pub input_name: Option<&'a str>,
    /// Name of the output port; only needed for tables that match names.
    pub output_name: Option<&'a str>,
    /// Name of the bridge of the input port; only needed for tables that match it.
    pub input_bridge: Option<&'a str>,
    /// Name of the bridge of the output port; only needed for tables that match it.
    pub output_bridge: Option<&'a str>,
    /// The destination MAC is the bridge's own or the input port's: `meta pkttype` says `host` then. Group
    /// addresses are recognised by themselves.
    pub to_host: bool,
    /// What connection tracking makes of it. Frames that are not IP are untracked and malformed ones invalid,
    /// whatever this says.
    pub connection: ConnectionState,
    /// The packet mark it comes with.
    pub mark: u32,
}

impl<'a> Packet<'a> {
    /// A frame that begins a connection and arrives at the port with that index: for prerouting and input.
    #[must_use]
    pub fn arriving(frame: &'a [u8], input: u32) -> Self {
        Self {
            input: Some(input),
            ..Self::of(frame)
        }
    }

    /// A frame that begins a connection and leaves by the port with that index: for postrouting and output.
    #[must_use]
    pub fn leaving(frame: &'a [u8], output: u32) -> Self {
        Self {
            output: Some(output),
            ..Self::of(frame)
        }
    }

    fn of(frame: &'a [u8]) -> Self {
        Self {
            frame,
            input: None,
            output: None,
            input_name: None,
            output_name: None,
            input_bridge: None,
            output_bridge: None,
            to_host: false,
            connection: ConnectionState::New,
            mark: 0,
        }
    }
}

/// What connection tracking makes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionState {
    /// It begins a connection.
    New,
    /// Its connection has seen packets both ways.
    Established,
    /// It begins a connection that another announced, or is an ICMP error about one.
    Related,
    /// It belongs to no connection and cannot begin one.
    Invalid,
    /// It is exempt: by `notrack`, or as ICMPv6 neighbour discovery.
    Untracked,
}

impl ConnectionState {
    /// As `ct state` loads it.
    pub(super) const fn bit(self) -> u32 {
        match self {
            Self::New => connection_state::NEW,
            Self::Established => connection_state::ESTABLISHED,
            Self::Related => connection_state::RELATED,
            Self::Invalid => connection_state::INVALID,
            Self::Untracked => connection_state::UNTRACKED,
        }
    }
}

/// How to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Take every limit and quota as exceeded, instead of as not reached.
    pub exceeded: bool,
    /// Report every rule that was tried.
    pub steps: bool,
    /// What a load of 1, 2 or 4 transport bytes gives in a fragment other than the first.
    pub later_fragments: LaterFragments,
}

/// What the kernel does with an aligned load of 1, 2 or 4 bytes of the transport header (ports, flags, ICMP types)
/// in a fragment other than the first. Longer and unaligned loads never match there, on any kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaterFragments {
    /// Not known: such a load is an error. A table is safe only if it asks for the fragment offset first.
    #[default]
    Undetermined,
    /// It does not match, as nf_tables documents it.
    NotLoaded,
    /// It reads the fragment's data instead, and in IPv6 even the IPv6 header, where the flow label becomes a
    /// destination port: `nft_payload_fast_eval` does not ask for `fragoff`. Seen on Linux 6.18; only frames that
    /// lie in one piece of memory are affected, which short ones do.
    Misread,
}
