//! Between CONNECT and CONNACK: the session is begun, or gone on with, or ended.
//!
//! ```text
//!  Connect ──clean start──► Delete ──┬─ to be kept ─► Declare ─► TakeOver ─► Restore ─► open
//!     │                              └─ not ───────────────────────────────────────────► open
//!     └── go on, if there is ──────────────────────► Declare ─┬ there ─► TakeOver …
//!                                                             └ not ────────────────────► open
//! ```
//! A session that ends with its connection ends one that was kept, too. [MQTT-3.1.2-4] to [MQTT-3.1.2-6]

use super::authentication::Authentication;
use super::ending::Ending;
use super::in_flight::{Awaits, InFlight, Sent};
use super::kept::{self, Kept, Remembered, Subscribed};
use super::open::{Open, Terms};
use super::subscribe::{Answer, Awaited};
use super::subscriptions::Subscription;
use super::{Link, put};
use crate::frame::{
    self, Connack, ConnackReason, Packet, Properties, Property, PropertyList, Qos, RetainHandling,
    Text, TopicFilter,
};
use crate::{SessionLimits, Version};
use broker_api::{
    Bequest, Command, DeclareQueue, DeleteIf, DeleteQueue, Grant, IfExists, IfMissing, Notes, Out,
    Recalled, Refusal, Reply, SettleMode, Sharing, Source, Subscribe, Will,
};
use model::{CommandId, QueueName, SubscriptionId};
use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};

/// A queue that is just ending is ended, and made again, so often.
const ATTEMPTS_MAX: u32 = 3;

/// What CONNECT asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    /// Made up, because the client brought none.
    pub(super) assigned_id: Option<String>,
    pub(super) clean_start: bool,
    /// Seconds.
    pub(super) keep_alive: u16,
    /// The keep alive is not what the client asked for.
    pub(super) has_own_keep_alive: bool,
    /// For how long the session is to be kept, and will be, in seconds.
    pub(super) asked_expiry: u32,
    pub(super) expiry: u32,
    pub(super) receive_maximum: NonZeroU16,
    pub(super) packet_bytes_max: usize,
    pub(super) topic_alias_max: u16,
    pub(super) response_information: Option<String>,
    pub(super) will: Option<Will>,
    /// How the client has shown who it is, if by a method, and what it is to be told of that.
    pub(super) authenticated: Option<(Authentication, Vec<u8>)>,
    /// The queue of the session, if it can be kept.
    pub(super) queue: Option<QueueName>,
}

/// CONNECT has come and the broker is asked.
#[derive(Debug)]
pub(super) struct Opening {
    asked: Asked,
    stage: Stage,
    attempts: u32,
}

/// What the broker is asked for, and has not answered.
#[derive(Debug)]
enum Stage {
    /// Who it is.
    Connect(CommandId),
    /// To end the session that is kept.
    Delete(CommandId),
    /// To make the session's queue, or to say whether it is there.
    Declare(CommandId),
    /// To give the queue to this connection, and to tell what is noted.
    TakeOver {
        subscribe: CommandId,
        recall: CommandId,
        /// Whether the first has been answered, and why the second was refused if that came before.
        is_subscribed: bool,
        refused: Option<Refusal>,
    },
    /// To bind what is noted again, and to keep what this connection bequeaths.
    Restore {
        commands: BTreeSet<CommandId>,
        restored: Box<Restored>,
    },
}

/// A session that will be open when all is restored.
#[derive(Debug)]
struct Restored {
    open: Open,
    is_present: bool,
    /// Subscriptions that are the broker's, shared ones among them: begun last, so that nothing comes by them before CONNACK.
    unbound: Vec<(String, Subscribed)>,
}

impl Opening {
    pub(super) const fn new(asked: Asked, command: CommandId) -> Self {
        Self {
            asked,
            stage: Stage::Connect(command),
            attempts: 0,
        }
    }

