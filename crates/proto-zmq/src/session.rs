//! One connection of a ZeroMQ socket as a state machine.
//!
//! ```text
//!  Greeting ──the peer's 64 octets──► Opening ──READY of both──► Open ──► Closed
//!     └───────────── too late, a stranger, refused ──────────────────────►┘
//! ```
//!
//! - `Greeting`: the own signature and version are said; the peer's greeting tells the mechanism.
//! - `Opening`: the mechanism; the broker says whether the peer is let in, and the peer which type it is.
//! - `Open`: frames become commands, deliveries become frames, as that type has it.
//! - `Closed`: the driver has been asked to close.

mod open;
mod opening;
mod replier;
mod requester;
mod subscriber;

use crate::failure::Failure;
use crate::settings::Settings;
use broker_api::{
    Command, DeclareQueue, Event, Grant, Heads, IfExists, IfMissing, Numbering, Out, Publishing,
    Session, SettleMode, Source, Subscribe,
};
use bytes::{Buf as _, BytesMut};
use model::{
    CommandId, ConversationId, Durability, Instant, Lifetime, Message, Ownership, QueueDefinition,
    QueueName, QueueRules, SubscriptionId,
};
use open::Open;
use opening::{Opening, Progress, Spoken};
use std::sync::Arc;
use tracing::debug;
use zmtp::Connection;
use zmtp::curve::ServerRandom;

/// The one subscription that a connection has.
const SUBSCRIPTION: SubscriptionId = SubscriptionId(1);

/// One connection of a ZeroMQ socket: bytes and events in, bytes and commands out.
///
/// Owned by the driver of one transport, from accept to close. What it may hold is bounded by its [`Settings`].
#[derive(Debug)]
pub struct Zmq {
    link: Link,
    stage: Stage,
    /// Bytes that the last call left in the input: more than these have come since.
    left_bytes: usize,
    missing_bytes: usize,
}

/// What all stages share.
#[derive(Debug)]
struct Link {
    settings: Arc<Settings>,
    /// Reads what messages of any dialect say of their answers.
    heads: Heads,
    numbering: Numbering,
}

#[derive(Debug)]
enum Stage {
    Greeting {
        until: Instant,
        is_begun: bool,
        /// For CURVE.
        random: Option<Box<ServerRandom>>,
    },
    Opening(Box<Opening>),
    Open(Box<Open>),
    Closed,
}

impl Stage {
    /// That of the wire, where the mechanism is known.
    const fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Opening(opening) => Some(opening.connection_mut()),
            Self::Open(open) => Some(open.connection_mut()),
            Self::Greeting { .. } | Self::Closed => None,
        }
    }
}

impl Link {
    fn submit(&mut self, out: &mut Out, command: Command) {
        self.numbering.submit(out, ConversationId(0), command);
    }

    /// Sends a command whose answer the input behind it needs.
    fn barrier(&mut self, out: &mut Out, command: Command) -> CommandId {
        self.numbering.barrier(out, ConversationId(0), command)
    }

    /// Nobody is told what becomes of it: ZMTP has no word for that.
    fn publish(&mut self, out: &mut Out, message: Message) {
        let publishing = Publishing::new(broker_api::Confirm::Unwanted);
        self.submit(out, Command::Publish(message, publishing));
    }

    fn declare(&mut self, out: &mut Out, queue: QueueName) -> CommandId {
        let declare = Box::new(DeclareQueue::durable(queue));
        self.barrier(out, Command::DeclareQueue(declare))
    }

    /// Makes a queue that ends with the connection.
    fn declare_own(&mut self, out: &mut Out) -> CommandId {
        let declare = DeclareQueue {
            name: None,
            definition: QueueDefinition {
                durability: Durability::Transient,
                ownership: Ownership::Exclusive,
                lifetime: Lifetime::Permanent,
                expires_ms: None,
                kind: None,
                rules: QueueRules::PLAIN,
            },
            if_exists: IfExists::MustEqual,
            if_missing: IfMissing::Create,
        };
        self.barrier(out, Command::DeclareQueue(Box::new(declare)))
    }

    fn subscribe(&mut self, out: &mut Out, queue: QueueName, mode: SettleMode, grant: Grant) {
        let source = Source::Queue(queue);
        let subscribe = Subscribe::new(SUBSCRIPTION, source, mode, grant);
        self.submit(out, Command::Subscribe(Box::new(subscribe)));
    }
}

impl Zmq {
    /// A session at the start of its connection. `heads` reads what messages of any dialect say of their answers.
    #[must_use]
    pub fn new(now: Instant, settings: Arc<Settings>, heads: Heads) -> Self {
        let until = now.plus_millis(settings.handshake_ms);
        Self {
            link: Link {
                settings,
                heads,
                numbering: Numbering::default(),
            },
            stage: Stage::Greeting {
                until,
                is_begun: false,
                random: None,
            },
            left_bytes: 0,
            missing_bytes: 0,
        }
    }

