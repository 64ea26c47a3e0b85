//! DHCP in both versions: which answers are believed, and what they make of leases.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Event, Forgotten, Learner, Refused};
use crate::Moment;
use crate::dhcp4::{self, kind as kind4};
use crate::dhcp6::{self, kind as kind6};
use crate::evidence::is_host;
use crate::port::{Held, Origin, Transaction, Wants, is_link_local};

impl Learner {
    /// A client's own message: one of a relay, or of a client behind the VM, opens nothing.
    pub(super) fn asked4(
        &mut self,
        name: &str,
        message: &dhcp4::Message,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        self.work += 1;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        let own = !message.reply
            && message.client_mac == port.facts.mac
            && message.relay == Ipv4Addr::UNSPECIFIED
            && message.hops == 0
            && !message.relayed;
        if !own {
            return;
        }
        let client = Some(message.client).filter(|client| !client.is_unspecified());
        let named = message.requested.or(client);
        let wants = match message.kind {
            kind4::REQUEST => Wants::Lease(named),
            kind4::DISCOVER if message.rapid_commit => Wants::RapidLease,
            kind4::INFORM => Wants::Nothing,
            kind4::RELEASE => {
                return self.give_back(name, client, Forgotten::Released, events);
            }
            kind4::DECLINE => {
                return self.give_back(name, message.requested, Forgotten::Declined, events);
            }
            _ => return,
        };
        port.open4.open(Transaction {
            id: message.transaction,
            client: message.identity,
            wants,
            since: now,
        });
    }

    fn give_back(
        &mut self,
        name: &str,
        address: Option<Ipv4Addr>,
        why: Forgotten,
        events: &mut Vec<Event>,
    ) {
        if let Some(address) = address {
            self.end_lease(name, address.into(), why, events);
        }
    }

    pub(super) fn answered4(
        &mut self,
        name: &str,
        server: Ipv4Addr,
        message: &dhcp4::Message,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        self.work += 1;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        let last = matches!(message.kind, kind4::ACK | kind4::NAK);
        if !message.reply || !last || message.client_mac != port.facts.mac {
            return;
        }
        let from = IpAddr::V4(server);
        if !port.trusts(from) {
            let why = Refused::Untrusted { server: from };
            return self.refuse(name, message.yours.into(), why, now, events);
        }
        let Some(transaction) = port.open4.close(message.transaction, None, now) else {
            let why = Refused::Unasked { server: from };
            return self.refuse(name, message.yours.into(), why, now, events);
        };
        let named = match transaction.wants {
            Wants::Nothing => return,
            Wants::RapidLease if !message.rapid_commit => return,
            Wants::RapidLease => None,
            Wants::Lease(named) => named,
        };
        if message.kind == kind4::NAK {
            return self.give_back(name, named, Forgotten::TakenBack, events);
        }
        if named.is_some_and(|named| named != message.yours) {
            let why = Refused::Unasked { server: from };
            return self.refuse(name, message.yours.into(), why, now, events);
        }
        // Without these it is BOOTP, which has no leases (RFC 2131 section 4.3.1, table 3).
        let (Some(seconds), Some(_)) = (message.lease_seconds, message.server) else {
            return;
        };
        let held = Held {
            address: message.yours.into(),
            origin: Origin::Leased,
            since: now,
            expires: end(now, seconds),
            server: Some(from),
            client: transaction.client,
        };
        self.replace_lease(name, &held, events);
        self.lease(name, held, now, events);
    }

    /// A client has one IPv4 lease: another address in its place ends the one before.
    fn replace_lease(&mut self, name: &str, new: &Held, events: &mut Vec<Event>) {
        let replaced = self.held(name).find(|held| {
            held.origin == Origin::Leased
                && held.address.is_ipv4()
                && held.client == new.client
                && held.address != new.address
        });
        if let Some(address) = replaced.map(|held| held.address) {
            self.forget(name, address, Forgotten::Replaced, events);
        }
    }

    pub(super) fn asked6(
        &mut self,
        name: &str,
        message: &dhcp6::Message,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        self.work += 1;
        let (Some(port), Some(client)) = (self.ports.get_mut(name), message.client) else {
            return;
        };
        let wants = match message.kind {
            kind6::SOLICIT if !message.rapid_commit => return,
            kind6::SOLICIT => Wants::RapidLease,
            kind6::REQUEST | kind6::RENEW | kind6::REBIND => Wants::Lease(None),
            _ => Wants::Nothing,
        };
        port.open6.open(Transaction {
            id: message.transaction,
            client,
            wants,
            since: now,
        });
        let why = match message.kind {
            kind6::RELEASE => Forgotten::Released,
            kind6::DECLINE => Forgotten::Declined,
            _ => return,
        };
        for address in &message.addresses {
            self.end_lease(name, address.address.into(), why.clone(), events);
        }
    }

