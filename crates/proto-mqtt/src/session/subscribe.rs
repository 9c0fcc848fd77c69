//! SUBSCRIBE and UNSUBSCRIBE.

use super::ending::Ending;
use super::open::Open;
use super::share::{self, Next, Share};
use super::subscriptions::{Subscription, levels_of};
use super::{Link, kept, put};
use crate::frame::{
    Packet, PacketId, Properties, Qos, Reasons, RetainHandling, Suback, Subscribe, SubscribeReason,
    SubscriptionIdentifier, Unsuback, Unsubscribe, UnsubscribeReason,
};
use crate::translate::{pattern_of, skips_hidden};
use crate::{frame, refusal};
use broker_api::{Command, Out, Refusal, Retained, SettleMode, ShowRetained, Source};
use model::{CommandId, SubscriptionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is asked of the broker for one SUBSCRIBE or UNSUBSCRIBE, or for a session that goes on.
#[derive(Debug)]
pub(super) struct Awaited {
    answer: Answer,
    /// What the answer says of each filter, as far as it is known.
    pub(super) codes: Vec<u8>,
    /// Which commands are not answered. They may be many, and answered in any order.
    pub(super) commands: BTreeMap<CommandId, Asked>,
    /// What follows then, in a session that outlives its connection.
    pub(super) next: Option<kept::Next>,
    /// Filters that what is retained is put into the session's queue for, one after the other: each may be much.
    pub(super) shown: VecDeque<Box<str>>,
    /// Why one of the commands was refused that are for no filter.
    pub(super) refused: Option<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Suback(PacketId),
    Unsuback(PacketId),
    /// None: what the client has subscribed to before is begun again.
    Nothing,
}

/// One command, and which filter it is for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) command: CommandId,
    pub(super) at: usize,
    pub(super) subscription: SubscriptionId,
    pub(super) what: What,
    /// More may follow it.
    pub(super) share: Option<Box<Share>>,
}

/// What a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It begins or ends a subscription of the broker.
    Subscription,
    /// It binds the session's queue, and then a subscription is replaced.
    Bind {
        replaces: Option<SubscriptionId>,
        /// Whether what is retained is to be sent then.
        is_shown: bool,
    },
    /// Something for the whole packet.
    Other,
}

/// New filters of a SUBSCRIBE that subscriptions to have not begun, and count all the same.
#[derive(Debug, Default)]
pub(super) struct Coming<'a> {
    filters: BTreeSet<&'a str>,
    bytes: usize,
    levels: u32,
}

impl<'a> Coming<'a> {
    /// Adds one. Returns whether it was not among them.
    pub(super) fn insert(&mut self, filter: &'a str) -> bool {
        let is_new = self.filters.insert(filter);
        if is_new {
            self.bytes += filter.len();
            self.levels += levels_of(filter);
        }
        is_new
    }
}

impl Awaited {
    pub(super) const fn new(answer: Answer) -> Self {
        Self {
            answer,
            codes: Vec::new(),
            commands: BTreeMap::new(),
            next: None,
            shown: VecDeque::new(),
            refused: None,
        }
    }

    /// Whether this command is one of them.
    pub(super) fn covers(&self, id: CommandId) -> bool {
        self.commands.contains_key(&id)
    }

    /// Commands have been sent.
    pub(super) fn add(&mut self, all: impl IntoIterator<Item = Asked>) {
        let all = all.into_iter().map(|asked| (asked.command, asked));
        self.commands.extend(all);
    }
}

impl Asked {
    /// For the first filter.
    pub(super) const fn of(command: CommandId, subscription: SubscriptionId) -> Self {
        Self {
            command,
            at: 0,
            subscription,
            what: What::Subscription,
            share: None,
        }
    }

    /// For the whole packet.
    pub(super) fn other(command: CommandId) -> Self {
        Self {
            what: What::Other,
            ..Self::of(command, SubscriptionId(0))
        }
    }
}

