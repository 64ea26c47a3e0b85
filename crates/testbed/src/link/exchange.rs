//! Requests to rtnetlink and their answers: many changes per system call, dumps read to their end.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// Requests per system call. Each is acknowledged, and the acknowledgements of one batch (about a kilobyte of
/// socket memory each) must fit the receive buffer, since the kernel answers before `send` returns.
const BATCH: usize = 64;

pub(super) struct Exchange {
    socket: Socket,
}

impl Exchange {
    /// Opens a socket in the calling thread's namespace.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // An error is answered with its number alone, not with a copy of the request.
        socket.set_cap_ack(true)?;
        Ok(Self { socket })
    }

    /// Makes changes in order; the first refusal is returned after its whole batch was answered.
    pub(super) fn change(&self, messages: Vec<(RouteNetlinkMessage, u16)>) -> io::Result<()> {
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let mut bytes = Vec::new();
            let mut waiting = 0usize;
            for (message, flags) in messages.by_ref().take(BATCH) {
                append(&mut bytes, message, NLM_F_REQUEST | NLM_F_ACK | flags);
                waiting = waiting.saturating_add(1);
            }
            self.socket.send(&bytes, 0)?;
            self.collect_acknowledgements(waiting)?;
        }
        Ok(())
    }

    fn collect_acknowledgements(&self, mut waiting: usize) -> io::Result<()> {
        let mut first_refusal = Ok(());
        while waiting > 0 {
            for message in self.receive()? {
                if let NetlinkPayload::Error(answer) = message.payload {
                    waiting = waiting.saturating_sub(1);
                    if answer.code.is_some() && first_refusal.is_ok() {
                        first_refusal = Err(answer.to_io());
                    }
                }
            }
        }
        first_refusal
    }

    /// Asks one question and returns everything answered: one message, or a whole dump.
    pub(super) fn ask(
        &self,
        question: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut bytes = Vec::new();
        // With the acknowledgement the end of a single answer is as plain as that of a dump.
        append(&mut bytes, question, NLM_F_REQUEST | NLM_F_ACK | flags);
        self.socket.send(&bytes, 0)?;
        let mut answers = Vec::new();
        loop {
            for message in self.receive()? {
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(answer) if answer.code.is_some() => {
                        return Err(answer.to_io());
                    }
                    NetlinkPayload::Error(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }

    fn receive(&self) -> io::Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        let (bytes, _) = self.socket.recv_from_full()?;
        let mut messages = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            // Messages start at multiples of four (NLMSG_ALIGN).
            let length = usize::try_from(message.header.length).ok();
            let next = length.and_then(|length| length.max(16).checked_next_multiple_of(4));
            rest = next.and_then(|next| rest.get(next..)).unwrap_or_default();
            messages.push(message);
        }
        Ok(messages)
    }
}

fn append(bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let start = bytes.len();
    let length = message.buffer_len();
    bytes.resize(start.saturating_add(length.next_multiple_of(4)), 0);
    if let Some(space) = bytes.get_mut(start..start.saturating_add(length)) {
        message.serialize(space);
    }
}
