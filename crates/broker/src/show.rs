//! What is retained, shown to subscriptions of a connection and put into queues. `crate::retained` tells the order.

use crate::Node;
use crate::connection::{Connection, Subscription};
use crate::counters;
use crate::hand_over::direct_delivery;
use crate::head::MessageFilter;
use crate::mailbox::{Control, Filling};
use crate::outbox::DirectTo;
use crate::private::PrivateQueue;
use crate::retained::{KeyPattern, Place, Shown};
use crate::routes::{PrivateQueueId, QueueRoute};
use crate::transaction::Asker;
use broker_api::{Event, OwnMessages, QueueRetained, Refusal, ShowRetained};
use model::{BindingKey, CommandId, ConnectionId, Instant, Message, Pattern, SubscriptionId};
use queue::Filter as _;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// Subscriptions that are being shown what is retained. Boxed: most connections have none for most of the time.
#[derive(Default)]
pub(crate) struct Showings(Option<Box<Begun>>);

/// Those there are, by where they are pushed to.
#[derive(Default)]
struct Begun {
    by_place: BTreeMap<DirectTo, Showing>,
    /// Each of them once.
    turns: VecDeque<DirectTo>,
}

/// A subscription that is being shown what is retained.
pub(crate) struct Showing {
    pattern: KeyPattern,
    filter: Option<Arc<MessageFilter>>,
    own_messages: OwnMessages,
    /// Where to go on looking; none if all has been shown.
    next: Option<Place>,
    /// Found, and not shown for want of room.
    found: VecDeque<Message>,
    /// What was published meanwhile, in order; charged to the outbox.
    waiting: VecDeque<Message>,
}

impl Showing {
    pub(crate) fn new(pattern: &Pattern, own_messages: OwnMessages) -> Self {
        Self {
            pattern: KeyPattern::new(pattern),
            filter: None,
            own_messages,
            next: Some(Bound::Unbounded),
            found: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn with_filter(self, filter: Option<Arc<MessageFilter>>) -> Self {
        Self { filter, ..self }
    }

    /// Looks for what it is shown next, up to about `bytes_max`.
    fn look(&mut self, node: &Node, now: Instant, reader: ConnectionId, bytes_max: usize) {
        let Some(from) = self.next.take() else {
            return;
        };
        let (found, next) = node.retained.look(now, &self.pattern, &from, bytes_max);
        self.next = next;
        for found in found {
            let matching = found.matching(now, &self.pattern);
            let taken = matching.filter(|shown| self.takes(shown, reader));
            self.found.extend(taken.map(|shown| shown.message));
        }
    }

    /// Whether all has been shown.
    fn is_over(&self) -> bool {
        self.next.is_none() && self.found.is_empty()
    }

    fn takes(&self, shown: &Shown, reader: ConnectionId) -> bool {
        let is_own = shown.publisher == Some(reader);
        let is_barred = is_own && self.own_messages == OwnMessages::Skip;
        let filter = self.filter.as_ref();
        !is_barred && filter.is_none_or(|filter| filter.ask(&shown.message).is_match)
    }
}

impl Showings {
    /// Begins to show; if that is under way already, from the start.
    pub(crate) fn begin(&mut self, to: DirectTo, showing: Showing) {
        let begun = self.0.get_or_insert_default();
        if let Some(before) = begun.by_place.get_mut(&to) {
            before.next = Some(Bound::Unbounded);
            return;
        }
        begun.by_place.insert(to, showing);
        begun.turns.push_back(to);
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |begun| begun.turns.len())
    }

    /// The one whose turn it is, taken out.
    fn pop(&mut self) -> Option<(DirectTo, Showing)> {
        let to = self.0.as_mut()?.turns.pop_front()?;
        let showing = self.take(to)?;
        Some((to, showing))
    }

    /// Takes one out that has no turn, or whose turn is to be passed over.
    fn take(&mut self, to: DirectTo) -> Option<Showing> {
        let begun = self.0.as_mut()?;
        let showing = begun.by_place.remove(&to)?;
        begun.turns.retain(|turn| *turn != to);
        if begun.by_place.is_empty() {
            self.0 = None;
        }
        Some(showing)
    }

    /// Keeps a message that was published meanwhile behind what is shown; gives it back if nothing is.
    pub(crate) fn hold_back(&mut self, to: DirectTo, message: Message) -> Option<Message> {
        let Some(begun) = &mut self.0 else {
            return Some(message);
        };
        match begun.by_place.get_mut(&to) {
            Some(showing) if message.envelope().delay_ms == 0 => {
                showing.waiting.push_back(message);
                None
            }
            Some(_) | None => Some(message),
        }
    }
}

impl Connection {
    /// Shows a subscription once more what is retained.
    pub(crate) fn show_retained(&mut self, command: CommandId, show: &ShowRetained) {
        let queue = match self.subscriptions.get(&show.subscription) {
            Some(Subscription::Direct { .. }) => None,
            Some(Subscription::Private {
                queue,
                is_own: true,
            }) => Some(*queue),
            Some(Subscription::Queue { .. } | Subscription::Private { is_own: false, .. }) => {
                let text = "only a subscription to an exchange is shown what is retained";
                return self.refuse(command, Refusal::Invalid(text.to_owned()));
            }
            None => {
                let refusal = Refusal::SubscriptionNotFound(show.subscription);
                return self.refuse(command, refusal);
            }
        };
        self.done(command);
        let showing = Showing::new(&show.pattern, show.own_messages);
        let to = place_of(show.subscription, queue);
        self.showings.begin(to, showing);
    }

