//! Any bytes through an MQTT session, with a broker that answers as it likes.

use crate::driven::{Broker, Driven, Messages, Subscriptions, check};
use crate::input::{Chance, Input};
use broker_api::{
    Authenticate, Authenticated, Command, Confirm, Event, Refusal, Reply, Unroutable,
};
use model::{CommandId, ConnectionId, Instant, Message, Sequence, SubscriptionId};
use proto_mqtt::{Limits, Mqtt, SessionLimits};
use std::time::Duration;

/// What an answer takes beside what it repeats of the input.
const ANSWER_BYTES_MAX: usize = 4096;

/// The commands of one call beside those of its packets.
const COMMANDS_MAX: usize = 16;

/// Feeds a stream in pieces to a session, with answers, refusals, deliveries and deadlines in between:
/// what it puts out is bounded by what came in, it settles nothing that it was not given, and when it
/// has asked to close it says nothing more.
///
/// Bytes: 1, whose bit 2 asks for small limits; 1, the seed of the cuts; 1, the seed of what the broker
/// does; the stream. With seed 0 it answers what the session waits for, and all else at the end: then the
/// session's output must be the same for the stream in one piece.
///
/// # Panics
/// When one of these promises is broken.
pub fn mqtt_session(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = if input.u8() & 4 == 0 {
        SessionLimits::default()
    } else {
        small()
    };
    check(input, |_| driven(limits));
}

/// Small, so that short inputs reach them.
fn small() -> SessionLimits {
    let limits = SessionLimits::default();
    SessionLimits {
        packets: Limits {
            packet_bytes_max: 400,
            control_bytes_max: 300,
            connect_bytes_max: 200,
            property_bytes_max: 80,
            filters_max: 4,
        },
        subscriptions_max: 3,
        filter_bytes_max: 40,
        filter_levels_max: 4,
        receive_max: std::num::NonZeroU16::MIN.saturating_add(1),
        send_max: std::num::NonZeroU16::MIN,
        topic_alias_max: 2,
        ..limits
    }
}

fn driven(limits: SessionLimits) -> Driven<MqttBroker> {
    let now = Instant::from_millis(1);
    let session = Mqtt::new(now, ConnectionId(7), limits, 9);
    let broker = MqttBroker {
        limits,
        subscriptions: Subscriptions::default(),
        messages: Messages::default(),
        is_kept: false,
    };
    Driven::new(now, session, broker)
}

struct MqttBroker {
    limits: SessionLimits,
    subscriptions: Subscriptions,
    messages: Messages,
    /// The session is kept: what it gathers depends on the cuts, and so does the order of some answers.
    is_kept: bool,
}

/// What a command is answered by.
enum Answer {
    Done,
    Subscribed(SubscriptionId),
    Confirmed(Option<Message>),
    Challenge,
    Authenticated,
    Recalled,
    OnlyRefusal,
}

impl Broker for MqttBroker {
    type Session = Mqtt;
    type Answer = Answer;

    const BEHIND_THE_END: &'static [u8] = b"\xc0\x00\x30\x03\x00\x01a";

    fn wire_bytes_max(&self, read_bytes: usize) -> usize {
        // What waited for the client's answer may come with it.
        let waiting: usize = self.messages.iter().map(Message::cost_bytes).sum();
        ANSWER_BYTES_MAX + (4 + waiting) * (read_bytes + 1)
    }

    fn commands_max(&self, read_bytes: usize) -> usize {
        COMMANDS_MAX + read_bytes + 2 * self.subscriptions.count()
    }

    fn left_bytes_max(&self) -> usize {
        self.limits.packets.packet_bytes_max
    }

    fn event_bytes(_event: &Event) -> usize {
        1
    }

