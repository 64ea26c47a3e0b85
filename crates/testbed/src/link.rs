//! Network devices over rtnetlink: made, listed, addressed, removed, thousands in a few system calls.
//! Knows the messages; leaves to `switch` and `machine` what the devices are for.

mod exchange;
mod message;

use crate::namespace::Namespace;
use message::{indexed, link_of, named, veth};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// A carrier normally arrives within a millisecond; on a busy machine with thousands of devices it takes seconds.
const CARRIER_PATIENCE: Duration = Duration::from_secs(60);

/// Why a device could not be made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No netlink socket, or it broke.
    #[error("cannot talk rtnetlink to the kernel: {0}; run as root")]
    Socket(#[source] io::Error),
    /// The kernel refused a request.
    #[error("the kernel refused to {request}: {source}")]
    Refused {
        /// What was asked, in words.
        request: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no such device.
    #[error("there is no network device {0} in that namespace")]
    Missing(String),
    /// A device does not come to life.
    #[error("network device {0} carries no frames a minute after both its ends were brought up")]
    NoCarrier(String),
}

/// One network device as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Interface index, unique within its namespace, reused after some time.
    pub index: u32,
    /// Name, at most 15 bytes.
    pub name: String,
    /// Hardware address; zeros where the device has none.
    pub mac: [u8; 6],
    /// Index of the bridge (or other upper device) it is plugged into.
    pub upper: Option<u32>,
    /// Administratively up.
    pub up: bool,
    /// Carries frames: it is up, so is the far end of its wire, and its bridge forwards.
    pub carries: bool,
    /// Frames received and sent since the device was made; zeros when listed without counters.
    pub counters: LinkCounters,
}

/// A device's frame counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames received.
    pub received: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames that were to be sent or had been received and were dropped by the device.
    pub dropped: u64,
}

/// How to make a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeSpec {
    /// Name, at most 15 bytes.
    pub name: String,
    /// Hardware address; set, so that it does not change with the ports.
    pub mac: [u8; 6],
    /// How long a learned address is kept, in seconds; 0 forgets at once (a hub), 300 is the kernel's default.
    pub ageing_seconds: u32,
    /// Whether the bridge itself separates VLANs.
    pub vlan_filtering: bool,
}

/// One end of a veth pair.
#[derive(Debug, Clone, Copy)]
pub struct VethEnd<'a> {
    /// Where it is to be; `None` is the namespace of the [`Links`] used.
    pub namespace: Option<&'a Namespace>,
    /// Name, at most 15 bytes.
    pub name: &'a str,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Index of the bridge to plug it into, in the same namespace. First ends only: the kernel makes the second
    /// end of a pair before it looks at such an attribute.
    pub upper: Option<u32>,
}

/// An rtnetlink socket inside one namespace.
pub struct Links {
    exchange: exchange::Exchange,
}

impl Links {
    /// Opens one.
    pub fn open(namespace: &Namespace) -> Result<Self, LinkError> {
        let exchange = namespace
            .run(exchange::Exchange::open)
            .map_err(LinkError::Socket)?;
        Ok(Self { exchange })
    }

