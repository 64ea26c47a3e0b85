//! Everything that changes while one frame passes the base chains of a hook.

use frame::Frame;
use nftables::HookPoint;

use super::outcome::{InterpretError, SetHit};
use super::packet::{ConnectionState, Options, Packet};
use super::registers::Registers;
use super::tracking::{Tracking, connection_of};

/// `PACKET_HOST` and its neighbours, as `meta pkttype` loads them.
const TO_HOST: u8 = 0;
const BROADCAST: u8 = 1;
const MULTICAST: u8 = 2;
const OTHER_HOST: u8 = 3;

#[derive(Debug)]
pub(super) struct State<'p> {
    pub(super) packet: &'p Packet<'p>,
    pub(super) frame: Frame<'p>,
    pub(super) options: Options,
    pub(super) hook: HookPoint,
    /// Of the base chain that runs.
    pub(super) priority: i32,
    pub(super) registers: Registers,
    pub(super) connection: ConnectionState,
    pub(super) tracking: Tracking,
    pub(super) zone: Option<u16>,
    pub(super) mark: u32,
    /// Known once a rule has set it.
    pub(super) queueing_priority: Option<u32>,
    pub(super) packet_type: u8,
    pub(super) traced: bool,
    pub(super) counters: Vec<String>,
    pub(super) log_prefixes: Vec<String>,
    /// What the rule that runs has found so far.
    pub(super) hits: Vec<SetHit>,
}

impl<'p> State<'p> {
    pub(super) fn new(
        hook: HookPoint,
        packet: &'p Packet<'p>,
        options: Options,
    ) -> Result<Self, InterpretError> {
        let frame = Frame::parse(packet.frame)?;
        // eth_type_trans by the port's own address; br_handle_frame turns what is for the bridge into `host` too.
        let packet_type = if frame.destination.is_broadcast() {
            BROADCAST
        } else if frame.destination.is_multicast() {
            MULTICAST
        } else if packet.to_host {
            TO_HOST
        } else {
            OTHER_HOST
        };
        let connection = connection_of(&frame, packet.connection);
        Ok(Self {
            packet,
            frame,
            options,
            hook,
            priority: 0,
            registers: Registers::new(),
            connection,
            tracking: Tracking::at(hook, connection),
            zone: None,
            mark: packet.mark,
            queueing_priority: None,
            packet_type,
            traced: false,
            counters: Vec::new(),
            log_prefixes: Vec::new(),
            hits: Vec::new(),
        })
    }

    /// Before a base chain runs. `nft_do_chain` has registers of its own for each.
    pub(super) fn enter(&mut self, priority: i32) {
        self.priority = priority;
        self.registers = Registers::new();
        self.tracking.enter(self.hook, priority, self.connection);
    }

    /// `skb_pkt_type_ok`: only these four are ever set or replaced.
    pub(super) fn set_packet_type(&mut self, value: u8) {
        if value <= OTHER_HOST {
            self.packet_type = value;
        }
    }
}
