//! What a socket is, without any waiting: its peers, and the rules of its type.
//!
//! A core is used under its socket's lock. It looks at the signals first, then tries an operation once; who
//! waits, and for what, is the concern of `socket`. Bells that it has to ring and peers that it has let go are
//! left for when the lock is released ([`Core::afterwards`]).

mod balanced;
mod links;
mod paired;
mod publish;
mod radio;
mod reply;
mod request;
mod router;
mod server;
mod stream;
mod subscribe;
mod wanted;

pub(crate) use links::Afterwards;
pub use links::Counters;
pub(crate) use radio::GROUP_BYTES_MAX;

use crate::attachment::Attachment;
use crate::gate::{Gate, Signal};
use crate::message::Message;
use crate::options::{OnFull, Options};
use crate::peers::{Peer, PeerId};
use crate::pipe::{Notice, Popped};
use crate::properties::PeerProperties;
use balanced::Balanced;
use bytes::Bytes;
use links::{Links, Next};
use paired::Paired;
use publish::Publish;
use radio::{Dish, Radio};
use reply::Reply;
use request::Request;
use router::Router;
use server::Server;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use subscribe::Subscribe;
use zmtp::SocketType;

/// Messages that are made here and may wait for the user: subscriptions, who came and who went. Peers cannot fill the
/// memory of one who does not take them.
const WAITING_MAX: usize = 100_000;
/// Likewise, in bytes.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Items that are taken of a peer, or dropped, in one go: one that never stops does not hold its socket up.
const TAKEN_MAX: usize = 10_000;

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No peer has room.
    Full,
    /// There is no such peer.
    Unroutable,
    /// It is not its turn: a REQ waits for a reply, a REP has no request.
    OutOfTurn,
    /// The type does not send messages of so many frames.
    Frames,
    /// A frame that means something is malformed.
    Malformed,
}

/// Why nothing is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nothing is there yet.
    Yet,
    /// It is not its turn: a REQ has sent no request, a REP has not replied.
    OutOfTurn,
}

/// The rules of a family of types.
enum Pattern {
    Balanced(Balanced),
    Paired(Paired),
    Request(Request),
    Reply(Reply),
    Router(Router),
    Server(Server),
    Stream(Stream),
    Publish(Publish),
    Subscribe(Subscribe),
    Radio(Radio),
    Dish(Dish),
}

/// Delegates a call to the rules of the type.
macro_rules! delegate {
    ($pattern:expr, $rules:ident => $call:expr) => {
        match $pattern {
            Pattern::Balanced($rules) => $call,
            Pattern::Paired($rules) => $call,
            Pattern::Request($rules) => $call,
            Pattern::Reply($rules) => $call,
            Pattern::Router($rules) => $call,
            Pattern::Server($rules) => $call,
            Pattern::Stream($rules) => $call,
            Pattern::Publish($rules) => $call,
            Pattern::Subscribe($rules) => $call,
            Pattern::Radio($rules) => $call,
            Pattern::Dish($rules) => $call,
        }
    };
}

