//! SUBSCRIBE and UNSUBSCRIBE of a session that outlives its connection.
//!
//! A subscription is noted, and then bound or begun; it is unbound or ended, and then forgotten. Each step waits for the
//! one before: what a crash leaves between is made again when the session is gone on with.

use super::{Subscribed, subscribed, unsubscribed};
use crate::frame::{
    self, RetainHandling, Subscribe, Text, TopicFilter, Unsubscribe, UnsubscribeReason,
};
use crate::refusal;
use crate::session::Link;
use crate::session::ending::Ending;
use crate::session::open::Open;
use crate::session::share;
use crate::session::subscribe::{Answer, Asked, Awaited, Coming, What, granted};
use crate::session::subscriptions::Subscription;
use crate::translate::{pattern_of, skips_hidden};
use broker_api::{
    Bind, BindTo, Command, Keep, Note, Notes, Out, OwnMessages, QueueRetained, Refusal,
};
use model::{Arguments, BindingKey, ExchangeName, SubscriptionId};
use std::collections::{BTreeSet, VecDeque};

/// The highest quality of a shared subscription: what a client has not answered when its connection ends goes to other
/// members, which must not be with QoS 2. [MQTT-4.8.2-4], §3.9.3
const SHARED_QOS_MAX: frame::Qos = frame::Qos::AtLeastOnce;

/// What follows when all commands so far are answered.
#[derive(Debug)]
pub(in crate::session) enum Next {
    /// Subscriptions that are noted are bound or begun.
    Begin(Vec<Noted>),
    /// Subscriptions that have ended are forgotten.
    Forget(Vec<Note>),
}

/// A subscription that is noted.
#[derive(Debug)]
pub(in crate::session) struct Noted {
    /// Its place in the packet.
    at: usize,
    filter: Box<str>,
    it: Subscribed,
    /// Whether what is retained is sent. [MQTT-3.3.1-9] to [MQTT-3.3.1-11]
    is_shown: bool,
}

impl Open {
    /// Notes what is asked for; the rest follows when that is durable.
    pub(in crate::session) fn subscribe_kept(
        &mut self,
        link: &mut Link,
        subscribe: &Subscribe<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let identifier = subscribe.properties.subscription_identifiers().next();
        // What came before goes first.
        self.flush(link, out);
        let mut awaited = Awaited::new(Answer::Suback(subscribe.packet_id));
        let (mut noted, mut entries) = (Vec::new(), Vec::new());
        let mut bound = BTreeSet::new();
        let mut new = Coming::default();
        for (at, asked) in subscribe.subscriptions.iter().enumerate() {
            let filter = asked.filter.as_str();
            let is_shared = asked.filter.shared().is_some();
            let reason = match self.refusal_of(link, &asked, &new) {
                Some(reason) => reason,
                None => {
                    let options = frame::SubscriptionOptions {
                        qos: match is_shared {
                            true => asked.options.qos.min(SHARED_QOS_MAX),
                            false => asked.options.qos,
                        },
                        ..asked.options
                    };
                    // What has been bound stays so: it can send what need not be answered, too.
                    let is_bound = !is_shared
                        && (options.qos > frame::Qos::AtMostOnce
                            || bound.contains(filter)
                            || self.subscriptions.is_bound(filter));
                    if is_bound {
                        bound.insert(filter);
                    }
                    let it = Subscribed {
                        options,
                        identifier,
                        is_bound,
                    };
                    entries.push(subscribed(filter, &it));
                    let is_new = self.subscriptions.id_of(filter).is_none() && new.insert(filter);
                    let is_shown = match options.retain_handling {
                        RetainHandling::Send => true,
                        RetainHandling::SendIfNew => is_new,
                        RetainHandling::DoNotSend => false,
                    };
                    let filter = filter.into();
                    noted.push(Noted {
                        at,
                        filter,
                        it,
                        is_shown,
                    });
                    granted(options.qos)
                }
            };
            awaited.codes.push(reason.code());
        }
        if !entries.is_empty() {
            self.note_first(link, entries, &mut awaited, out);
            awaited.next = Some(Next::Begin(noted));
        }
        self.await_or_answer(awaited, out)
    }

