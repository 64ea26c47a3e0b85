//! A connection machine on a Unix socket, for tests: blocking, with a thread's patience.

use openflow::connection::{BatchKind, BatchOutcome, Configuration, Connection, Event};
use openflow::{Envelope, Framer, Message};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) struct Client {
    pub(crate) connection: Connection,
    /// Names of errors to messages that nobody waited for.
    pub(crate) refused: Vec<String>,
    stream: UnixStream,
    /// A second look at what the switch sent.
    framer: Framer,
    events: VecDeque<Event>,
}

impl Client {
    pub(crate) fn connect(socket: &Path, configuration: Configuration) -> Self {
        let stream = UnixStream::connect(socket).expect("connect");
        stream.set_nonblocking(true).expect("nonblocking");
        let connection = Connection::new(configuration, Instant::now());
        let mut client = Self {
            connection,
            refused: Vec::new(),
            stream,
            framer: Framer::new(),
            events: VecDeque::new(),
        };
        client.until(|event| matches!(event, Event::Ready { .. }).then_some(()));
        client
    }

    /// Moves bytes until an event is the wanted one.
    pub(crate) fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            while let Some(event) = self.events.pop_front() {
                match &event {
                    Event::Refused { name, .. } => self.refused.push(name.clone()),
                    Event::Unreadable { header, error } => panic!("unreadable {header:?}: {error}"),
                    Event::Failed(error) => panic!("the connection failed: {error}"),
                    _ => {}
                }
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
            assert!(Instant::now() < deadline, "waited in vain");
            self.turn();
        }
    }

    pub(crate) fn ask(&mut self, message: &Message) -> Message {
        let xid = self.connection.request(message).expect("request");
        self.until(|event| match event {
            Event::Answer {
                xid: answered,
                message,
            } if answered == xid => Some(*message),
            Event::Refused {
                xid: refused, name, ..
            } if refused == xid => panic!("refused: {name}"),
            _ => None,
        })
    }

    pub(crate) fn run(&mut self, kind: BatchKind, messages: Vec<Message>) -> BatchOutcome {
        let wanted = self.connection.submit(kind, messages).expect("submit");
        self.until(|event| match event {
            Event::Batch { batch, outcome } if batch == wanted => Some(outcome),
            _ => None,
        })
    }

    fn turn(&mut self) {
        let bytes = self.connection.poll_transmit();
        let mut idle = true;
        if !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => {
                    self.connection.transmitted(count);
                    idle = false;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let mut buffer = vec![0; 1 << 16];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the switch closed the connection"),
            Ok(count) => {
                let received = &buffer[..count];
                self.check_exact(received);
                self.events
                    .extend(self.connection.receive(received, Instant::now()));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                if idle {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        }
    }

    /// Whatever a real switch says must be read and written again to the very bytes.
    fn check_exact(&mut self, received: &[u8]) {
        self.framer.push(received);
        while let Some(message) = self.framer.next_message().expect("frames") {
            let envelope =
                Envelope::decode(message).unwrap_or_else(|error| panic!("{error}: {message:02x?}"));
            let again = envelope
                .to_bytes()
                .unwrap_or_else(|error| panic!("{error}: {envelope:?}"));
            assert_eq!(again, message, "{envelope:?}");
        }
    }
}
