//! What is on its way to one connection.

use crate::Node;
use crate::counters;
use crate::event_bytes::{answer_bytes, confirm_bytes, event_bytes};
use crate::hold::Hold;
use crate::mailbox::{Control, Mailbox};
use crate::routes::PrivateQueueId;
use crate::settings::StalledPolicy;
use broker_api::{Event, Refusal};
use model::{CommandId, ConnectionId, Instant, Message, SubscriptionId};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

/// The most bytes that an executor reserves at once.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// What is on its way to one connection, with a budget in bytes.
///
/// Filled by executors (answers, and deliveries from shared queues within room that they reserve) and
/// by publishers (messages for topic subscriptions, whatever the room), drained by the connection.
/// A message counts against the budget until the transport has taken it. An answer does not; the
/// connection asks what the answers count as before it admits more that is answered.
///
/// **The stalled subscriber.** Over the budget, publishers are held until there is room, but not
/// longer than the subscriber's allowance (`hold` in any `hold_window`). After that, topic messages
/// that are still undrained are dropped by policy until the budget holds again.
///
/// Invariant: `bytes` <= budget + one message + what one read batch of each publisher brings.
pub(crate) struct Outbox {
    connection: ConnectionId,
    /// Whether it was told that its publishes wait.
    is_blocked: AtomicBool,
    /// What the answers in the state's `events` count as. Written under its lock.
    answer_bytes: AtomicUsize,
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
    /// What executors keep for deliveries of the step that they are in.
    reserved: usize,
    /// How long this subscriber has held publishers.
    hold: Hold,
    /// The connection waits for something to drain, or to be cut.
    waker: Option<Waker>,
    /// Publishers wait for room.
    held: Vec<Waker>,
    /// Executors wait for room.
    starved: Vec<Arc<Mailbox>>,
    /// Why the connection is to be ended, if it is: by the policy for stalled subscribers, because another has its
    /// identity, or because its user is gone.
    cut: Option<Refusal>,
    is_closed: bool,
}

/// A message that a publisher pushed.
pub(crate) struct Direct {
    pub(crate) to: DirectTo,
    pub(crate) message: Message,
}