    fn note_first(
        &self,
        link: &mut Link,
        entries: Vec<Note>,
        awaited: &mut Awaited,
        out: &mut Out,
    ) {
        let Some(kept) = &self.kept else { return };
        let notes = Notes {
            subscription: kept.subscription,
            entries,
            accepted: Vec::new(),
        };
        let command = link.barrier(out, Command::Note(Box::new(notes)));
        awaited.add([Asked::other(command)]);
    }

    /// What follows, once all commands so far have been answered.
    pub(in crate::session) fn go_on_kept(
        &mut self,
        link: &mut Link,
        next: Next,
        awaited: &mut Awaited,
        out: &mut Out,
    ) {
        match next {
            Next::Begin(noted) => {
                if let Some(refusal) = awaited.refused.take() {
                    for Noted { at, .. } in noted {
                        awaited.codes[at] = refusal::subscribe(&refusal).code();
                    }
                    return;
                }
                for noted in noted {
                    let asked = self.begin_noted(link, &noted, &mut awaited.shown, out);
                    awaited.add(asked);
                }
            }
            Next::Forget(entries) => {
                if !entries.is_empty() {
                    self.note_first(link, entries, awaited, out);
                }
            }
        }
    }

    /// Binds or begins a subscription that is noted, unless it is there and only changes.
    fn begin_noted(
        &mut self,
        link: &mut Link,
        noted: &Noted,
        shown: &mut VecDeque<Box<str>>,
        out: &mut Out,
    ) -> Option<Asked> {
        let Noted {
            at,
            filter,
            it,
            is_shown,
        } = noted;
        let at = *at;
        if !it.is_bound {
            let filter = TopicFilter::new(Text::new(filter).ok()?).ok()?;
            let asked = frame::Subscription {
                filter,
                options: it.options,
            };
            let begun = self.begin(link, &asked, it.identifier, out)?;
            return Some(Asked { at, ..begun });
        }
        let Some((subscription, replaces)) = self.add_bound(filter, it) else {
            shown.extend(is_shown.then(|| filter.clone()));
            return None;
        };
        let bind = self.bind_of(filter)?;
        let command = link.barrier(out, Command::Bind(Box::new(bind)));
        let what = What::Bind {
            replaces,
            is_shown: *is_shown,
        };
        Some(Asked {
            at,
            what,
            ..Asked::of(command, subscription)
        })
    }

    /// Puts what is retained for a filter into the session's queue.
    pub(in crate::session) fn show_kept(
        &self,
        link: &mut Link,
        filter: &str,
        out: &mut Out,
    ) -> Option<Asked> {
        let queue = self.kept.as_ref()?.queue.clone();
        let pattern = pattern_of(filter);
        let show = Command::QueueRetained(Box::new(QueueRetained { queue, pattern }));
        Some(Asked::other(link.barrier(out, show)))
    }

    /// Adds a subscription that is bound; none if it is there, and has only been changed. Returns it with the one that
    /// it replaces, which is the broker's.
    pub(in crate::session) fn add_bound(
        &mut self,
        filter: &str,
        it: &Subscribed,
    ) -> Option<(SubscriptionId, Option<SubscriptionId>)> {
        if let Some(kept) = &mut self.kept {
            kept.filters.note_change();
        }
        let before = self.subscriptions.id_of(filter);
        if let Some(subscription) = before.and_then(|id| self.subscriptions.get(id))
            && subscription.is_bound()
        {
            self.subscriptions.change_bound(before?, it);
            return None;
        }
        let new = Subscription::new(it.options, it.identifier, skips_hidden(filter));
        let id = self.subscriptions.insert(filter, new.bound());
        Some((id, before))
    }

    /// The binding of a filter to the session's queue.
    pub(in crate::session) fn bind_of(&self, filter: &str) -> Option<Bind> {
        let kept = self.kept.as_ref()?;
        Some(Bind {
            source: ExchangeName::topic(),
            destination: BindTo::Queue(kept.queue.clone()),
            key: BindingKey::Pattern(pattern_of(filter)),
            arguments: Arguments::default(),
        })
    }

