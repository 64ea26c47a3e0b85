//! A [`Session`] and its sockets: the thin shell that opens what the session asks for and carries
//! bytes. Decides nothing; many of them share one thread, since [`Client::turn`] never waits.

use std::time::{Duration, Instant};

use channel::{Channel, ChannelError, Interest, PeerIdentity, Target, Tls, wait};

use crate::cache::{Cache, Change};
use crate::session::{Event, Outcome, Session, Settings, Ticket};

/// How long connecting and the TLS handshake may take.
const OPENING: Duration = Duration::from_secs(10);
const KEPT_BYTES: usize = 32 << 10;

/// A client of one database of one server.
#[derive(Debug)]
pub struct Client {
    session: Session,
    target: Target,
    tls: Option<Tls>,
    channel: Option<Channel>,
    began: Instant,
    received: Vec<u8>,
}

impl Client {
    /// Connects with the first turns. `tls` is for targets that want it.
    pub fn new(target: Target, tls: Option<Tls>, settings: Settings) -> Self {
        Self {
            session: Session::new(settings, Duration::ZERO),
            target,
            tls,
            channel: None,
            began: Instant::now(),
            received: Vec::new(),
        }
    }

    /// The session's time.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Goes on as far as possible without waiting. Whether to turn again at once, after others. Then
    /// take all events: it is [`Client::next_event`] that connects.
    pub fn turn(&mut self) -> bool {
        let now = self.now();
        self.session.tick(now);
        let Some(channel) = &mut self.channel else {
            return false;
        };
        match carry(channel, &mut self.session, &mut self.received, now) {
            Ok(more) => more,
            Err(error) => {
                self.channel = None;
                self.session.closed(&error.to_string(), now);
                false
            }
        }
    }

    /// What to know, one by one. Connections are opened and closed here, and told of too.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.session.next_event()?;
        let now = self.now();
        match &event {
            Event::Connect => {
                match Channel::connect(&self.target, self.tls.as_ref(), now, OPENING) {
                    Ok(channel) => self.channel = Some(channel),
                    Err(error) => self.session.closed(&error.to_string(), now),
                }
            }
            Event::Disconnected(_) => self.channel = None,
            _ => {}
        }
        Some(event)
    }

    /// What to wait for before the next turn.
    pub fn interest(&self) -> Option<Interest<'_>> {
        self.channel.as_ref().and_then(Channel::interest)
    }

    /// How long to wait for it at most; `None`: for ever.
    pub fn wake_in(&self) -> Option<Duration> {
        let now = self.now();
        self.session
            .wake_at()
            .into_iter()
            .chain(self.channel.as_ref().and_then(Channel::wake_at))
            .min()
            .map(|at| at.saturating_sub(now))
    }

    /// Turns and waits, until `wanted` finds what it looks for in an event, or `most` has passed. For
    /// programs that have nothing else to do.
    pub fn wait_for<T>(
        &mut self,
        most: Duration,
        mut wanted: impl FnMut(&mut Session, &Event) -> Option<T>,
    ) -> Option<T> {
        let end = self.now().saturating_add(most);
        loop {
            let more = self.turn();
            let mut connects = false;
            while let Some(event) = self.next_event() {
                connects |= matches!(event, Event::Connect);
                if let Some(found) = wanted(&mut self.session, &event) {
                    return Some(found);
                }
            }
            let left = end.saturating_sub(self.now());
            if left.is_zero() {
                return None;
            }
            if more || connects {
                continue;
            }
            // Millisecond pieces of a deadline would make it turn for nothing.
            let pause =
                self.wake_in().map_or(left, |wake| wake.min(left)) + Duration::from_millis(1);
            let interest: Vec<Interest<'_>> = self.interest().into_iter().collect();
            if wait(&interest, Some(pause)).is_err() {
                return None;
            }
        }
    }

    /// Waits for the end of a transaction; other events are lost.
    pub fn outcome(&mut self, wanted: Ticket, most: Duration) -> Option<Outcome> {
        let mut found = None;
        self.wait_for(most, |_, event| match event {
            Event::Transaction { ticket, outcome } if *ticket == wanted => {
                found = Some(outcome.clone());
                Some(())
            }
            _ => None,
        });
        found
    }

    /// The session, for transactions and locks.
    pub const fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The copy of the database.
    pub const fn cache(&self) -> &Cache {
        self.session.cache()
    }

    /// What has changed in it since the last question.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.session.take_changes()
    }

    /// Who is at the other end, over TLS.
    pub fn identity(&self) -> Option<PeerIdentity> {
        self.channel.as_ref().and_then(Channel::identity)
    }

    /// The next connection is made with these certificates.
    pub fn renew(&mut self, tls: Tls) {
        self.tls = Some(tls);
    }
}

/// Bytes of both directions; whether there is more at once.
fn carry(
    channel: &mut Channel,
    session: &mut Session,
    received: &mut Vec<u8>,
    now: Duration,
) -> Result<bool, ChannelError> {
    if channel.is_open() {
        channel.send(&session.take_outgoing())?;
    }
    let turn = channel.turn(now, received)?;
    if turn.opened {
        session.opened(now);
    }
    if !received.is_empty() {
        session.receive(received, now);
        received.clear();
        // What one burst needed is not kept for each of many clients.
        received.shrink_to(KEPT_BYTES);
    }
    let outgoing = session.take_outgoing();
    channel.send(&outgoing)?;
    Ok(turn.more || !outgoing.is_empty())
}