    /// Makes a bridge without spanning tree and without multicast snooping, up, and returns its index.
    pub fn add_bridge(&self, spec: &BridgeSpec) -> Result<u32, LinkError> {
        let hundredths = spec.ageing_seconds.saturating_mul(100);
        let mut options = vec![
            InfoBridge::AgeingTime(hundredths),
            InfoBridge::MulticastSnooping(false),
            InfoBridge::ForwardDelay(0),
        ];
        // A kernel without CONFIG_BRIDGE_VLAN_FILTERING refuses the option even when it says "no".
        if spec.vlan_filtering {
            options.push(InfoBridge::VlanFiltering(true));
        }
        let mut message = named(&spec.name, spec.mac);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(options)),
        ]));
        let request = format!("make bridge {}", spec.name);
        self.change(
            vec![(RouteNetlinkMessage::NewLink(message), true)],
            &request,
        )?;
        Ok(self.find(&spec.name)?.index)
    }

    /// Makes veth pairs, both ends up and carrying frames, in as few system calls as possible, and returns the
    /// indices of both ends of each.
    pub fn add_veths(
        &self,
        pairs: &[(VethEnd<'_>, VethEnd<'_>)],
    ) -> Result<Vec<(u32, u32)>, LinkError> {
        let messages = pairs
            .iter()
            .map(|(first, second)| (RouteNetlinkMessage::NewLink(veth(first, second)), true))
            .collect();
        let request = match pairs {
            [(first, second)] => format!("make veth pair {} - {}", first.name, second.name),
            _ => format!("make {} veth pairs", pairs.len()),
        };
        self.change(messages, &request)?;
        // The second end is made first and cannot be opened before it has a peer (veth_open, ENOTCONN).
        let (first_ends, second_ends): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        let second = self.raise(&second_ends)?;
        let first = self.await_carriers(&first_ends)?;
        Ok(first.into_iter().zip(second).collect())
    }

    /// Brings ends up, wherever they are, and returns their indices.
    fn raise(&self, ends: &[VethEnd<'_>]) -> Result<Vec<u32>, LinkError> {
        let mut found = Vec::new();
        for group in ends.chunk_by(|one, other| same_place(one.namespace, other.namespace)) {
            self.at(group, |links| {
                let messages = group.iter().map(|end| {
                    let mut message = named(end.name, end.mac);
                    message.attributes.truncate(1);
                    (RouteNetlinkMessage::SetLink(message), false)
                });
                links.change(messages.collect(), "bring veth devices up")?;
                for end in group {
                    found.push(links.find(end.name)?.index);
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Waits until ends carry frames: the kernel tells a device of its peer, and the bridge of its port, from a
    /// work queue (linkwatch) some time after the system call that brought the peer up, or (since 6.8) when
    /// somebody asks for the device by name.
    pub(crate) fn await_carriers(&self, ends: &[VethEnd<'_>]) -> Result<Vec<u32>, LinkError> {
        let mut found = Vec::new();
        for group in ends.chunk_by(|one, other| same_place(one.namespace, other.namespace)) {
            self.at(group, |links| {
                for end in group {
                    found.push(links.await_carrier(end.name)?);
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn await_carrier(&self, name: &str) -> Result<u32, LinkError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        while start.elapsed() < CARRIER_PATIENCE {
            let link = self.find(name)?;
            if link.carries {
                return Ok(link.index);
            }
            // Each question holds the lock that the work queue needs.
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2).min(Duration::from_millis(50));
        }
        Err(LinkError::NoCarrier(name.to_owned()))
    }

    /// Runs `work` with a socket where the group's devices are.
    fn at<T>(
        &self,
        group: &[VethEnd<'_>],
        work: impl FnOnce(&Links) -> Result<T, LinkError>,
    ) -> Result<T, LinkError> {
        match group.first().and_then(|end| end.namespace) {
            Some(namespace) => work(&Links::open(namespace)?),
            None => work(self),
        }
    }

    /// Every device of the namespace, without counters, in order of index.
    pub fn list(&self) -> Result<Vec<Link>, LinkError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
        let replies = self
            .exchange
            .ask(RouteNetlinkMessage::GetLink(message), NLM_F_DUMP)
            .map_err(|source| refused("list network devices", source))?;
        let mut links: Vec<Link> = replies.iter().filter_map(link_of).collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The device called `name`, with counters.
    pub fn find(&self, name: &str) -> Result<Link, LinkError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        let replies = self.exchange.ask(RouteNetlinkMessage::GetLink(message), 0);
        match replies {
            Ok(replies) => replies
                .iter()
                .find_map(link_of)
                .ok_or_else(|| LinkError::Missing(name.to_owned())),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                Err(LinkError::Missing(name.to_owned()))
            }
            Err(source) => Err(refused(&format!("find network device {name}"), source)),
        }
    }

    /// Raises a device or takes it down.
    pub fn set_up(&self, index: u32, up: bool) -> Result<(), LinkError> {
        let mut message = indexed(index);
        message.header.change_mask = LinkFlags::Up;
        if up {
            message.header.flags = LinkFlags::Up;
        }
        let request = format!("bring device {index} {}", if up { "up" } else { "down" });
        self.change(
            vec![(RouteNetlinkMessage::SetLink(message), false)],
            &request,
        )
    }

    /// Plugs a device into the bridge with index `upper`, or (0) out of the one it is in.
    pub fn set_upper(&self, index: u32, upper: u32) -> Result<(), LinkError> {
        let mut message = indexed(index);
        message.attributes.push(LinkAttribute::Controller(upper));
        let request = format!("plug device {index} into {upper}");
        self.change(
            vec![(RouteNetlinkMessage::SetLink(message), false)],
            &request,
        )
    }

    /// Renames a device.
    pub fn rename(&self, index: u32, name: &str) -> Result<(), LinkError> {
        let mut message = indexed(index);
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        let request = format!("rename device {index} to {name}");
        self.change(
            vec![(RouteNetlinkMessage::SetLink(message), false)],
            &request,
        )
    }

    /// Removes devices; of a veth pair one end is enough.
    pub fn remove(&self, indices: &[u32]) -> Result<(), LinkError> {
        let messages = indices
            .iter()
            .map(|&index| (RouteNetlinkMessage::DelLink(indexed(index)), false))
            .collect();
        self.change(
            messages,
            &format!("remove {} network devices", indices.len()),
        )
    }

    /// Gives a device an address, usable at once (no duplicate address detection).
    pub fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> Result<(), LinkError> {
        let mut message = AddressMessage::default();
        message.header.family = match address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        message.header.prefix_len = prefix;
        message.header.index = index;
        message.header.flags = AddressHeaderFlags::empty();
        message.attributes = vec![
            AddressAttribute::Local(address),
            AddressAttribute::Address(address),
            AddressAttribute::Flags(AddressFlags::Nodad),
        ];
        let request = format!("add {address}/{prefix} to device {index}");
        self.change(
            vec![(RouteNetlinkMessage::NewAddress(message), true)],
            &request,
        )
    }

    fn change(
        &self,
        messages: Vec<(RouteNetlinkMessage, bool)>,
        request: &str,
    ) -> Result<(), LinkError> {
        let messages = messages
            .into_iter()
            .map(|(message, new)| (message, if new { NLM_F_CREATE | NLM_F_EXCL } else { 0 }))
            .collect();
        self.exchange
            .change(messages)
            .map_err(|source| refused(request, source))
    }
}

fn refused(request: &str, source: io::Error) -> LinkError {
    LinkError::Refused {
        request: request.to_owned(),
        source,
    }
}

fn same_place(one: Option<&Namespace>, other: Option<&Namespace>) -> bool {
    let descriptor = |namespace: &Namespace| namespace.handle().as_raw_fd();
    one.map(descriptor) == other.map(descriptor)
}