    /// A binding is made, or refused: then the subscription before it goes on, if there was one. Returns the filter
    /// if what is retained is to be sent for it.
    pub(in crate::session) fn handle_bound(
        &mut self,
        link: &mut Link,
        (subscription, replaces, is_shown): (SubscriptionId, Option<SubscriptionId>, bool),
        refused: Option<&Refusal>,
        out: &mut Out,
    ) -> Option<Box<str>> {
        let filter = self.subscriptions.filter_of(subscription)?;
        if refused.is_none() {
            if let Some(before) = replaces {
                self.subscriptions.remove(before);
                link.submit(out, Command::Cancel(before));
            }
            return is_shown.then_some(filter);
        }
        self.subscriptions.remove(subscription);
        let kept = self.kept.as_mut()?;
        kept.filters.note_change();
        let before = replaces.and_then(|id| self.subscriptions.get(id).map(|it| (id, it)));
        match before {
            Some((id, before)) => {
                let it = before.noted();
                self.subscriptions.lead_to(&filter, id);
                kept.noting.add(subscribed(&filter, &it), None);
            }
            None => {
                self.subscriptions.remove_filter(&filter);
                kept.noting.add(unsubscribed(&filter), None);
            }
        }
        None
    }

    /// Ends subscriptions; they are forgotten when that is done.
    pub(in crate::session) fn unsubscribe_kept(
        &mut self,
        link: &mut Link,
        unsubscribe: &Unsubscribe<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        self.flush(link, out);
        let mut awaited = Awaited::new(Answer::Unsuback(unsubscribe.packet_id));
        let mut entries = Vec::new();
        for filter in unsubscribe.filters.iter() {
            let filter = filter.as_str();
            let reason = match self.subscriptions.remove_filter(filter) {
                None => UnsubscribeReason::NoSubscriptionExisted,
                Some((id, subscription)) => {
                    entries.push(unsubscribed(filter));
                    if let Some(before) = subscription.replaces {
                        self.subscriptions.remove(before);
                        link.submit(out, Command::Cancel(before));
                    }
                    let unbind = self.bind_of(filter).filter(|_| subscription.is_bound());
                    let command = match unbind {
                        Some(bind) => Command::Unbind(Box::new(bind)),
                        None => Command::Cancel(id),
                    };
                    for command in [Some(command), self.let_go_of(filter)]
                        .into_iter()
                        .flatten()
                    {
                        let command = link.barrier(out, command);
                        awaited.add([Asked::other(command)]);
                    }
                    UnsubscribeReason::Success
                }
            };
            awaited.codes.push(reason.code());
        }
        if let Some(kept) = &mut self.kept {
            kept.filters.note_change();
        }
        awaited.next = Some(Next::Forget(entries));
        self.await_or_answer(awaited, out)
    }
}

impl Open {
    /// What ends that the queue of a shared subscription is kept by the session's.
    fn let_go_of(&self, filter: &str) -> Option<Command> {
        let (share_name, pattern) = TopicFilter::new(Text::new(filter).ok()?).ok()?.shared()?;
        let queue = share::queue_of(share_name, pattern)?;
        let keeper = self.kept.as_ref()?.subscription;
        Some(Command::LetGo(Box::new(Keep { queue, keeper })))
    }

    /// The broker has refused a subscription: the one before it goes on, if there was one.
    pub(in crate::session) fn forget_refused(
        &mut self,
        link: &mut Link,
        asked: &Asked,
        out: &mut Out,
    ) {
        let filter = self.subscriptions.filter_of(asked.subscription);
        self.subscriptions.forget(asked.subscription);
        let (Some(kept), Some(filter)) = (&mut self.kept, filter) else {
            return;
        };
        let before = self.subscriptions.id_of(&filter);
        let note = match before.and_then(|id| self.subscriptions.get(id)) {
            Some(before) => subscribed(&filter, &before.noted()),
            None => unsubscribed(&filter),
        };
        kept.noting.add(note, None);
        if let Some(let_go) = asked.share.as_ref().and_then(|share| share.let_go()) {
            link.submit(out, let_go);
        }
    }
}

/// What is noted of a subscription that is the broker's.
impl Subscription {
    fn noted(&self) -> Subscribed {
        Subscribed {
            options: frame::SubscriptionOptions {
                qos: self.qos,
                no_local: self.own_messages == OwnMessages::Skip,
                retain_as_published: self.retain_as_published,
                ..frame::SubscriptionOptions::default()
            },
            identifier: self.identifier,
            is_bound: self.is_bound(),
        }
    }
}