/// What the rules of a type say. What most types do alike is the default.
trait Rules {
    /// A peer is new. Its pipes are open, its name may not be known yet.
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        links.balance.add(peer);
        links.fair.add(peer);
    }

    /// Takes what a peer has written; true if the user is to have it, as it is then.
    fn take(&mut self, links: &mut Links, peer: PeerId, message: &mut Message) -> bool;

    /// Takes notice of what a peer says beside messages.
    fn notice(&mut self, _links: &mut Links, _peer: PeerId, _notice: Notice) {}

    /// Nothing comes from a peer any more, and all that came is taken.
    fn ended(&mut self, _links: &mut Links, _peer: PeerId) {}

    /// A message that was made here, ahead of those from peers.
    fn pending(&mut self) -> Option<Message> {
        None
    }

    /// Whether it is the user's turn to receive.
    fn may_receive(&self) -> bool {
        true
    }

    /// Whether what peers write is taken as it comes, whether or not the user receives.
    fn takes_at_once(&self) -> bool {
        false
    }

    /// What would come of sending a message with this first frame.
    fn admits(&mut self, links: &mut Links, _first: &[u8]) -> Result<(), Refusal> {
        if links.on_full == OnFull::Drop || links.has_any_room() {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    /// Whether there is a message that could be sent at once.
    fn is_writable(&mut self, links: &mut Links) -> bool {
        self.admits(links, &[]).is_ok()
    }

    /// Sends or drops a message; a refused one is left as it was.
    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal>;
}

/// Whose message was received last.
enum LastSender {
    None,
    There(PeerId),
    /// Somebody of whom this was known.
    Gone(Arc<PeerProperties>),
}

pub(crate) struct Core {
    socket_type: SocketType,
    links: Links,
    pattern: Pattern,
    /// The list that signals are swapped with, kept for its memory.
    signals: Vec<Signal>,
    gate: Arc<Gate>,
    last_sender: LastSender,
    is_closed: bool,
}

impl Core {
    pub(crate) fn new(
        socket_type: SocketType,
        options: &Arc<Options>,
        gate: Arc<Gate>,
        first_number: u32,
    ) -> Self {
        let pattern = match socket_type {
            SocketType::Pair | SocketType::Channel => Pattern::Paired(Paired::new(socket_type)),
            SocketType::Req => Pattern::Request(Request::new(options.req, first_number)),
            SocketType::Rep => Pattern::Reply(Reply::default()),
            SocketType::Router => Pattern::Router(Router::new(options.router, first_number)),
            SocketType::Server | SocketType::Peer => Pattern::Server(Server::new(first_number)),
            SocketType::Stream => Pattern::Stream(Stream::new(first_number)),
            SocketType::Pub | SocketType::XPub => {
                Pattern::Publish(Publish::new(socket_type, options))
            }
            SocketType::Sub | SocketType::XSub => Pattern::Subscribe(Subscribe::new(socket_type)),
            SocketType::Radio => Pattern::Radio(Radio::default()),
            SocketType::Dish => Pattern::Dish(Dish::default()),
            SocketType::Dealer
            | SocketType::Push
            | SocketType::Pull
            | SocketType::Client
            | SocketType::Scatter
            | SocketType::Gather => Pattern::Balanced(Balanced::new(socket_type)),
        };
        Self {
            socket_type,
            links: Links::new(Arc::clone(options), options.on_full(socket_type)),
            pattern,
            signals: Vec::new(),
            gate,
            last_sender: LastSender::None,
            is_closed: false,
        }
    }

    /// What is to be done when the lock is released.
    #[inline]
    pub(crate) fn afterwards(&mut self) -> Option<Afterwards> {
        self.links.afterwards()
    }

    pub(crate) const fn counters(&self) -> Counters {
        self.links.counters
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Takes what peers have signaled. First of all in each operation.
    #[inline]
    pub(crate) fn look(&mut self) {
        if self.gate.has_signals() {
            self.take_signals();
        }
    }

    #[cold]
    fn take_signals(&mut self) {
        let mut signals = std::mem::take(&mut self.signals);
        self.gate.take(&mut signals);
        for signal in signals.drain(..) {
            match signal {
                Signal::Readable(peer) => self.readable(peer),
                Signal::Writable(peer) => self.writable(peer),
                Signal::Attach(attachment) => {
                    self.attach(*attachment);
                }
                Signal::Attached => {}
            }
        }
        self.signals = signals;
    }

    fn readable(&mut self, peer: PeerId) {
        let takes_at_once = delegate!(&self.pattern, rules => rules.takes_at_once());
        if takes_at_once {
            self.take_all(peer);
            return;
        }
        if self.links.is_spent(peer) {
            self.end(peer);
            return;
        }
        self.links.note_departed(peer);
        self.links.refresh(peer);
        self.links.fair.resume(peer);
        if let Pattern::Router(router) = &mut self.pattern {
            // Who it is must be known before anybody is looked up.
            let is_named = router.name_from_pipe(&mut self.links, peer);
            if !is_named && self.links.is_silent(peer) {
                self.end(peer);
            }
        }
    }

    fn writable(&mut self, peer: PeerId) {
        let Some(found) = self.links.peers.get_mut(peer) else {
            return;
        };
        found.sender.refresh();
        if found.sender.is_closed() {
            self.links.balance.remove(peer);
        } else {
            self.links.balance.resume(peer);
        }
    }

    /// Lets a peer in.
    pub(crate) fn attach(&mut self, attachment: Attachment) -> Option<PeerId> {
        if self.is_closed {
            return None;
        }
        let has_room = match &mut self.pattern {
            Pattern::Paired(paired) => paired.has_room(&mut self.links),
            Pattern::Stream(stream) => stream.has_room(),
            Pattern::Balanced(_)
            | Pattern::Request(_)
            | Pattern::Reply(_)
            | Pattern::Router(_)
            | Pattern::Server(_)
            | Pattern::Publish(_)
            | Pattern::Subscribe(_)
            | Pattern::Radio(_)
            | Pattern::Dish(_) => true,
        };
        if !has_room {
            attachment.sender.set_linger(Some(Duration::ZERO));
            return None;
        }
        let peer = self.links.peers.insert(Peer {
            sender: attachment.sender,
            receiver: attachment.receiver,
            name: None,
            given_name: attachment.given_name,
            told_name: attachment.told_name,
            wants_all: attachment.wants_all,
            endpoint: attachment.endpoint,
            known: attachment.known,
            _presence: attachment.presence,
            is_departed: false,
            _seat: attachment.seat,
        });
        self.links.number(peer);
        self.links.limit(peer);
        if self.links.options.probes_router
            && matches!(
                self.socket_type,
                SocketType::Req | SocketType::Dealer | SocketType::Router
            )
        {
            self.links.write(peer, Message::from(""));
        }
        delegate!(&mut self.pattern, rules => rules.attached(&mut self.links, peer));
        let takes_at_once = delegate!(&self.pattern, rules => rules.takes_at_once());
        if takes_at_once {
            self.take_all(peer);
        }
        if let Pattern::Router(router) = &mut self.pattern {
            router.name_from_pipe(&mut self.links, peer);
        }
        Some(peer)
    }

    /// Takes all that a peer has written, until it has to signal again, or is cut; of too much, what is left signals by
    /// itself.
    fn take_all(&mut self, peer: PeerId) {
        let mut message = Message::new();
        for _ in 0..TAKEN_MAX {
            match self.links.pop(peer, &mut message) {
                Popped::Message => {
                    let _is_unread: bool = delegate!(&mut self.pattern, rules => rules.take(&mut self.links, peer, &mut message));
                }
                Popped::Notice(notice) => {
                    delegate!(&mut self.pattern, rules => rules.notice(&mut self.links, peer, notice));
                    if self.links.is_cut(peer) {
                        return self.end(peer);
                    }
                }
                Popped::Empty => {
                    if self.links.sleep(peer) {
                        return;
                    }
                }
                Popped::Closed => return self.end(peer),
            }
        }
        self.links.look_again(peer);
    }

    /// Forgets a peer, and with it the ends of its pipes.
    fn end(&mut self, peer: PeerId) {
        if matches!(self.last_sender, LastSender::There(last) if last == peer) {
            let known = self.links.peers.get_mut(peer).and_then(|it| it.known.get());
            self.last_sender = known.map_or(LastSender::None, LastSender::Gone);
        }
        self.links.fair.remove(peer);
        self.links.balance.remove(peer);
        delegate!(&mut self.pattern, rules => rules.ended(&mut self.links, peer));
        self.links.remove(peer);
    }

    /// Tries to send a message; a refused one is left in its place.
    #[inline]
    pub(crate) fn send(&mut self, message: &mut Message) -> Result<(), Refusal> {
        self.look();
        if message.is_empty() {
            message.push_back("");
        }
        delegate!(&mut self.pattern, rules => rules.send(&mut self.links, message))
    }

    /// What would come of sending a message with this first frame.
    pub(crate) fn admits(&mut self, first: &[u8]) -> Result<(), Refusal> {
        self.look();
        delegate!(&mut self.pattern, rules => rules.admits(&mut self.links, first))
    }

    /// Whether there is a message that could be sent at once.
    pub(crate) fn is_writable(&mut self) -> bool {
        self.look();
        delegate!(&mut self.pattern, rules => rules.is_writable(&mut self.links))
    }

    /// What is known of the peer whose message was received last.
    pub(crate) fn last_sender(&mut self) -> Option<Arc<PeerProperties>> {
        match &self.last_sender {
            LastSender::None => None,
            LastSender::There(peer) => self.links.peers.get_mut(*peer)?.known.get(),
            LastSender::Gone(known) => Some(Arc::clone(known)),
        }
    }

    /// Puts that in a place, unless it is there already: most messages come from the same peer as the one before.
    #[inline]
    pub(crate) fn note_last_sender(&mut self, place: &mut Option<Arc<PeerProperties>>) {
        if let LastSender::There(peer) = &self.last_sender
            && let Some(peer) = self.links.peers.get_mut(*peer)
        {
            return peer.known.note(place);
        }
        *place = self.last_sender();
    }

    /// Changes what the rules go by.
    pub(crate) fn set_options(&mut self, options: Arc<Options>) {
        match &mut self.pattern {
            Pattern::Request(rules) => rules.set_options(options.req),
            Pattern::Router(rules) => rules.set_options(options.router),
            Pattern::Publish(rules) => rules.set_options(&options),
            Pattern::Balanced(_)
            | Pattern::Paired(_)
            | Pattern::Reply(_)
            | Pattern::Server(_)
            | Pattern::Stream(_)
            | Pattern::Subscribe(_)
            | Pattern::Radio(_)
            | Pattern::Dish(_) => {}
        }
        self.links.on_full = options.on_full(self.socket_type);
        let limits = |options: &Options| (options.send_hwm, options.receive_hwm);
        let is_limited_anew = limits(&self.links.options) != limits(&options);
        self.links.options = options;
        if is_limited_anew {
            let peers: Vec<_> = self.links.peers.ids().collect();
            for peer in peers {
                self.links.limit(peer);
            }
        }
    }

    /// Tries to receive a message, which takes the place of what was in `place`.
    #[inline]
    pub(crate) fn receive(&mut self, place: &mut Message) -> Result<(), Nothing> {
        self.look();
        if !delegate!(&self.pattern, rules => rules.may_receive()) {
            return Err(Nothing::OutOfTurn);
        }
        self.last_sender = LastSender::None;
        if let Some(message) = delegate!(&mut self.pattern, rules => rules.pending()) {
            *place = message;
            return Ok(());
        }
        let mut dropped = 0;
        loop {
            match self.links.next(place) {
                Next::Message(peer) => {
                    if delegate!(&mut self.pattern, rules => rules.take(&mut self.links, peer, place))
                    {
                        self.last_sender = LastSender::There(peer);
                        // Others may wait for its place.
                        if self.links.is_done_with(peer) {
                            self.end(peer);
                        }
                        return Ok(());
                    }
                    dropped += 1;
                    if dropped == TAKEN_MAX {
                        self.links.look_again(peer);
                        return Err(Nothing::Yet);
                    }
                }
                Next::Notice(peer, notice) => {
                    delegate!(&mut self.pattern, rules => rules.notice(&mut self.links, peer, notice));
                }
                Next::Ended(peer) => {
                    self.end(peer);
                    // The end of a peer may be a message of its own.
                    if let Some(message) = delegate!(&mut self.pattern, rules => rules.pending()) {
                        *place = message;
                        return Ok(());
                    }
                }
                Next::Nothing => return Err(Nothing::Yet),
            }
        }
    }

    /// Adds a subscription of a SUB or XSUB.
    pub(crate) fn subscribe(&mut self, topic: &Bytes) {
        self.look();
        if let Pattern::Subscribe(rules) = &mut self.pattern {
            rules.subscribe(&mut self.links, topic);
        }
    }

    /// Ends a subscription; false if there is none.
    pub(crate) fn unsubscribe(&mut self, topic: &Bytes) -> bool {
        self.look();
        match &mut self.pattern {
            Pattern::Subscribe(rules) => rules.unsubscribe(&mut self.links, topic),
            Pattern::Balanced(_)
            | Pattern::Paired(_)
            | Pattern::Request(_)
            | Pattern::Reply(_)
            | Pattern::Router(_)
            | Pattern::Server(_)
            | Pattern::Stream(_)
            | Pattern::Publish(_)
            | Pattern::Radio(_)
            | Pattern::Dish(_) => false,
        }
    }

    /// Joins or leaves a group of a DISH; false if nothing changes.
    pub(crate) fn set_joined(&mut self, group: &Bytes, is_joined: bool) -> bool {
        self.look();
        let Pattern::Dish(rules) = &mut self.pattern else {
            return false;
        };
        rules.set_joined(&mut self.links, group, is_joined)
    }

    /// Lets the peer whose subscription an XPUB has handed out last have a topic, or not.
    pub(crate) fn set_last_subscribed(&mut self, topic: &Bytes, is_subscribed: bool) -> bool {
        self.look();
        let Pattern::Publish(rules) = &mut self.pattern else {
            return false;
        };
        rules.set_last(topic, is_subscribed)
    }

    /// How many peers have subscribed to a topic, or joined a group.
    pub(crate) fn audience(&mut self, topic: &[u8]) -> usize {
        self.look();
        match &mut self.pattern {
            Pattern::Publish(rules) => rules.audience(topic),
            Pattern::Radio(rules) => rules.audience(topic),
            Pattern::Balanced(_)
            | Pattern::Paired(_)
            | Pattern::Request(_)
            | Pattern::Reply(_)
            | Pattern::Router(_)
            | Pattern::Server(_)
            | Pattern::Stream(_)
            | Pattern::Subscribe(_)
            | Pattern::Dish(_) => 0,
        }
    }

    /// The number by which a SERVER or PEER knows a peer.
    pub(crate) fn number_of(&self, peer: PeerId) -> Option<u32> {
        let Pattern::Server(rules) = &self.pattern else {
            return None;
        };
        rules.number_of(peer)
    }

    /// The name by which a STREAM knows a peer.
    pub(crate) fn name_of(&mut self, peer: PeerId) -> Option<Bytes> {
        self.links.peers.get_mut(peer)?.name.clone()
    }

    /// The name of the peer that a STREAM has got last.
    pub(crate) fn newest_name(&mut self) -> Option<Bytes> {
        self.look();
        let Pattern::Stream(rules) = &self.pattern else {
            return None;
        };
        rules.newest()
    }

    /// Whether a STREAM has a peer of that name.
    pub(crate) fn has_name(&self, name: &[u8]) -> bool {
        let Pattern::Stream(rules) = &self.pattern else {
            return false;
        };
        rules.has_name(name)
    }

    /// Ends all peers of an endpoint; what waits for them is still sent within the linger time.
    pub(crate) fn detach(&mut self, endpoint: u64) {
        self.look();
        let peers: Vec<_> = self.links.peers.ids().collect();
        for peer in peers {
            let Some(found) = self.links.peers.get_mut(peer) else {
                continue;
            };
            if found.endpoint == endpoint {
                found.sender.set_linger(self.links.options.linger);
                self.end(peer);
            }
        }
    }

    /// Ends all peers. What waits for them is still sent within the linger time.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        let peers: Vec<_> = self.links.peers.ids().collect();
        // Nobody waits for subscriptions to be sent.
        let is_reader = matches!(
            self.socket_type,
            SocketType::Sub | SocketType::XSub | SocketType::Dish
        );
        let linger = if is_reader {
            Some(Duration::ZERO)
        } else {
            self.links.options.linger
        };
        for peer in peers {
            if let Some(peer) = self.links.peers.get_mut(peer) {
                peer.sender.set_linger(linger);
            }
            self.end(peer);
        }
    }
}

/// What a type does with a message for which no peer has room.
fn refuse(links: &mut Links) -> Result<(), Refusal> {
    match links.on_full {
        OnFull::Block => Err(Refusal::Full),
        OnFull::Drop => {
            links.counters.dropped_sends += 1;
            Ok(())
        }
    }
}
