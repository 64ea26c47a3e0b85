//! Requests that have no answer yet, and the parts of answers.

use super::event::{Event, RequestError};
use crate::message::multipart::MORE;
use crate::message::{Message, MultipartReply, ReplyBody};
use std::collections::HashMap;

/// How the answer to a multipart request is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All parts together, once the last is there.
    Whole,
    /// Each part when it comes, so that a long answer takes no memory.
    Parts,
}

/// Gives out numbers for `count` messages in a row; never 0, which unasked messages of switches have.
pub(super) fn take_xids(next: &mut u32, count: u32) -> u32 {
    let first = if next.checked_add(count).is_some() {
        *next
    } else {
        1
    };
    *next = first.saturating_add(count);
    first
}

#[derive(Debug)]
struct Pending {
    answer: Answer,
    parts: Vec<ReplyBody>,
    size: usize,
    /// It was too long, and what still comes is dropped.
    given_up: bool,
}

/// Requests by xid.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: HashMap<u32, Pending>,
}

impl Requests {
    pub(super) fn add(&mut self, xid: u32, answer: Answer) {
        self.pending.insert(
            xid,
            Pending {
                answer,
                parts: Vec::new(),
                size: 0,
                given_up: false,
            },
        );
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// The request with this xid gets no answer any more.
    pub(super) fn forget(&mut self, xid: u32) {
        self.pending.remove(&xid);
    }

    /// Whether a message answers a request; if so, the request is done.
    pub(super) fn answered(&mut self, xid: u32, message: &Message) -> bool {
        let unasked = matches!(
            message,
            Message::PacketIn(_)
                | Message::NxPacketIn(_)
                | Message::NxPacketIn2(_)
                | Message::FlowRemoved(_)
                | Message::NxFlowRemoved(_)
                | Message::PortStatus(_)
        );
        // Those have xids of the switch's choosing.
        !unasked && self.pending.remove(&xid).is_some()
    }

    /// Takes a part of `size` bytes.
    pub(super) fn part(
        &mut self,
        xid: u32,
        reply: MultipartReply,
        size: usize,
        limit: usize,
    ) -> Option<Event> {
        let last = reply.flags & MORE == 0;
        let Some(pending) = self.pending.get_mut(&xid) else {
            // What a flow monitor tells later comes this way.
            return Some(Event::Part {
                xid,
                part: Box::new(reply.body),
                last,
            });
        };
        let event = if pending.answer == Answer::Parts {
            Some(Event::Part {
                xid,
                part: Box::new(reply.body),
                last,
            })
        } else if pending.given_up {
            None
        } else {
            pending.size = pending.size.saturating_add(size);
            if pending.size > limit {
                pending.given_up = true;
                pending.parts = Vec::new();
                Some(Event::RequestFailed {
                    xid,
                    error: RequestError::TooLong { limit },
                })
            } else {
                pending.parts.push(reply.body);
                last.then(|| Event::Parts {
                    xid,
                    parts: std::mem::take(&mut pending.parts),
                })
            }
        };
        if last {
            self.pending.remove(&xid);
        }
        event
    }

    /// The connection has ended.
    pub(super) fn lost(&mut self) -> Vec<Event> {
        let mut xids: Vec<u32> = std::mem::take(&mut self.pending).into_keys().collect();
        xids.sort_unstable();
        xids.into_iter()
            .map(|xid| Event::RequestFailed {
                xid,
                error: RequestError::Lost,
            })
            .collect()
    }
}