    /// The broker has answered. Returns the next state if CONNACK is sent.
    pub(super) fn handle_done(
        &mut self,
        link: &mut Link,
        id: CommandId,
        done: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<Option<Open>, Ending> {
        match &mut self.stage {
            Stage::Connect(command) if *command == id => {
                done.map_err(Ending::Refused)?;
                self.handle_connected(link, out)
            }
            Stage::Delete(command) if *command == id => {
                done.map_err(Ending::Refused)?;
                if self.asked.expiry > 0 {
                    self.declare(link, IfMissing::Create, out);
                    return Ok(None);
                }
                self.open_unkept(link, out).map(Some)
            }
            Stage::Declare(command) if *command == id => match done {
                Ok(_) => {
                    self.take_over(link, out);
                    Ok(None)
                }
                Err(Refusal::QueueNotFound(_)) if self.asked.expiry == 0 => {
                    self.open_unkept(link, out).map(Some)
                }
                Err(refusal) => Err(Ending::Refused(refusal)),
            },
            Stage::TakeOver {
                subscribe,
                is_subscribed,
                refused,
                ..
            } if *subscribe == id => match done {
                Ok(_) => {
                    *is_subscribed = true;
                    let refused = refused.take();
                    refused.map_or(Ok(None), |refusal| Err(Ending::Refused(refusal)))
                }
                // It ended meanwhile.
                Err(Refusal::QueueDeleted(_) | Refusal::QueueNotFound(_))
                    if self.attempts < ATTEMPTS_MAX =>
                {
                    self.attempts += 1;
                    self.delete(link, out);
                    Ok(None)
                }
                Err(refusal) => Err(Ending::Refused(refusal)),
            },
            Stage::TakeOver {
                recall,
                is_subscribed: false,
                refused,
                ..
            } if *recall == id && done.is_err() => {
                // The answer to the first tells what is to be done.
                *refused = done.err();
                Ok(None)
            }
            Stage::TakeOver { recall, .. } if *recall == id => {
                let Reply::Notes(notes) = done.map_err(Ending::Refused)? else {
                    return Err(Ending::Unexpected);
                };
                self.restore(link, &notes, out);
                Ok(None)
            }
            Stage::Restore { commands, .. } if commands.contains(&id) => {
                commands.remove(&id);
                done.map_err(Ending::Refused)?;
                self.finish(link, out)
            }
            // What was asked of a queue that has ended meanwhile.
            Stage::Connect(_)
            | Stage::Delete(_)
            | Stage::Declare(_)
            | Stage::TakeOver { .. }
            | Stage::Restore { .. } => Ok(None),
        }
    }

    fn handle_connected(&mut self, link: &mut Link, out: &mut Out) -> Result<Option<Open>, Ending> {
        if self.asked.queue.is_none() {
            return self.open_unkept(link, out).map(Some);
        }
        if self.asked.clean_start {
            self.delete(link, out);
        } else {
            let if_missing = match self.asked.expiry {
                0 => IfMissing::Refuse,
                _ => IfMissing::Create,
            };
            self.declare(link, if_missing, out);
        }
        Ok(None)
    }

    fn queue(&self) -> Option<QueueName> {
        self.asked.queue.clone()
    }

    fn delete(&mut self, link: &mut Link, out: &mut Out) {
        if let Some(name) = self.queue() {
            let condition = DeleteIf::default();
            let delete = DeleteQueue { name, condition };
            self.stage = Stage::Delete(link.submit(out, Command::DeleteQueue(delete)));
        }
    }

    fn declare(&mut self, link: &mut Link, if_missing: IfMissing, out: &mut Out) {
        let declare = DeclareQueue {
            name: self.queue(),
            definition: kept::definition(link.limits.session_messages_max),
            if_exists: IfExists::Use,
            if_missing,
        };
        let command = link.submit(out, Command::DeclareQueue(Box::new(declare)));
        self.stage = Stage::Declare(command);
    }

    /// The subscription's id is that of the attempt.
    const fn subscription(&self) -> SubscriptionId {
        SubscriptionId(self.attempts + 1)
    }

    fn take_over(&mut self, link: &mut Link, out: &mut Out) {
        let Some(queue) = self.queue() else { return };
        let subscription = self.subscription();
        let grant = Grant {
            count: 0,
            limit: 0,
            drain: false,
        };
        let source = Source::Queue(queue);
        let subscribe = Subscribe {
            sharing: Sharing::Takeover,
            ..Subscribe::new(subscription, source, SettleMode::Explicit, grant)
        };
        self.stage = Stage::TakeOver {
            subscribe: link.submit(out, Command::Subscribe(Box::new(subscribe))),
            recall: link.submit(out, Command::Recall(subscription)),
            is_subscribed: false,
            refused: None,
        };
    }

    fn terms(&mut self, link: &Link) -> Terms {
        let asked = &mut self.asked;
        Terms {
            version: asked.version,
            keep_alive: asked.keep_alive,
            send_max: asked.receive_maximum.min(link.limits.send_max),
            packet_bytes_max: asked.packet_bytes_max,
            topic_alias_max: asked.topic_alias_max.min(link.limits.topic_alias_send_max),
            authentication: None,
            ends_with_connection: asked.asked_expiry == 0,
            will: None,
        }
    }

    fn authentication(&mut self) -> Option<Authentication> {
        self.asked.authenticated.take().map(|(it, _)| it)
    }

    /// The session ends with its connection.
    fn open_unkept(&mut self, link: &Link, out: &mut Out) -> Result<Open, Ending> {
        self.put_accepted(&link.limits, None, out)?;
        let will = self.asked.will.take().map(|will| will.message);
        let terms = Terms {
            will,
            authentication: self.authentication(),
            ..self.terms(link)
        };
        Ok(Open::new(link, terms))
    }

    /// The queue is this connection's: what is noted is made again.
    fn restore(&mut self, link: &mut Link, notes: &[Recalled], out: &mut Out) {
        let Some(queue) = self.queue() else { return };
        let remembered = Remembered::new(notes);
        let subscription = self.subscription();
        let terms = self.terms(link);
        let send_max = terms.send_max;
        let mut open = Open::new(link, terms);
        open.in_flight = InFlight::of_sequence(send_max, subscription);
        let options = frame::SubscriptionOptions {
            qos: Qos::ExactlyOnce,
            ..frame::SubscriptionOptions::default()
        };
        let of_queue = Subscription::new(options, None, false);
        open.subscriptions.insert_queue(subscription, of_queue);
        let (expiry, will) = (self.asked.expiry, self.asked.will.take());
        open.kept = Some(Box::new(Kept::new(
            subscription,
            queue,
            expiry,
            will.clone(),
        )));
        for id in remembered.received {
            open.received.insert(id);
        }
        for (id, sequence) in remembered.released {
            let awaits = Awaits::Pubcomp;
            let sent = Sent {
                subscription,
                sequence,
                awaits,
            };
            open.in_flight.restore(id, sent);
        }
        let mut commands = BTreeSet::new();
        if !remembered.has_begun {
            let entries = vec![kept::begun()];
            let notes = Notes {
                subscription,
                entries,
                accepted: Vec::new(),
            };
            commands.insert(link.submit(out, Command::Note(Box::new(notes))));
        }
        let mut unbound = Vec::new();
        for (filter, it) in remembered.subscriptions {
            if !it.is_bound {
                unbound.push((filter, it));
                continue;
            }
            open.add_bound(&filter, &it);
            if let Some(bind) = open.bind_of(&filter) {
                commands.insert(link.submit(out, Command::Bind(Box::new(bind))));
            }
        }
        let bequest = Bequest {
            subscription,
            expires_ms: kept::expires_ms(expiry),
            will,
        };
        commands.insert(link.submit(out, Command::Bequeath(Box::new(bequest))));
        let restored = Restored {
            open,
            is_present: remembered.has_begun,
            unbound,
        };
        self.stage = Stage::Restore {
            commands,
            restored: Box::new(restored),
        };
    }

    /// One more of what is restored is: CONNACK is sent when all is.
    fn finish(&mut self, link: &mut Link, out: &mut Out) -> Result<Option<Open>, Ending> {
        let is_over = |stage: &Stage| match stage {
            Stage::Restore { commands, .. } => commands.is_empty(),
            Stage::Connect(_) | Stage::Delete(_) | Stage::Declare(_) | Stage::TakeOver { .. } => {
                false
            }
        };
        if !is_over(&self.stage) {
            return Ok(None);
        }
        let over = Stage::Connect(CommandId(0));
        let Stage::Restore { restored, .. } = std::mem::replace(&mut self.stage, over) else {
            return Ok(None);
        };
        let Restored {
            mut open,
            is_present,
            unbound,
        } = *restored;
        self.put_accepted(&link.limits, Some(is_present), out)?;
        open.authentication = self.authentication().map(Box::new);
        open.put_released(out);
        let mut awaited = Awaited::new(Answer::Nothing);
        for (filter, it) in &unbound {
            let Some(Ok(filter)) = Text::new(filter).ok().map(TopicFilter::new) else {
                continue;
            };
            // What is retained was sent when it began.
            let options = frame::SubscriptionOptions {
                retain_handling: RetainHandling::DoNotSend,
                ..it.options
            };
            let asked = frame::Subscription { filter, options };
            let begun = open.begin(link, &asked, it.identifier, out);
            let shared = begun.filter(|begun| begun.share.is_some());
            awaited.add(shared);
        }
        if !awaited.commands.is_empty() {
            open.awaited = Some(Box::new(awaited));
        }
        let window = open.in_flight.limit();
        let subscription = self.subscription();
        if let Some(of_queue) = open.subscriptions.get_mut(subscription) {
            let grant = of_queue.grant(window);
            link.submit(out, Command::Grant(subscription, grant));
        }
        Ok(Some(open))
    }

    /// The CONNACK that opens the connection, with all that is not as a client of 5.0 takes for granted; `kept` says of a
    /// session that is kept whether it was there.
    fn put_accepted(
        &self,
        limits: &SessionLimits,
        kept: Option<bool>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let version = self.asked.version;
        let mut properties = PropertyList::new();
        if version.has_properties() {
            self.push_properties(limits, &mut properties);
        }
        let connack = Packet::Connack(Connack {
            session_present: kept == Some(true),
            reason: ConnackReason::Success,
            properties: match version.has_properties() {
                true => properties.as_properties(),
                false => Properties::NONE,
            },
        });
        // [MQTT-3.1.2-24]
        if connack.packet_len(version) > self.asked.packet_bytes_max {
            return Err(Ending::AnswerTooLarge);
        }
        put(version, &connack, out);
        Ok(())
    }

    fn push_properties(&self, limits: &SessionLimits, properties: &mut PropertyList) {
        let asked = &self.asked;
        // §3.2.2.3.2
        if asked.expiry != asked.asked_expiry {
            properties.push(Property::SessionExpiryInterval(asked.expiry));
        }
        properties.push(Property::ReceiveMaximum(limits.receive_max));
        let packet_bytes_max = u32::try_from(limits.packets.packet_bytes_max).unwrap_or(u32::MAX);
        if let Some(bytes) = NonZeroU32::new(packet_bytes_max) {
            properties.push(Property::MaximumPacketSize(bytes));
        }
        if let Some(Ok(id)) = asked.assigned_id.as_deref().map(Text::new) {
            properties.push(Property::AssignedClientIdentifier(id));
        }
        if limits.topic_alias_max > 0 {
            properties.push(Property::TopicAliasMaximum(limits.topic_alias_max));
        }
        if asked.has_own_keep_alive {
            properties.push(Property::ServerKeepAlive(asked.keep_alive));
        }
        if let Some(Ok(text)) = asked.response_information.as_deref().map(Text::new) {
            properties.push(Property::ResponseInformation(text));
        }
        if let Some((authentication, data)) = &asked.authenticated {
            authentication.push(data, properties);
        }
    }
}