    /// Shows what is retained, to each subscription that waits for it in turn, up to about `bytes_max`. Returns
    /// whether any was.
    pub(crate) fn show(
        &mut self,
        now: Instant,
        bytes_max: usize,
        handle: &mut dyn FnMut(Event),
    ) -> bool {
        let mut bytes_left = bytes_max;
        let mut any = false;
        for _ in 0..self.showings.len() {
            if bytes_left == 0 {
                break;
            }
            let Some((to, mut showing)) = self.showings.pop() else {
                break;
            };
            let has_moved = match to {
                DirectTo::Subscription(id) => {
                    self.show_directly(now, id, &mut showing, &mut bytes_left, handle)
                }
                DirectTo::Queue(id) => self.show_in_queue(now, id, &mut showing, &mut bytes_left),
            };
            any |= has_moved;
            let is_over = showing.is_over() && showing.waiting.is_empty();
            if !is_over {
                self.showings.begin(to, showing);
            }
        }
        any
    }

    /// Returns whether there was anything to do.
    fn show_directly(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        showing: &mut Showing,
        bytes_left: &mut usize,
        handle: &mut dyn FnMut(Event),
    ) -> bool {
        let mut delivered_count = 0;
        showing.look(&self.node, now, self.outbox.connection(), *bytes_left);
        for message in showing.found.drain(..) {
            *bytes_left = bytes_left.saturating_sub(message.cost_bytes());
            delivered_count += 1;
            handle(direct_delivery(id, message));
        }
        while showing.is_over()
            && *bytes_left > 0
            && let Some(message) = showing.waiting.pop_front()
        {
            *bytes_left = bytes_left.saturating_sub(message.cost_bytes());
            self.handed_bytes += message.cost_bytes();
            delivered_count += 1;
            handle(direct_delivery(id, message));
        }
        counters::add(&self.node.counters.delivered, delivered_count);
        true
    }

    /// The same through the subscription's own queue: while that has little, and what all queues of the connection
    /// hold does not make it drop any.
    fn show_in_queue(
        &mut self,
        now: Instant,
        id: PrivateQueueId,
        showing: &mut Showing,
        bytes_left: &mut usize,
    ) -> bool {
        let bytes_max = *bytes_left;
        let held = self.private_queues.get(&id).map_or(0, PrivateQueue::bytes);
        if held >= bytes_max {
            return false;
        }
        let mut has_moved = false;
        if showing.found.is_empty() {
            showing.look(&self.node, now, self.outbox.connection(), bytes_max);
            has_moved = true;
        }
        let budget = self.node.settings.outbox_bytes;
        while let Some(bytes) = showing.found.front().map(Message::cost_bytes)
            && (self.private_bytes == 0 || self.private_bytes + bytes <= budget)
            && let Some(message) = showing.found.pop_front()
        {
            *bytes_left = bytes_left.saturating_sub(bytes);
            self.enqueue_private(now, id, message);
            has_moved = true;
        }
        if showing.is_over() {
            let mut bytes = 0;
            for message in showing.waiting.drain(..) {
                bytes += message.cost_bytes();
                self.enqueue_private(now, id, message);
            }
            self.outbox.release(&self.node, now, bytes);
        }
        has_moved
    }

    /// A subscription has ended: it is not shown any more.
    pub(crate) fn end_showing(&mut self, now: Instant, to: DirectTo) {
        if let Some(showing) = self.showings.take(to) {
            let bytes = showing.waiting.iter().map(Message::cost_bytes).sum();
            self.outbox.release(&self.node, now, bytes);
        }
    }

    /// Puts what is retained into a queue.
    pub(crate) fn queue_retained(&mut self, command: CommandId, asked: QueueRetained) {
        let QueueRetained { queue, pattern } = asked;
        let node = Arc::clone(&self.node);
        let route = node.routes.load().queue(queue.as_bytes()).cloned();
        let target = match route {
            Some(QueueRoute::Shared(shared)) if !shared.is_ended() => shared.target,
            Some(QueueRoute::Private(_)) => {
                let text = format!("the queue '{queue}' is exclusive");
                return self.refuse(command, Refusal::Invalid(text));
            }
            Some(QueueRoute::Shared(_)) | None => {
                return self.refuse(command, Refusal::QueueNotFound(queue));
            }
        };
        let asker = Asker {
            outbox: Arc::clone(&self.outbox),
            command,
            follow: None,
        };
        let filling = Filling {
            target,
            pattern,
            asker,
        };
        self.control(target.executor, Control::Fill(Box::new(filling)));
    }
}

/// What a subscription to an exchange is pushed to.
pub(crate) const fn place_of(id: SubscriptionId, queue: Option<PrivateQueueId>) -> DirectTo {
    match queue {
        Some(queue) => DirectTo::Queue(queue),
        None => DirectTo::Subscription(id),
    }
}

/// The keys that a binding of an exchange of topics lets through.
pub(crate) fn pattern_of(key: &BindingKey) -> Pattern {
    match key {
        BindingKey::Exact(bytes) => Pattern::dotted(bytes),
        BindingKey::Pattern(pattern) => pattern.clone(),
    }
}