impl Open {
    /// The answers come before anything else is read. [MQTT-3.8.4-1]
    pub(super) fn handle_subscribe(
        &mut self,
        link: &mut Link,
        subscribe: &Subscribe<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if self.is_kept() {
            return self.subscribe_kept(link, subscribe, out);
        }
        let identifier = subscribe.properties.subscription_identifiers().next();
        let mut awaited = Awaited::new(Answer::Suback(subscribe.packet_id));
        for (at, asked) in subscribe.subscriptions.iter().enumerate() {
            let reason = match self.refusal_of(link, &asked, &Coming::default()) {
                Some(reason) => reason,
                None => {
                    let begun = self.begin(link, &asked, identifier, out);
                    awaited.add(begun.map(|begun| Asked { at, ..begun }));
                    granted(asked.options.qos)
                }
            };
            awaited.codes.push(reason.code());
        }
        self.await_or_answer(awaited, out)
    }

    /// Why a subscription cannot be had, beside those that are to come.
    pub(super) fn refusal_of(
        &self,
        link: &Link,
        asked: &frame::Subscription<'_>,
        coming: &Coming<'_>,
    ) -> Option<SubscribeReason> {
        let filter = asked.filter.as_str();
        // The name of the queue is limited.
        let shared = asked.filter.shared();
        if shared.is_some_and(|(name, pattern)| share::queue_of(name, pattern).is_none()) {
            return Some(SubscribeReason::QuotaExceeded);
        }
        let limits = &link.limits;
        let is_new = self.subscriptions.id_of(filter).is_none() && !coming.filters.contains(filter);
        let bytes = self.subscriptions.filter_bytes() + coming.bytes + filter.len();
        let levels = levels_of(filter) as usize;
        let all_levels = (self.subscriptions.filter_levels() + coming.levels) as usize + levels;
        let is_over = is_new
            && (all_levels > limits.filter_levels_all_max
                || self.subscriptions.len() + coming.filters.len() >= limits.subscriptions_max
                || bytes > limits.filter_bytes_max)
            || levels > limits.filter_levels_max;
        is_over.then_some(SubscribeReason::QuotaExceeded)
    }

    /// Begins a subscription, or changes the one that there is to the filter. [MQTT-3.8.4-3]
    pub(super) fn begin(
        &mut self,
        link: &mut Link,
        asked: &frame::Subscription<'_>,
        identifier: Option<SubscriptionIdentifier>,
        out: &mut Out,
    ) -> Option<Asked> {
        match asked.filter.shared() {
            None => self.begin_own(link, asked, identifier, out),
            Some(shared) => self.begin_shared(link, asked, shared, identifier, out),
        }
    }

    /// One that is not shared.
    fn begin_own(
        &mut self,
        link: &mut Link,
        asked: &frame::Subscription<'_>,
        identifier: Option<SubscriptionIdentifier>,
        out: &mut Out,
    ) -> Option<Asked> {
        let filter = asked.filter.as_str();
        let options = asked.options;
        let before = self.subscriptions.id_of(filter);
        // [MQTT-3.3.1-9] to [MQTT-3.3.1-11]
        let retained = match (options.retain_handling, before) {
            (RetainHandling::Send, _) | (RetainHandling::SendIfNew, None) => Retained::Send,
            (RetainHandling::SendIfNew, Some(_)) | (RetainHandling::DoNotSend, _) => Retained::Skip,
        };
        let pattern = pattern_of(filter);
        if let Some(before) = before
            && let Some(subscription) = self.subscriptions.get_mut(before)
            && subscription.can_be(options)
        {
            subscription.change(options, identifier);
            return match retained {
                Retained::Skip => None,
                Retained::Send => {
                    let show = ShowRetained {
                        subscription: before,
                        pattern,
                        own_messages: subscription.own_messages,
                    };
                    let command = link.barrier(out, Command::ShowRetained(show));
                    Some(Asked::of(command, before))
                }
            };
        }
        let mut subscription = Subscription::new(options, identifier, skips_hidden(filter));
        let own_messages = subscription.own_messages;
        let settle_mode = subscription.settle_mode;
        let grant = subscription.grant(self.in_flight.limit());
        if let Some(before) = before
            && let Some(earlier) = self.subscriptions.get_mut(before)
        {
            if let Some(earliest) = earlier.replaces.take() {
                self.subscriptions.remove(earliest);
                link.submit(out, Command::Cancel(earliest));
            }
            subscription.replaces = Some(before);
        }
        let id = self.subscriptions.insert(filter, subscription);
        let source = Source::topic(pattern);
        let subscribe = broker_api::Subscribe {
            own_messages,
            retained,
            ..broker_api::Subscribe::new(id, source, settle_mode, grant)
        };
        let command = link.barrier(out, Command::Subscribe(Box::new(subscribe)));
        Some(Asked::of(command, id))
    }