    fn take(&mut self, command: Command) -> Option<Answer> {
        Some(match command {
            Command::Connect(_) => Answer::Done,
            Command::Authenticate(step) => match *step {
                Authenticate::Begin { .. } => Answer::Challenge,
                Authenticate::Continue { .. } | Authenticate::Vouched { .. } => {
                    Answer::Authenticated
                }
            },
            Command::Publish(message, publishing) => {
                self.messages.keep(message.clone());
                let comes_back = publishing.unroutable == Unroutable::Return;
                match publishing.confirm {
                    Confirm::Wanted => Answer::Confirmed(comes_back.then_some(message)),
                    Confirm::Unwanted => Answer::OnlyRefusal,
                }
            }
            Command::Subscribe(subscribe) => {
                let (id, mode) = (subscribe.subscription, subscribe.settle_mode);
                self.subscriptions.open(id, mode, subscribe.grant.total());
                // And the one to the queue of its session.
                assert!(self.subscriptions.count() <= 2 * self.limits.subscriptions_max + 1);
                Answer::Subscribed(id)
            }
            Command::ShowRetained(show) => {
                let id = show.subscription;
                assert!(self.subscriptions.is_open(id), "{id} was not subscribed");
                Answer::Done
            }
            Command::Cancel(id) => {
                self.subscriptions.end(id);
                Answer::Done
            }
            Command::Grant(id, grant) => {
                self.subscriptions.grant(id, grant);
                Answer::OnlyRefusal
            }
            Command::Settle(settle) => {
                let id = settle.subscription;
                self.subscriptions.settle(id, &settle.sequences);
                Answer::OnlyRefusal
            }
            Command::DeleteQueue(_)
            | Command::DeclareQueue(_)
            | Command::Bind(_)
            | Command::Unbind(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::QueueRetained(_)
            | Command::Bequeath(_) => Answer::Done,
            Command::Recall(_) => {
                self.is_kept = true;
                Answer::Recalled
            }
            Command::Commit(transaction) => {
                let entries = transaction.notes.iter().flat_map(|notes| &notes.entries);
                assert_eq!(entries.count(), transaction.publishes.len());
                let publishes = transaction.publishes.into_iter();
                publishes.for_each(|message| self.messages.keep(message));
                Answer::Done
            }
            Command::Note(notes) => {
                assert!(!notes.entries.is_empty(), "it says nothing");
                let id = notes.subscription;
                self.subscriptions.settle(id, &notes.accepted);
                Answer::Done
            }
            other @ (Command::PutUser(_)
            | Command::Get(_)
            | Command::StepAside(_)
            | Command::DeleteUser(_)
            | Command::PurgeQueue(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::List(_)) => unreachable!("a client cannot ask for {other:?}"),
        })
    }

    fn answer(&mut self, id: CommandId, answer: Answer) -> Vec<Event> {
        let reply = match answer {
            Answer::Done => Reply::Nothing,
            Answer::Subscribed(subscription) => {
                self.subscriptions.make_ready(subscription);
                Reply::Nothing
            }
            Answer::Confirmed(returned) => {
                let returned = returned.filter(|message| message.body().is_empty());
                let returned = returned.map(|message| Event::Returned(id, message));
                return returned.into_iter().chain([Event::Confirmed(id)]).collect();
            }
            Answer::Challenge => Reply::Challenge(b"challenge".to_vec()),
            Answer::Authenticated => Reply::Authenticated(Box::new(Authenticated {
                user: "ada".into(),
                data: b"shown".to_vec(),
            })),
            Answer::Recalled => Reply::Notes(Vec::new()),
            Answer::OnlyRefusal => return Vec::new(),
        };
        vec![Event::Done(id, Ok(reply))]
    }

    fn act(driven: &mut Driven<Self>, chance: &mut Chance) {
        for _ in 0..chance.below(6) {
            match chance.below(8) {
                0 => driven.pass(driven.now + Duration::from_secs(1)),
                1 | 2 => {
                    let at = chance.below(driven.unanswered.len().max(1));
                    if let Some((id, answer)) = driven.unanswered.remove(at) {
                        if chance.below(4) == 0 {
                            refuse(driven, id, &answer);
                        } else {
                            driven.answer(id, answer);
                        }
                    }
                }
                3 if chance.below(20) == 0 => driven.tell(Event::Disconnect(Refusal::TakenOver)),
                _ => deliver(driven, chance),
            }
        }
    }

    fn strip(&self, sent: &mut Vec<u8>) {
        if self.is_kept {
            sent.sort_unstable();
        }
    }
}

fn refuse(driven: &mut Driven<MqttBroker>, id: CommandId, answer: &Answer) {
    if let Answer::Subscribed(subscription) = answer {
        driven.broker.subscriptions.end(*subscription);
    }
    let limit = Refusal::LimitReached {
        what: "things",
        limit: 1,
    };
    driven.tell(Event::Done(id, Err(limit)));
}

fn deliver(driven: &mut Driven<MqttBroker>, chance: &mut Chance) {
    let broker = &mut driven.broker;
    let Some(id) = broker.subscriptions.some(chance) else {
        return;
    };
    let Some(message) = broker.messages.some(chance) else {
        return;
    };
    if driven.is_closed {
        return;
    }
    let ttl = message.envelope().ttl_ms;
    if let Some(mut delivery) = broker.subscriptions.deliver(id, message) {
        // What is settled already does not expire.
        let ttl = ttl.filter(|_| delivery.sequence > Sequence(0));
        delivery.expires_at = ttl.map(|ttl| driven.now.plus_millis(ttl));
        driven.tell(Event::Delivery(delivery));
    }
}