/// What a publisher pushes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DirectTo {
    /// A subscription without a queue.
    Subscription(SubscriptionId),
    /// A queue of the connection's own.
    Queue(PrivateQueueId),
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
            is_blocked: AtomicBool::new(false),
            answer_bytes: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    /// Notes whether it is told that its publishes wait; returns whether it was.
    pub(crate) fn set_blocked(&self, is_blocked: bool) -> bool {
        self.is_blocked.swap(is_blocked, Ordering::AcqRel)
    }

    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    /// What the answers count as that are not drained.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes.load(Ordering::Relaxed)
    }

    /// Pushes answers and leaves the list empty.
    pub(crate) fn push(&self, events: &mut Vec<Event>) {
        let answers = events.iter().map(answer_bytes).sum();
        self.push_reserved(events, answers, 0, 0);
    }

    /// Confirms commands.
    pub(crate) fn confirm(&self, commands: &[CommandId]) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        let events = commands.iter().copied().map(Event::Confirmed);
        state.events.extend(events);
        self.count_answers(&state, confirm_bytes(commands.len()), 0);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Pushes answers, which count as `answers`, and deliveries, which are charged with `bytes`, gives
    /// back what was `reserved` for these, and leaves the list empty.
    pub(crate) fn push_reserved(
        &self,
        events: &mut Vec<Event>,
        answers: usize,
        bytes: usize,
        reserved: usize,
    ) {
        if events.is_empty() && reserved == 0 {
            return;
        }
        let mut state = self.state.lock();
        state.reserved -= reserved;
        if state.is_closed {
            events.clear();
            return;
        }
        state.bytes += bytes;
        self.count_answers(&state, answers, 0);
        let is_empty = events.is_empty();
        state.events.extend(events.drain(..));
        let waker = if is_empty { None } else { state.waker.take() };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Keeps room for deliveries from shared queues. If there is none, the mailbox is told when there
    /// is some again.
    pub(crate) fn reserve(&self, node: &Node, mailbox: &Arc<Mailbox>) -> usize {
        let mut state = self.state.lock();
        let room = node
            .settings
            .outbox_bytes
            .saturating_sub(state.bytes + state.reserved);
        let reserved = room.min(RESERVED_BYTES_MAX);
        state.reserved += reserved;
        if reserved == 0
            && !state
                .starved
                .iter()
                .any(|known| Arc::ptr_eq(known, mailbox))
        {
            state.starved.push(Arc::clone(mailbox));
        }
        reserved
    }

    /// Pushes messages for a subscription without a queue, or for a queue of the connection's own.
    pub(crate) fn push_direct(
        &self,
        node: &Node,
        now: Instant,
        to: DirectTo,
        messages: &[Message],
    ) -> Pressure {
        let mut state = self.state.lock();
        if state.is_closed || state.cut.is_some() {
            return Pressure::None;
        }
        for message in messages {
            state.bytes += message.cost_bytes();
            state.direct.push_back(Direct {
                to,
                message: message.clone(),
            });
        }
        let waker = state.waker.take();
        let pressure = if state.bytes <= node.settings.outbox_bytes {
            Pressure::None
        } else if state.hold_or_shed(node, now).is_some() {
            Pressure::Hold
        } else {
            Pressure::None
        };
        self.let_go(state, node, now);
        waker.into_iter().for_each(Waker::wake);
        pressure
    }

    /// Whether a held publisher may go on; if not, the moment at which it may in any case.
    pub(crate) fn poll_room(
        &self,
        node: &Node,
        now: Instant,
        cx: &Context<'_>,
    ) -> Result<(), Instant> {
        let mut state = self.state.lock();
        if state.is_closed || state.cut.is_some() || state.bytes <= node.settings.outbox_bytes {
            return Ok(());
        }
        if let Some(until) = state.hold_or_shed(node, now) {
            if !state.held.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.held.push(cx.waker().clone());
            }
            return Err(until);
        }
        self.let_go(state, node, now);
        Ok(())
    }

    /// A publisher does not wait any longer, whatever this subscriber's allowance.
    pub(crate) fn stop_holding(&self, node: &Node, now: Instant) {
        let mut state = self.state.lock();
        if !state.is_closed && state.bytes > node.settings.outbox_bytes {
            state.shed(node);
        }
        self.let_go(state, node, now);
    }

    /// Moves out what is there, up to about `bytes_max`, both kinds in turn. Pending, with the waker
    /// kept, if nothing is.
    pub(crate) fn poll_drain(
        &self,
        cx: &Context<'_>,
        bytes_max: usize,
        events: &mut Vec<Event>,
        direct: &mut Vec<Direct>,
    ) -> Poll<()> {
        let mut state = self.state.lock();
        if state.events.is_empty() && state.direct.is_empty() {
            state.keep_waker(cx);
            return Poll::Pending;
        }
        let is_shared = !state.events.is_empty() && !state.direct.is_empty();
        let share = if is_shared { bytes_max / 2 } else { bytes_max };
        let answers = state.drain_events(share, events);
        self.count_answers(&state, 0, answers);
        state.drain_direct(share, direct);
        Poll::Ready(())
    }

    /// Moves out what is there for queues of the connection's own, and nothing else.
    pub(crate) fn take_for_queues(&self) -> VecDeque<Direct> {
        let is_for_queue = |direct: &Direct| matches!(direct.to, DirectTo::Queue(_));
        let mut state = self.state.lock();
        if !state.direct.iter().any(is_for_queue) {
            return VecDeque::new();
        }
        let all = std::mem::take(&mut state.direct).into_iter();
        let (taken, left) = all.partition(is_for_queue);
        state.direct = left;
        taken
    }

    /// Ready when the connection is to be ended. Pending with the waker kept.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<Refusal> {
        let mut state = self.state.lock();
        if let Some(refusal) = &state.cut {
            return Poll::Ready(refusal.clone());
        }
        state.keep_waker(cx);
        Poll::Pending
    }

    /// The connection is to be ended, whatever waits to be sent on it: another has its identity, or its user is gone.
    pub(crate) fn end(&self, refusal: &Refusal) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        state.cut = Some(refusal.clone());
        // Asked for one or for the other, depending on whether its transport takes anything.
        let event = Event::Disconnect(refusal.clone());
        self.count_answers(&state, answer_bytes(&event), 0);
        state.events.push_front(event);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The transport has taken messages charged with `bytes`.
    pub(crate) fn release(&self, node: &Node, now: Instant, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        self.let_go(state, node, now);
    }

    /// The connection has ended: what is there is dropped and nothing more is taken.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.events = VecDeque::new();
        self.answer_bytes.store(0, Ordering::Relaxed);
        state.direct = VecDeque::new();
        let held = std::mem::take(&mut state.held);
        state.starved.clear();
        drop(state);
        held.into_iter().for_each(Waker::wake);
    }

    /// Counts answers that have come, or gone. The lock keeps others from it, so that it costs no more than to store it.
    fn count_answers(&self, _: &State, come: usize, gone: usize) {
        if come != gone {
            let bytes = self.answer_bytes() + come;
            self.answer_bytes.store(bytes - gone, Ordering::Relaxed);
        }
    }

    /// Unlocks, and wakes who waited for what room there is now.
    fn let_go(&self, mut state: MutexGuard<'_, State>, node: &Node, now: Instant) {
        let budget = node.settings.outbox_bytes;
        let mut held = Vec::new();
        let mut starved = Vec::new();
        if state.bytes <= budget && state.hold.is_holding() {
            state.hold.end(now, &node.settings);
            held = std::mem::take(&mut state.held);
        }
        if state.bytes + state.reserved <= budget / 2 {
            starved = std::mem::take(&mut state.starved);
        }
        // A connection that is to be cut waits for its transport; it is told in spite of that.
        let cut = if state.cut.is_some() {
            state.waker.take()
        } else {
            None
        };
        drop(state);
        held.into_iter().chain(cut).for_each(Waker::wake);
        for mailbox in starved {
            mailbox.post(&mut vec![Control::Room(self.connection)]);
        }
    }
}

