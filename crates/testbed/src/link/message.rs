//! Device messages of rtnetlink: what is asked for, and what a listed device says of itself.

use super::{Link, LinkCounters, VethEnd};
use crate::namespace::Namespace;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, State,
};
use std::os::fd::{AsRawFd, RawFd};

fn is_blocked(about: &LinkInfo) -> bool {
    let LinkInfo::PortData(InfoPortData::BridgePort(options)) = about else {
        return false;
    };
    options.iter().any(|option| {
        matches!(option, InfoBridgePort::State(state) if *state != BridgePortState::Forwarding)
    })
}

pub(super) fn indexed(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

pub(super) fn named(name: &str, mac: [u8; 6]) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.to_vec()),
    ];
    message
}

pub(super) fn veth(first: &VethEnd<'_>, second: &VethEnd<'_>) -> LinkMessage {
    let mut peer = named(second.name, second.mac);
    peer.header.flags = LinkFlags::empty();
    peer.header.change_mask = LinkFlags::empty();
    peer.attributes.extend(second.namespace.map(in_namespace));
    let mut message = named(first.name, first.mac);
    message.attributes.extend(first.namespace.map(in_namespace));
    message
        .attributes
        .extend(first.upper.map(LinkAttribute::Controller));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    message
}

fn in_namespace(namespace: &Namespace) -> LinkAttribute {
    let descriptor: RawFd = namespace.handle().as_raw_fd();
    LinkAttribute::NetNsFd(descriptor)
}

pub(super) fn link_of(message: &RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: [0; 6],
        upper: None,
        up: message.header.flags.contains(LinkFlags::Up),
        carries: true,
        counters: LinkCounters::default(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(mac) => {
                link.mac = mac.as_slice().try_into().unwrap_or_default();
            }
            LinkAttribute::Controller(upper) => link.upper = Some(*upper),
            LinkAttribute::OperState(state) => link.carries &= *state == State::Up,
            LinkAttribute::LinkInfo(about) => link.carries &= !about.iter().any(is_blocked),
            LinkAttribute::Stats64(stats) => {
                link.counters = LinkCounters {
                    received: stats.rx_packets,
                    sent: stats.tx_packets,
                    dropped: stats.rx_dropped.saturating_add(stats.tx_dropped),
                };
            }
            _ => {}
        }
    }
    Some(link)
}
