//! What is on its way to one connection.

use crate::Node;
use crate::counters;
use crate::mailbox::{Control, Mailbox};
use crate::settings::{Settings, StalledPolicy};
use broker_api::{Event, Refusal};
use model::{ConnectionId, Instant, Message, SubscriptionId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What is on its way to one connection, with a budget in bytes.
///
/// Filled by executors (answers, deliveries from shared queues, within the room they asked for) and
/// by publishers (messages for topic subscriptions, whatever the room), drained by the connection.
/// A message counts against the budget until the transport has taken it.
///
/// **The stalled subscriber.** Over the budget, publishers are held until there is room, but not
/// longer than the subscriber's allowance (`hold` in any `hold_window`). After that, topic messages
/// that are still undrained are dropped by policy until the budget holds again.
///
/// Invariant: `bytes` <= budget + what one read batch of each publisher brings.
pub(crate) struct Outbox {
    connection: ConnectionId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Answers, and deliveries from shared queues.
    events: VecDeque<Event>,
    /// Messages for topic subscriptions; what may be dropped.
    direct: VecDeque<Direct>,
    /// What the messages in `events`, in `direct` and on the transport are charged with.
    bytes: usize,
    hold: Hold,
    /// The connection waits for something to drain.
    waker: Option<Waker>,
    /// Publishers wait for room.
    held: Vec<Waker>,
    /// Executors wait for room.
    starved: Vec<Arc<Mailbox>>,
    is_closed: bool,
}

/// A message for a topic subscription.
pub(crate) struct Direct {
    pub(crate) subscription: SubscriptionId,
    pub(crate) message: Message,
}

/// What a subscriber has used of its allowance to hold publishers.
#[derive(Default)]
struct Hold {
    /// Used, as of `at`; it is given back at the rate of `hold` per `hold_window` while nobody is held.
    used: Duration,
    at: Instant,
    /// Publishers are held since then.
    since: Option<Instant>,
}

impl Hold {
    /// When the allowance is used up, if publishers are held from now on.
    fn until(&mut self, now: Instant, settings: &Settings) -> Instant {
        self.settle(now, settings);
        now + settings.hold.saturating_sub(self.used)
    }

    /// Accounts for the time since the last call.
    fn settle(&mut self, now: Instant, settings: &Settings) {
        let passed = now.since(self.at);
        self.at = now;
        if let Some(since) = &mut self.since {
            self.used += now.since(*since);
            *since = now;
        } else {
            let window = settings.hold_window.as_secs_f64().max(f64::MIN_POSITIVE);
            let given_back = passed.mul_f64(settings.hold.as_secs_f64() / window);
            self.used = self.used.saturating_sub(given_back);
        }
    }
}

/// Whether a publisher may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    None,
    /// It is to wait for room.
    Hold,
}