    pub(super) fn answered6(
        &mut self,
        name: &str,
        server: Ipv6Addr,
        message: &dhcp6::Message,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        self.work += 1;
        let (Some(port), Some(client)) = (self.ports.get_mut(name), message.client) else {
            return;
        };
        if message.kind != kind6::REPLY || !message.server {
            return;
        }
        let from = IpAddr::V6(server);
        let first = message.addresses.first();
        let about = first
            .map_or(Ipv6Addr::UNSPECIFIED, |first| first.address)
            .into();
        if !port.trusts(from) {
            let why = Refused::Untrusted { server: from };
            return self.refuse(name, about, why, now, events);
        }
        let open = port.open6.close(message.transaction, Some(client), now);
        let Some(transaction) = open else {
            let why = Refused::Unasked { server: from };
            return self.refuse(name, about, why, now, events);
        };
        let gives = match transaction.wants {
            Wants::Nothing => false,
            Wants::RapidLease => message.rapid_commit,
            Wants::Lease(_) => true,
        };
        if !gives || message.failed {
            return;
        }
        for address in &message.addresses {
            if address.valid_seconds == 0 {
                let address = address.address.into();
                self.end_lease(name, address, Forgotten::TakenBack, events);
                continue;
            }
            let held = Held {
                address: address.address.into(),
                origin: Origin::Leased,
                since: now,
                expires: end(now, address.valid_seconds),
                server: Some(from),
                client,
            };
            self.lease(name, held, now, events);
        }
    }

    /// A server that is believed gives the port an address.
    pub(super) fn lease(&mut self, name: &str, held: Held, now: Moment, events: &mut Vec<Event>) {
        self.work += 1;
        let address = held.address;
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        let unusual = !is_host(address) || is_link_local(address);
        let over = held.expires.is_some_and(|end| end <= now);
        if unusual || over || port.declares(address) {
            return;
        }
        if !port.may_learn(address) {
            return self.refuse(name, address, Refused::Outside, now, events);
        }
        if let Some(known) = port.held.get_mut(&address) {
            if let Some(end) = known.expires {
                self.deadlines.remove(&(end, name.to_owned(), address));
            }
            if let Some(end) = held.expires {
                self.deadlines.insert((end, name.to_owned(), address));
            }
            events.push(Event::Renewed {
                port: name.to_owned(),
                address,
                expires: held.expires,
            });
            *known = held;
            return;
        }
        self.work += port.held.len() as u64;
        if port.is_full(address, Origin::Leased) {
            return self.refuse(name, address, Refused::Limit, now, events);
        }
        if let Some(with) = self.declared_by_other(name, address) {
            return self.refuse(name, address, Refused::Conflict { with }, now, events);
        }
        let holder = self
            .holders(name)
            .and_then(|holders| holders.learned_by(address));
        if let Some(holder) = holder.map(str::to_owned) {
            let leased = self
                .held(&holder)
                .any(|other| other.address == address && other.origin == Origin::Leased);
            if leased {
                let why = Refused::Conflict { with: holder };
                return self.refuse(name, address, why, now, events);
            }
            // Whoever merely used it has no right to it.
            let why = Forgotten::Conflict {
                with: name.to_owned(),
            };
            self.forget(&holder, address, why, events);
        }
        self.hold(name, held, events);
    }

    fn end_lease(&mut self, name: &str, address: IpAddr, why: Forgotten, events: &mut Vec<Event>) {
        let leased = self
            .ports
            .get(name)
            .and_then(|port| port.held.get(&address))
            .is_some_and(|held| held.origin == Origin::Leased);
        if leased {
            self.forget(name, address, why, events);
        }
    }
}

impl crate::port::Port {
    fn trusts(&self, server: IpAddr) -> bool {
        let servers = &self.facts.rules.servers;
        servers.is_empty() || servers.contains(&server)
    }
}

/// `u32::MAX` is for ever, in both versions.
fn end(now: Moment, seconds: u32) -> Option<Moment> {
    (seconds != u32::MAX).then(|| now.after(Duration::from_secs(seconds.into())))
}