impl State {
    fn keep_waker(&mut self, cx: &Context<'_>) {
        if self
            .waker
            .as_ref()
            .is_none_or(|known| !known.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// Over the budget: the moment until which publishers are held, or sheds if there is none.
    fn hold_or_shed(&mut self, node: &Node, now: Instant) -> Option<Instant> {
        let was_holding = self.hold.is_holding();
        let until = self.hold.begin(now, &node.settings);
        if until.is_none() {
            counters::add(&node.counters.stalls, usize::from(was_holding));
            self.shed(node);
        }
        until
    }

    /// Returns what the answers among what is drained count as.
    fn drain_events(&mut self, mut bytes_left: usize, events: &mut Vec<Event>) -> usize {
        let mut answers = 0;
        while bytes_left > 0
            && let Some(event) = self.events.pop_front()
        {
            let bytes = event_bytes(&event);
            bytes_left = bytes_left.saturating_sub(bytes);
            if !matches!(event, Event::Delivery(_)) {
                answers += bytes;
            }
            events.push(event);
        }
        answers
    }

    fn drain_direct(&mut self, mut bytes_left: usize, direct: &mut Vec<Direct>) {
        while bytes_left > 0
            && let Some(entry) = self.direct.pop_front()
        {
            bytes_left = bytes_left.saturating_sub(entry.message.cost_bytes());
            direct.push(entry);
        }
    }

    /// Drops by policy until the budget holds, but not the only message there is.
    fn shed(&mut self, node: &Node) {
        let budget = node.settings.outbox_bytes;
        let policy = node.settings.when_stalled;
        let mut dropped_count = 0;
        while self.bytes > budget
            && let Some(first) = self.direct.front()
            && first.message.cost_bytes() < self.bytes
        {
            let dropped = match policy {
                StalledPolicy::DropOldest | StalledPolicy::Disconnect => self.direct.pop_front(),
                StalledPolicy::DropNewest => self.direct.pop_back(),
            };
            let Some(dropped) = dropped else { break };
            self.bytes -= dropped.message.cost_bytes();
            dropped_count += 1;
        }
        counters::add(&node.counters.dropped, dropped_count);
        if policy == StalledPolicy::Disconnect {
            self.cut = Some(Refusal::Stalled);
        }
    }
}