impl Outbox {
    pub(crate) fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            state: Mutex::default(),
        }
    }

    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Pushes answers and deliveries, which are charged with `bytes`, and leaves the list empty.
    pub(crate) fn push(&self, events: &mut Vec<Event>, bytes: usize) {
        let mut state = self.state.lock();
        if state.is_closed {
            events.clear();
            return;
        }
        state.bytes += bytes;
        state.events.extend(events.drain(..));
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Pushes messages for a topic subscription.
    pub(crate) fn push_direct(
        &self,
        node: &Node,
        now: Instant,
        subscription: SubscriptionId,
        messages: &[Message],
    ) -> Pressure {
        let mut state = self.state.lock();
        if state.is_closed {
            return Pressure::None;
        }
        for message in messages {
            state.bytes += message.cost_bytes();
            state.direct.push_back(Direct {
                subscription,
                message: message.clone(),
            });
        }
        let waker = state.waker.take();
        let mut pressure = Pressure::None;
        if state.bytes > node.settings.outbox_bytes {
            pressure = state.hold_or_shed(node, now);
        }
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        pressure
    }

    /// Ready when a held publisher may go on. Pending with the moment at which it may in any case.
    pub(crate) fn poll_room(
        &self,
        node: &Node,
        now: Instant,
        cx: &Context<'_>,
    ) -> Result<(), Instant> {
        let mut state = self.state.lock();
        if state.is_closed || state.bytes <= node.settings.outbox_bytes {
            return Ok(());
        }
        if state.hold_or_shed(node, now) == Pressure::None {
            return Ok(());
        }
        if !state.held.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.held.push(cx.waker().clone());
        }
        Err(state.hold.until(now, &node.settings))
    }

    /// The bytes that deliveries from shared queues may still bring. If none, the mailbox is told
    /// when there are some.
    pub(crate) fn room(&self, node: &Node, mailbox: &Arc<Mailbox>) -> usize {
        let mut state = self.state.lock();
        let room = node.settings.outbox_bytes.saturating_sub(state.bytes);
        if room == 0
            && !state
                .starved
                .iter()
                .any(|known| Arc::ptr_eq(known, mailbox))
        {
            state.starved.push(Arc::clone(mailbox));
        }
        room
    }

    /// Moves out what is there, up to about `bytes_max`. Pending, with the waker kept, if nothing is.
    pub(crate) fn poll_drain(
        &self,
        cx: &Context<'_>,
        bytes_max: usize,
        events: &mut Vec<Event>,
        direct: &mut Vec<Direct>,
    ) -> Poll<()> {
        let mut state = self.state.lock();
        if state.events.is_empty() && state.direct.is_empty() {
            if state
                .waker
                .as_ref()
                .is_none_or(|known| !known.will_wake(cx.waker()))
            {
                state.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(event) = state.events.pop_front()
        {
            if let Event::Delivery(delivery) = &event {
                bytes += delivery.message.cost_bytes();
            }
            events.push(event);
        }
        while bytes < bytes_max
            && let Some(entry) = state.direct.pop_front()
        {
            bytes += entry.message.cost_bytes();
            direct.push(entry);
        }
        Poll::Ready(())
    }

    /// The transport has taken messages charged with `bytes`.
    pub(crate) fn release(&self, node: &Node, now: Instant, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        let (held, starved) = state.wake_for_room(node, now);
        drop(state);
        self.wake(held, starved);
    }

    /// The connection has ended: what is there is dropped and nothing more is taken.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.events = VecDeque::new();
        state.direct = VecDeque::new();
        let held = std::mem::take(&mut state.held);
        state.starved.clear();
        drop(state);
        held.into_iter().for_each(Waker::wake);
    }

    fn wake(&self, held: Vec<Waker>, starved: Vec<Arc<Mailbox>>) {
        held.into_iter().for_each(Waker::wake);
        for mailbox in starved {
            mailbox.post(&mut vec![Control::Room(self.connection)]);
        }
    }
}

impl State {
    /// Over the budget: holds the publisher while the subscriber's allowance lasts, then sheds.
    fn hold_or_shed(&mut self, node: &Node, now: Instant) -> Pressure {
        if self.hold.until(now, &node.settings) > now {
            self.hold.since.get_or_insert(now);
            return Pressure::Hold;
        }
        self.hold.since = None;
        self.shed(node);
        Pressure::None
    }

    fn shed(&mut self, node: &Node) {
        let budget = node.settings.outbox_bytes;
        let policy = node.settings.when_stalled;
        let mut dropped_count = 0;
        while self.bytes > budget {
            let dropped = match policy {
                StalledPolicy::DropOldest | StalledPolicy::Disconnect => self.direct.pop_front(),
                StalledPolicy::DropNewest => self.direct.pop_back(),
            };
            let Some(dropped) = dropped else { break };
            self.bytes -= dropped.message.cost_bytes();
            dropped_count += 1;
        }
        counters::add(&node.counters.dropped, dropped_count);
        counters::add(&node.counters.stalls, 1);
        if policy == StalledPolicy::Disconnect
            && !self
                .events
                .iter()
                .any(|event| matches!(event, Event::Disconnect(_)))
        {
            self.events.push_front(Event::Disconnect(Refusal::Stalled));
        }
    }

    /// Who is to be woken because there is room.
    fn wake_for_room(&mut self, node: &Node, now: Instant) -> (Vec<Waker>, Vec<Arc<Mailbox>>) {
        let budget = node.settings.outbox_bytes;
        let mut held = Vec::new();
        let mut starved = Vec::new();
        if self.bytes <= budget && self.hold.since.is_some() {
            self.hold.settle(now, &node.settings);
            self.hold.since = None;
            held = std::mem::take(&mut self.held);
        }
        if self.bytes <= budget / 2 {
            starved = std::mem::take(&mut self.starved);
        }
        (held, starved)
    }
}
