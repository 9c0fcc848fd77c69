//! Messages, behind the handshake.

use super::replier::Replier;
use super::requester::Requester;
use super::subscriber::Subscriber;
use super::{Link, SUBSCRIPTION};
use crate::failure::Failure;
use crate::translate::{Content, Frames, Gathered, Shown, published_message, pushed_message};
use broker_api::{Command, Event, Grant, Out, Reply, SettleMode};
use bytes::{Buf as _, BytesMut};
use model::{CommandId, Message, QueueName};
use zmtp::{Connection, Frame, Metadata, Peer, SocketType, Step};

/// The property by which a peer may name its queue.
const QUEUE: &str = "X-Barid-Queue";

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    connection: Connection,
    role: Role,
    gathered: Gathered,
    /// What must be made before anything is read: its answer is waited for.
    making: Option<CommandId>,
    queue: QueueName,
}

/// What the peer's type makes of its connection.
#[derive(Debug)]
enum Role {
    /// A PUB.
    Publisher,
    /// A SUB.
    Subscriber(Subscriber),
    /// A PUSH.
    Pusher,
    /// A PULL.
    Puller(Flow),
    /// A REQ or DEALER.
    Requester(Requester),
    /// A REP.
    Replier(Replier),
}

/// How much a PULL is given ahead.
#[derive(Debug, Default)]
struct Flow {
    /// Deliveries so far.
    count: u64,
    /// Deliveries that the broker knows may come.
    granted: u64,
}

impl Flow {
    fn begin(window: u64) -> (Self, Grant) {
        let grant = Grant {
            count: 0,
            limit: window,
            drain: false,
        };
        let flow = Self {
            count: 0,
            granted: window,
        };
        (flow, grant)
    }

    /// Counts a delivery; grants anew when half of the window is used up.
    fn handle_delivered(&mut self, window: u64) -> Option<Grant> {
        self.count += 1;
        if self.granted - self.count > window / 2 {
            return None;
        }
        self.granted = self.count + window;
        Some(Grant {
            count: self.count,
            limit: window,
            drain: false,
        })
    }
}

impl Open {
    /// Makes what the peer's type needs.
    pub(super) fn begin(
        link: &mut Link,
        mut connection: Connection,
        peer: &Peer,
        out: &mut Out,
    ) -> Result<Self, Failure> {
        let metadata = Metadata::read(&peer.metadata).unwrap_or_default();
        let queue = match metadata.value(QUEUE) {
            None => link.settings.queue.clone(),
            Some(name) => QueueName::new(name)?,
        };
        let (role, making) = match peer.socket_type {
            Some(SocketType::Pub | SocketType::XPub) => {
                // A PUB sends what it has been asked for.
                connection.put_subscribe(out.wire.buffer(), &[])?;
                (Role::Publisher, None)
            }
            Some(SocketType::Sub | SocketType::XSub) => {
                let made = link.declare_own(out);
                (Role::Subscriber(Subscriber::default()), Some(made))
            }
            Some(SocketType::Push) => (Role::Pusher, Some(link.declare(out, queue.clone()))),
            Some(SocketType::Pull) => {
                let made = link.declare(out, queue.clone());
                (Role::Puller(Flow::default()), Some(made))
            }
            Some(SocketType::Req | SocketType::Dealer) => {
                let made = link.declare(out, queue.clone());
                (Role::Requester(Requester::default()), Some(made))
            }
            Some(SocketType::Rep) => {
                let made = link.declare(out, queue.clone());
                (Role::Replier(Replier::default()), Some(made))
            }
            Some(
                SocketType::Pair
                | SocketType::Router
                | SocketType::Server
                | SocketType::Client
                | SocketType::Radio
                | SocketType::Dish
                | SocketType::Gather
                | SocketType::Scatter
                | SocketType::Peer
                | SocketType::Channel
                | SocketType::Stream,
            )
            | None => return Err(Failure::SocketType),
        };
        Ok(Self {
            connection,
            role,
            gathered: Gathered::default(),
            making,
            queue,
        })
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) const fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// What has come of a message that is not whole.
    pub(super) const fn gathered_bytes(&self) -> usize {
        self.gathered.bytes()
    }

    /// Takes the first thing out of the input. Says how much of it is missing, if it is.
    pub(super) fn handle_input(
        &mut self,
        link: &mut Link,
        input: &mut BytesMut,
        out: &mut Out,
    ) -> Result<Option<usize>, Failure> {
        let step = self.connection.handle_input(input, out.wire.buffer())?;
        let taken = match step {
            Step::Incomplete { missing_bytes } => return Ok(Some(missing_bytes)),
            Step::AwaitVerdict => return Ok(Some(0)),
            Step::Event(event, taken) => {
                match event {
                    zmtp::Event::Frame(frame) => {
                        let mut messages = Messages {
                            role: &mut self.role,
                            gathered: &mut self.gathered,
                            queue: &self.queue,
                        };
                        messages.handle_frame(link, frame, out)?;
                    }
                    zmtp::Event::Subscribe(prefix) => {
                        if let Role::Subscriber(subscriber) = &mut self.role {
                            subscriber.subscribe(link, prefix, out)?;
                        }
                    }
                    zmtp::Event::Cancel(prefix) => {
                        if let Role::Subscriber(subscriber) = &mut self.role {
                            subscriber.cancel(link, prefix, out);
                        }
                    }
                    zmtp::Event::Version(_)
                    | zmtp::Event::Handshake
                    | zmtp::Event::Authenticate(_)
                    | zmtp::Event::Ready(_)
                    | zmtp::Event::Group(_)
                    | zmtp::Event::Join(_)
                    | zmtp::Event::Leave(_)
                    | zmtp::Event::Ping
                    | zmtp::Event::Pong(_)
                    | zmtp::Event::Ignored => {}
                }
                taken
            }
        };
        input.advance(taken);
        Ok(None)
    }