    /// Speaks CURVE, too, if the settings have the keys. The octets are for this connection alone.
    #[must_use]
    pub fn with_curve(mut self, octets: ServerRandom) -> Self {
        if let Stage::Greeting { random, .. } = &mut self.stage {
            *random = Some(Box::new(octets));
        }
        self
    }

    fn read(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out) -> Result<(), Failure> {
        while !out.is_held() {
            match &mut self.stage {
                Stage::Greeting {
                    until,
                    is_begun,
                    random,
                } => {
                    if !std::mem::replace(is_begun, !input.is_empty()) {
                        opening::put_start(input, out);
                    }
                    let Some(name) = opening::mechanism(input)? else {
                        self.missing_bytes = zmtp::GREETING_BYTES - input.len();
                        return Ok(());
                    };
                    let spoken = Spoken::new(&name, self.link.settings.curve.as_ref(), random)?;
                    let opening = Opening::new((now, *until), &self.link, spoken, out);
                    self.stage = Stage::Opening(Box::new(opening));
                }
                Stage::Opening(opening) => {
                    match opening.handle_input(&mut self.link, input, out)? {
                        Progress::Taken(taken) => input.advance(taken),
                        Progress::Awaits { missing_bytes } => {
                            self.missing_bytes = missing_bytes;
                            return Ok(());
                        }
                        Progress::Ready(peer) => self.open(&peer, out)?,
                    }
                }
                Stage::Open(open) => match open.handle_input(&mut self.link, input, out)? {
                    None => {}
                    Some(missing_bytes) => {
                        self.missing_bytes = missing_bytes;
                        return Ok(());
                    }
                },
                Stage::Closed => return Ok(()),
            }
        }
        Ok(())
    }

    fn open(&mut self, peer: &zmtp::Peer, out: &mut Out) -> Result<(), Failure> {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        if let Stage::Opening(opening) = stage {
            let open = Open::begin(&mut self.link, opening.into_connection(), peer, out)?;
            self.stage = Stage::Open(Box::new(open));
        }
        Ok(())
    }

    fn event_in_stage(&mut self, event: Event, out: &mut Out) -> Result<(), Failure> {
        if let Event::Disconnect(refusal) | Event::Ended(_, refusal) = event {
            return Err(refusal.into());
        }
        match &mut self.stage {
            Stage::Opening(opening) => opening.handle_event(event, out),
            Stage::Open(open) => open.handle_event(&mut self.link, event, out),
            Stage::Greeting { .. } | Stage::Closed => Ok(()),
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Out) {
        debug!("a connection of ZeroMQ ends: {failure}");
        self.stage = Stage::Closed;
        out.close();
    }
}

impl Session for Zmq {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out) {
        if input.len() > self.left_bytes
            && let Some(connection) = self.stage.connection_mut()
        {
            connection.handle_received(now.millis());
        }
        self.missing_bytes = 0;
        if let Err(failure) = self.read(now, input, out) {
            self.fail(&failure, out);
        }
        if matches!(self.stage, Stage::Closed) {
            input.clear();
        }
        self.left_bytes = input.len();
    }

    fn handle_event(&mut self, now: Instant, event: Event, out: &mut Out) {
        let was_opening = matches!(self.stage, Stage::Opening(_));
        let mut result = self.event_in_stage(event, out);
        if was_opening && result.is_ok() {
            // With CURVE the broker's answer is all that the handshake waits for: there may be no more input.
            result = self.read(now, &mut BytesMut::new(), out);
        }
        if let Err(failure) = result {
            self.fail(&failure, out);
        }
    }

    fn handle_deadline(&mut self, now: Instant, out: &mut Out) {
        let result = if let Stage::Greeting { until, .. } = &self.stage
            && *until <= now
        {
            Err(Failure::NoGreeting)
        } else if let Some(connection) = self.stage.connection_mut() {
            let buffer = out.wire.buffer();
            let result = connection.handle_deadline(now.millis(), buffer);
            result.map_err(Failure::from)
        } else {
            Ok(())
        };
        if let Err(failure) = result {
            self.fail(&failure, out);
        }
    }

    fn handle_paused(&mut self, now: Instant) {
        if let Stage::Open(open) = &mut self.stage {
            open.connection_mut().handle_received(now.millis());
        }
    }

    fn handle_close(&mut self, _now: Instant, _out: &mut Out) {
        self.stage = Stage::Closed;
    }

    fn deadline(&self) -> Option<Instant> {
        let connection = match &self.stage {
            Stage::Greeting { until, .. } => return Some(*until),
            Stage::Opening(opening) => opening.connection(),
            Stage::Open(open) => open.connection(),
            Stage::Closed => return None,
        };
        connection.deadline_ms().map(Instant::from_millis)
    }

    fn gathered_bytes(&self) -> usize {
        match &self.stage {
            Stage::Open(open) => open.gathered_bytes(),
            Stage::Greeting { .. } | Stage::Opening(_) | Stage::Closed => 0,
        }
    }

    fn missing_bytes(&self) -> usize {
        self.missing_bytes
    }
}