    /// Begins a shared subscription, or changes the one that there is: any quality can be had by it. Nothing that is
    /// retained is sent.
    fn begin_shared(
        &mut self,
        link: &mut Link,
        asked: &frame::Subscription<'_>,
        (share_name, pattern): (&str, &str),
        identifier: Option<SubscriptionIdentifier>,
        out: &mut Out,
    ) -> Option<Asked> {
        let filter = asked.filter.as_str();
        let before = self.subscriptions.id_of(filter);
        if let Some(before) = before.and_then(|before| self.subscriptions.get_mut(before)) {
            before.change(asked.options, identifier);
            return None;
        }
        let queue = share::queue_of(share_name, pattern)?;
        let subscription = Subscription::shared(asked.options, identifier, skips_hidden(pattern));
        let id = self.subscriptions.insert(filter, subscription);
        let keeper = self.kept.as_ref().map(|kept| kept.subscription);
        let messages_max = link.limits.session_messages_max;
        let share = Share::new((queue, keeper), filter, pattern, messages_max);
        let command = link.barrier(out, share.declare());
        Some(Asked {
            share: Some(Box::new(share)),
            ..Asked::of(command, id)
        })
    }

    /// What follows an answer on the way to a shared subscription, if anything does.
    fn go_on(
        &mut self,
        link: &mut Link,
        asked: &mut Asked,
        refused: Option<&Refusal>,
        out: &mut Out,
    ) -> Option<CommandId> {
        let share = asked.share.as_mut()?;
        let command = match share.handle_answer(refused) {
            Next::Answered => return None,
            Next::Ask(command) => command,
            Next::Subscribe(queue) => {
                let id = self
                    .subscriptions
                    .renew(asked.subscription, &share.filter)?;
                asked.subscription = id;
                let grant = self
                    .subscriptions
                    .get_mut(id)?
                    .grant(self.in_flight.limit());
                let source = Source::Queue(queue);
                let mode = SettleMode::Explicit;
                let subscribe = broker_api::Subscribe::new(id, source, mode, grant);
                Command::Subscribe(Box::new(subscribe))
            }
        };
        Some(link.barrier(out, command))
    }

    /// The answers come before anything else is read. [MQTT-3.10.4-4]
    pub(super) fn handle_unsubscribe(
        &mut self,
        link: &mut Link,
        unsubscribe: &Unsubscribe<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if self.is_kept() {
            return self.unsubscribe_kept(link, unsubscribe, out);
        }
        // What was answered for a subscription counts before it ends.
        self.settling.flush(link, out);
        let mut awaited = Awaited::new(Answer::Unsuback(unsubscribe.packet_id));
        for (at, filter) in unsubscribe.filters.iter().enumerate() {
            let removed = self.subscriptions.remove_filter(filter.as_str());
            let reason = match removed {
                None => UnsubscribeReason::NoSubscriptionExisted,
                Some((id, subscription)) => {
                    if let Some(before) = subscription.replaces {
                        self.subscriptions.remove(before);
                        link.submit(out, Command::Cancel(before));
                    }
                    let command = link.barrier(out, Command::Cancel(id));
                    awaited.add([Asked {
                        at,
                        ..Asked::of(command, id)
                    }]);
                    UnsubscribeReason::Success
                }
            };
            awaited.codes.push(reason.code());
        }
        self.await_or_answer(awaited, out)
    }