    pub(super) fn handle_event(
        &mut self,
        link: &mut Link,
        event: Event,
        out: &mut Out,
    ) -> Result<(), Failure> {
        match event {
            Event::Delivery(delivery) => self.handle_delivery(link, &delivery, out),
            Event::Done(id, result) => {
                let reply = result?;
                if self.making == Some(id) {
                    self.making = None;
                    self.handle_made(link, reply, out);
                }
                Ok(())
            }
            Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => Ok(()),
        }
    }

    /// Goes on behind a queue that was to be made.
    fn handle_made(&mut self, link: &mut Link, reply: Reply, out: &mut Out) {
        let Reply::Queue(status) = reply else {
            return;
        };
        let (presettled, unlimited) = (SettleMode::Presettled, Grant::UNLIMITED);
        out.release_barrier();
        match &mut self.role {
            Role::Publisher | Role::Pusher => {}
            Role::Subscriber(subscriber) => {
                subscriber.begin(status.name.clone());
                link.subscribe(out, status.name, presettled, unlimited);
            }
            Role::Puller(flow) => {
                let (begun, grant) = Flow::begin(link.settings.window);
                *flow = begun;
                link.subscribe(out, status.name, presettled, grant);
            }
            Role::Requester(requester) => {
                if requester.begin(&self.queue, &status.name) {
                    link.subscribe(out, status.name, presettled, unlimited);
                } else {
                    self.making = Some(link.declare_own(out));
                }
            }
            Role::Replier(replier) => {
                let grant = replier.grant();
                link.subscribe(out, status.name, SettleMode::Explicit, grant);
            }
        }
    }

    fn handle_delivery(
        &mut self,
        link: &mut Link,
        delivery: &broker_api::Delivery,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let message = &delivery.message;
        match &mut self.role {
            Role::Publisher | Role::Pusher => Ok(()),
            Role::Subscriber(subscriber) => {
                if !subscriber.wants(message) {
                    return Ok(());
                }
                put_message(&mut self.connection, &[], message, Shown::Topic, out)
            }
            Role::Puller(flow) => {
                if let Some(grant) = flow.handle_delivered(link.settings.window) {
                    link.submit(out, Command::Grant(SUBSCRIPTION, grant));
                }
                put_message(&mut self.connection, &[], message, Shown::Content, out)
            }
            Role::Requester(_) => {
                let before = Requester::envelope(message, link.heads);
                put_message(&mut self.connection, &before, message, Shown::Content, out)
            }
            Role::Replier(replier) => {
                replier.handle_delivery(delivery, link.heads);
                let before = [Vec::new()];
                put_message(&mut self.connection, &before, message, Shown::Content, out)
            }
        }
    }
}

/// What the frames of messages lead to.
struct Messages<'a> {
    role: &'a mut Role,
    gathered: &'a mut Gathered,
    queue: &'a QueueName,
}

impl Messages<'_> {
    fn handle_frame(
        &mut self,
        link: &mut Link,
        frame: Frame<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if matches!(self.role, Role::Subscriber(_) | Role::Puller(_)) {
            return Ok(());
        }
        // Most messages are whole in what was read.
        if !frame.more && self.gathered.is_empty() {
            let limit = link.settings.message_bytes_max;
            let length = u32::try_from(frame.body.len());
            let length = [length.map_err(|_| Failure::MessageTooLong(limit))?];
            return self.handle_message(link, Content::of_one(frame.body, &length), out);
        }
        self.gathered.push(&link.settings, frame.body)?;
        if frame.more {
            return Ok(());
        }
        let gathered = std::mem::take(self.gathered);
        let handled = self.handle_message(link, gathered.content(), out);
        *self.gathered = gathered;
        self.gathered.clear();
        handled
    }

    fn handle_message(
        &mut self,
        link: &mut Link,
        content: Content<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let persistence = link.settings.persistence;
        let queue = self.queue.as_bytes();
        match self.role {
            Role::Publisher => link.publish(out, published_message(persistence, content)),
            Role::Pusher => {
                let message = pushed_message(&link.settings, queue, content);
                link.publish(out, message);
            }
            Role::Requester(requester) => requester.request(link, self.queue, content, out)?,
            Role::Replier(replier) => replier.answer(link, content, out),
            Role::Subscriber(_) | Role::Puller(_) => {}
        }
        Ok(())
    }
}

/// Writes a message behind other frames. A large body is shared.
fn put_message(
    connection: &mut Connection,
    before: &[Vec<u8>],
    message: &Message,
    shown: Shown,
    out: &mut Out,
) -> Result<(), Failure> {
    for frame in before {
        connection.put_frame(out.wire.buffer(), Frame::more(frame))?;
    }
    let frames = Frames::of(message, shown);
    let is_body_whole = frames.is_body_whole();
    for (body, more) in frames {
        match connection.frame_head(more, body.len()) {
            Some(head) if !more && is_body_whole => {
                out.wire.put(head.as_bytes());
                out.wire.put_body(message);
            }
            Some(_) | None => {
                connection.put_frame(out.wire.buffer(), Frame { more, body })?;
            }
        }
    }
    Ok(())
}