    pub(super) fn await_or_answer(
        &mut self,
        awaited: Awaited,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let answer = answer_of(&awaited);
        // [MQTT-3.1.2-24]
        if answer.is_some_and(|it| it.packet_len(self.version) > self.packet_bytes_max) {
            return Err(Ending::AnswerTooLarge);
        }
        if awaited.commands.is_empty() {
            // Nothing was asked, so nothing follows.
            self.put_answer(&awaited, out);
        } else {
            self.awaited = Some(Box::new(awaited));
        }
        Ok(())
    }

    /// The broker has answered one of the commands that nothing is read before.
    pub(super) fn handle_awaited(
        &mut self,
        link: &mut Link,
        id: CommandId,
        refused: Option<&Refusal>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let Some(mut awaited) = self.awaited.take() else {
            return Ok(());
        };
        if let Some(mut asked) = awaited.commands.remove(&id) {
            match self.go_on(link, &mut asked, refused, out) {
                Some(command) => awaited.add([Asked { command, ..asked }]),
                None => self.handle_asked(link, &asked, refused, &mut awaited, out),
            }
        }
        if awaited.commands.is_empty()
            && let Some(next) = awaited.next.take()
        {
            self.go_on_kept(link, next, &mut awaited, out);
        }
        if awaited.commands.is_empty()
            && let Some(filter) = awaited.shown.pop_front()
        {
            let asked = self.show_kept(link, &filter, out);
            awaited.add(asked);
        }
        if awaited.commands.is_empty() {
            self.put_answer(&awaited, out);
            self.release_barrier(out);
            self.flush(link, out);
            // A client would not know that what it has subscribed to is not there.
            if let (Answer::Nothing, Some(refusal)) = (awaited.answer, awaited.refused) {
                return Err(Ending::Refused(refusal));
            }
        } else {
            self.awaited = Some(awaited);
        }
        Ok(())
    }

    /// The broker has answered a command, and nothing of its own follows.
    fn handle_asked(
        &mut self,
        link: &mut Link,
        asked: &Asked,
        refused: Option<&Refusal>,
        awaited: &mut Awaited,
        out: &mut Out,
    ) {
        let (at, subscription) = (asked.at, asked.subscription);
        let refused_code = refused.map(|refusal| refusal::subscribe(refusal).code());
        match (asked.what, refused_code) {
            (What::Subscription, Some(code)) => match awaited.answer {
                Answer::Suback(_) => {
                    awaited.codes[at] = code;
                    self.forget_refused(link, asked, out);
                }
                Answer::Unsuback(_) => {}
                Answer::Nothing => awaited.refused = refused.cloned(),
            },
            (What::Subscription, None) => {}
            (What::Bind { replaces, is_shown }, code) => {
                code.into_iter().for_each(|code| awaited.codes[at] = code);
                let bound = (subscription, replaces, is_shown);
                let shown = self.handle_bound(link, bound, refused, out);
                awaited.shown.extend(shown);
            }
            (What::Other, _) => awaited.refused = refused.cloned(),
        }
    }

    fn put_answer(&self, awaited: &Awaited, out: &mut Out) {
        if let Some(answer) = answer_of(awaited) {
            put(self.version, &answer, out);
        }
    }
}

/// The answer to a SUBSCRIBE or an UNSUBSCRIBE, if it is for one; its codes are those of reasons.
fn answer_of(awaited: &Awaited) -> Option<Packet<'_>> {
    let properties = Properties::NONE;
    Some(match awaited.answer {
        Answer::Suback(packet_id) => Packet::Suback(Suback {
            packet_id,
            properties,
            reasons: Reasons::new(&awaited.codes).ok()?,
        }),
        Answer::Unsuback(packet_id) => Packet::Unsuback(Unsuback {
            packet_id,
            properties,
            reasons: Reasons::new(&awaited.codes).ok()?,
        }),
        Answer::Nothing => return None,
    })
}

/// What is granted is what was asked for. [MQTT-3.8.4-8]
pub(super) const fn granted(qos: Qos) -> SubscribeReason {
    match qos {
        Qos::AtMostOnce => SubscribeReason::GrantedQos0,
        Qos::AtLeastOnce => SubscribeReason::GrantedQos1,
        Qos::ExactlyOnce => SubscribeReason::GrantedQos2,
    }
}
