//! Handles to sockets.

use crate::cell::Cell;
use crate::context::Context;
use crate::core::{Core, Counters, Nothing, Refusal};
use crate::endpoint::{Endpoint, EndpointError, ToEndpoint};
use crate::gate::Interest;
use crate::kind::{Audience, Kind, Numbers, Receives, Sends, Subscribes, kinds};
use crate::message::{Frame, Message};
use crate::monitor::Monitor;
use crate::socket_type::SocketType;
use crate::{Blocking, SocketBuilder};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

/// A handle to a socket of a type. Clones are the same socket; it closes when the last one is dropped.
///
/// Handles may be used by any number of tasks and threads at once: each message goes out and comes in whole.
/// All futures are safe to cancel: one that is dropped has sent or taken nothing.
///
/// A dropped socket goes on sending what waits for its peers for its linger time, on the context's threads;
/// [`Self::close`] waits for that.
pub struct Socket<K> {
    pub(crate) cell: Arc<Cell>,
    kind: PhantomData<fn() -> K>,
}

/// Who a message of a [`Server`](crate::Server) or [`Peer`](crate::Peer) came from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutingId(NonZeroU32);

/// A message of a group, of [`Radio`](crate::Radio) and [`Dish`](crate::Dish).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMessage {
    /// The group, of at most 255 bytes.
    pub group: Frame,
    /// What is told to it.
    pub body: Frame,
}

/// Why a message was not sent; it is handed back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// Why.
    pub reason: SendRefusal,
    /// The message.
    pub message: Message,
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefusal {
    /// No peer has room for it, or there is none. Only who does not wait, or not long enough, is told so.
    #[error("no peer has room for the message")]
    Full,
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// There is no peer of that name or number.
    #[error("there is no such peer")]
    Unroutable,
    /// A REQ waits for its reply, or a REP has no request.
    #[error("it is not this socket's turn to send")]
    OutOfTurn,
    /// This type sends messages of one frame.
    #[error("sockets of this type send messages of one frame")]
    ManyFrames,
    /// The name of a group is longer than 255 bytes.
    #[error("the name of a group has more than 255 bytes")]
    LongGroup,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// Nothing is there. Only who does not wait, or not long enough, is told so.
    #[error("there is no message")]
    Empty,
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// A REQ has sent no request, or a REP has yet to reply.
    #[error("it is not this socket's turn to receive")]
    OutOfTurn,
}

/// Why a socket does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Another socket of this context has that name.
    #[error("the name is in use")]
    InUse,
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// The system does not let it.
    #[error("cannot listen: {0}")]
    Io(#[from] io::Error),
}

/// Why a socket does not connect, not even later.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The endpoint leaves open where to.
    #[error("`{0}` does not say where to")]
    Open(Endpoint),
    /// The socket of that name is not one to speak with.
    #[error("a {ours} does not speak with a {theirs}")]
    Incompatible {
        /// This socket's.
        ours: SocketType,
        /// The other's.
        theirs: SocketType,
    },
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// The context's threads could not be started.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// What was still to be sent when a socket was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Messages that no peer took within the linger time.
    pub messages: u64,
}

/// A wait for a socket. Dropping it ends the wait, with nothing done.
pub(crate) struct Wait<'a, F> {
    cell: &'a Cell,
    interest: Interest,
    key: Option<u64>,
    attempt: F,
}

impl<'a, R, F: FnMut(&mut Core) -> Option<R>> Wait<'a, F> {
    pub(crate) const fn new(cell: &'a Cell, interest: Interest, attempt: F) -> Self {
        Self {
            cell,
            interest,
            key: None,
            attempt,
        }
    }
}

impl<F> Unpin for Wait<'_, F> {}

impl<R, F: FnMut(&mut Core) -> Option<R>> Future for Wait<'_, F> {
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        let this = &mut *self;
        this.cell
            .poll(this.interest, &mut this.key, cx.waker(), &mut this.attempt)
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.cell.hub.gate.forget(self.interest, key);
        }
    }
}

/// Sends a message that is handed over in its place: it is taken out when it is sent.
fn attempt_send(core: &mut Core, place: &mut Option<Message>) -> Option<Result<(), SendError>> {
    let message = place.take()?;
    if core.is_closed() {
        let reason = SendRefusal::Closed;
        return Some(Err(SendError { reason, message }));
    }
    let (refusal, message) = match core.send(message) {
        Ok(()) => return Some(Ok(())),
        Err(refused) => refused,
    };
    let reason = match refusal {
        Refusal::Full => {
            *place = Some(message);
            return None;
        }
        Refusal::Unroutable => SendRefusal::Unroutable,
        Refusal::OutOfTurn => SendRefusal::OutOfTurn,
        Refusal::Frames => SendRefusal::ManyFrames,
        Refusal::Malformed => SendRefusal::LongGroup,
    };
    Some(Err(SendError { reason, message }))
}

fn attempt_receive(core: &mut Core) -> Option<Result<Message, ReceiveError>> {
    match core.receive() {
        Ok(message) => Some(Ok(message)),
        Err(_) if core.is_closed() => Some(Err(ReceiveError::Closed)),
        Err(Nothing::OutOfTurn) => Some(Err(ReceiveError::OutOfTurn)),
        Err(Nothing::Yet) => None,
    }
}

/// The waits that the types of sockets are made of.
impl Cell {
    pub(crate) fn sending(
        &self,
        message: Message,
    ) -> impl Future<Output = Result<(), SendError>> + Unpin + '_ {
        let mut place = Some(message);
        Wait::new(self, Interest::Send, move |core| {
            attempt_send(core, &mut place)
        })
    }

    /// As [`Self::sending`]; a message that is not sent stays in its place.
    pub(crate) fn sending_from<'a>(
        &'a self,
        place: &'a mut Option<Message>,
    ) -> impl Future<Output = Result<(), SendError>> + Unpin + 'a {
        Wait::new(self, Interest::Send, move |core| attempt_send(core, place))
    }

    pub(crate) fn try_sending(&self, message: Message) -> Result<(), SendError> {
        let mut place = Some(message);
        let result = self.with(|core| attempt_send(core, &mut place));
        result.unwrap_or_else(|| {
            let reason = SendRefusal::Full;
            let message = place.unwrap_or_default();
            Err(SendError { reason, message })
        })
    }

    pub(crate) fn receiving(
        &self,
    ) -> impl Future<Output = Result<Message, ReceiveError>> + Unpin + '_ {
        Wait::new(self, Interest::Receive, attempt_receive)
    }

    pub(crate) fn try_receiving(&self) -> Result<Message, ReceiveError> {
        self.with(attempt_receive)
            .unwrap_or(Err(ReceiveError::Empty))
    }

    pub(crate) fn changing<R>(
        &self,
        attempt: impl FnMut(&mut Core) -> Option<R>,
    ) -> impl Future<Output = R> + Unpin {
        Wait::new(self, Interest::Change, attempt)
    }
}

impl<K: Kind> Socket<K> {
    /// A socket with all options as they are by default.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self::builder(context).build()
    }

    /// Sets options first.
    #[must_use]
    pub fn builder(context: &Context) -> SocketBuilder<K> {
        SocketBuilder::new(context)
    }

    pub(crate) fn from_cell(cell: Cell) -> Self {
        Self {
            cell: Arc::new(cell),
            kind: PhantomData,
        }
    }

    /// The type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        K::TYPE
    }

    /// Listens at an endpoint; returns it with the port or the path that was left open filled in.
    ///
    /// A socket may bind and connect to any number of endpoints. A host name is looked up here and now.
    ///
    /// # Errors
    /// [`BindError`]
    pub fn bind(&self, endpoint: impl ToEndpoint) -> Result<Endpoint, BindError> {
        self.cell.bind(&endpoint.to_endpoint()?)
    }

    /// Connects to an endpoint, now or as soon as somebody listens there, and again when a connection is lost.
    ///
    /// Messages may be sent at once; they wait for the peer, unless the socket is immediate.
    ///
    /// # Errors
    /// [`ConnectError`]. That nobody is there is none.
    pub fn connect(&self, endpoint: impl ToEndpoint) -> Result<(), ConnectError> {
        self.cell.connect(&endpoint.to_endpoint()?, None).map(drop)
    }

    /// Ends a listener, and the connections that came by it. False if the socket does not listen there.
    ///
    /// # Errors
    /// When the text is no endpoint.
    pub fn unbind(&self, endpoint: impl ToEndpoint) -> Result<bool, EndpointError> {
        Ok(self.cell.end(&endpoint.to_endpoint()?, true))
    }

    /// Ends a connection; what waits for the peer is sent within the linger time. False if there is none.
    ///
    /// # Errors
    /// When the text is no endpoint.
    pub fn disconnect(&self, endpoint: impl ToEndpoint) -> Result<bool, EndpointError> {
        Ok(self.cell.end(&endpoint.to_endpoint()?, false))
    }

    /// The same socket for threads: what waits here blocks there.
    #[must_use]
    pub const fn blocking(&self) -> Blocking<'_, K> {
        Blocking::new(self)
    }

    /// What was dropped so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.cell.with(|core| core.counters())
    }

    /// How many peers are connected and have shaken hands.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.cell.hub.connected.load(Ordering::Acquire)
    }

    /// Waits until so many peers are connected.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn wait_connected(&self, count: usize) -> Result<(), Closed> {
        self.waiting_connected(count).await
    }

    pub(crate) fn waiting_connected(
        &self,
        count: usize,
    ) -> impl Future<Output = Result<(), Closed>> + Unpin + '_ {
        let connected = &self.cell.hub.connected;
        self.cell.changing(move |core| {
            core.look();
            if core.is_closed() {
                return Some(Err(Closed));
            }
            (connected.load(Ordering::Acquire) >= count).then_some(Ok(()))
        })
    }

    /// What happens to its connections from here on.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.cell.hub.monitors.add()
    }

    /// Closes the socket, for all its handles, and waits until what was to be sent is, or the linger time is over.
    pub async fn close(self) -> Unsent {
        self.closing().await
    }

    pub(crate) fn closing(&self) -> impl Future<Output = Unsent> + '_ {
        self.cell.close();
        let hub = &self.cell.hub;
        std::future::poll_fn(move |cx| {
            if hub.running() == 0 {
                return Poll::Ready(Unsent {
                    messages: hub.unsent(),
                });
            }
            hub.gate.wait_closed(cx.waker());
            if hub.running() == 0 {
                return Poll::Ready(Unsent {
                    messages: hub.unsent(),
                });
            }
            Poll::Pending
        })
    }
}

/// The socket was closed while it was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the socket is closed")]
pub struct Closed;

impl<K: Sends> Socket<K> {
    /// Sends a message: accepted into the queue of whom the type says, once that has room.
    ///
    /// # Errors
    /// [`SendError`], never because of [`SendRefusal::Full`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.cell.sending(message.into()).await
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    /// [`SendError`]
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.cell.try_sending(message.into())
    }
}

impl<K: Receives> Socket<K> {
    /// The next message.
    ///
    /// # Errors
    /// [`ReceiveError`], never because of [`ReceiveError::Empty`].
    pub async fn recv(&self) -> Result<Message, ReceiveError> {
        self.cell.receiving().await
    }

    /// The next message if it is there.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn try_recv(&self) -> Result<Message, ReceiveError> {
        self.cell.try_receiving()
    }

    /// Waits for a message, then takes all that are there, up to so many, into a list; returns how many.
    ///
    /// # Errors
    /// As [`Self::recv`]; nothing was added then.
    pub async fn recv_many(
        &self,
        messages: &mut Vec<Message>,
        max: usize,
    ) -> Result<usize, ReceiveError> {
        self.receiving_many(messages, max).await
    }

    pub(crate) fn receiving_many<'a>(
        &'a self,
        messages: &'a mut Vec<Message>,
        max: usize,
    ) -> impl Future<Output = Result<usize, ReceiveError>> + Unpin + 'a {
        Wait::new(&self.cell, Interest::Receive, move |core| {
            let mut count = 0;
            while count < max {
                match attempt_receive(core) {
                    Some(Ok(message)) => messages.push(message),
                    Some(Err(_)) | None if count > 0 => break,
                    Some(Err(error)) => return Some(Err(error)),
                    None => return None,
                }
                count += 1;
            }
            Some(Ok(count))
        })
    }
}

impl RoutingId {
    /// The number as other libraries show it.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    fn of(message: &Message) -> Result<Self, ReceiveError> {
        // Every message that such a socket receives has a number.
        NonZeroU32::new(message.peer())
            .map(Self)
            .ok_or(ReceiveError::Empty)
    }
}

impl<K: Numbers> Socket<K> {
    /// Sends a message of one frame to a peer, once that has room.
    ///
    /// # Errors
    /// [`SendError`]
    pub async fn send_to(&self, peer: RoutingId, body: impl Into<Frame>) -> Result<(), SendError> {
        self.cell.sending(addressed(peer, body.into())).await
    }

    /// Sends a message to a peer if it has room.
    ///
    /// # Errors
    /// [`SendError`]
    pub fn try_send_to(&self, peer: RoutingId, body: impl Into<Frame>) -> Result<(), SendError> {
        self.cell.try_sending(addressed(peer, body.into()))
    }

    /// The next message, and who it is from.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub async fn recv_from(&self) -> Result<(RoutingId, Frame), ReceiveError> {
        numbered(self.cell.receiving().await?)
    }

    /// The next message if it is there, and who it is from.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn try_recv_from(&self) -> Result<(RoutingId, Frame), ReceiveError> {
        numbered(self.cell.try_receiving()?)
    }
}

pub(crate) fn addressed(peer: RoutingId, body: Frame) -> Message {
    let mut message = Message::from(body);
    message.set_peer(peer.get());
    message
}

pub(crate) fn numbered(mut message: Message) -> Result<(RoutingId, Frame), ReceiveError> {
    let peer = RoutingId::of(&message)?;
    Ok((peer, message.pop_front().unwrap_or_default()))
}

impl Socket<kinds::Peer> {
    /// Connects, and returns the number of the peer there.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub fn connect_peer(&self, endpoint: impl ToEndpoint) -> Result<RoutingId, ConnectError> {
        let peer = self.cell.connect(&endpoint.to_endpoint()?, None)?;
        let number = peer.and_then(|peer| self.cell.with(|core| core.number_of(peer)));
        number
            .and_then(NonZeroU32::new)
            .map(RoutingId)
            .ok_or(ConnectError::Closed)
    }
}

impl Socket<kinds::Router> {
    /// Connects to a peer that this socket calls so, whatever it calls itself.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub fn connect_as(
        &self,
        endpoint: impl ToEndpoint,
        routing_id: impl Into<Bytes>,
    ) -> Result<(), ConnectError> {
        self.cell
            .connect(&endpoint.to_endpoint()?, Some(routing_id.into()))
            .map(drop)
    }
}

impl<K: Subscribes> Socket<K> {
    /// Wants messages whose first frame begins so. The same topic may be subscribed to several times, and is wanted
    /// until it was unsubscribed from as often.
    pub fn subscribe(&self, topic: impl Into<Bytes>) {
        let topic = topic.into();
        self.cell.with(|core| core.subscribe(&topic));
    }

    /// Takes one subscription back; false if there is none.
    pub fn unsubscribe(&self, topic: impl Into<Bytes>) -> bool {
        let topic = topic.into();
        self.cell.with(|core| core.unsubscribe(&topic))
    }
}

impl<K: Audience> Socket<K> {
    /// How many peers would get a message of this topic, or this group.
    #[must_use]
    pub fn subscribers(&self, topic: impl AsRef<[u8]>) -> usize {
        self.cell.with(|core| core.audience(topic.as_ref()))
    }

    /// Waits until so many peers would get a message of this topic, or this group.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn wait_subscribed(
        &self,
        topic: impl AsRef<[u8]>,
        count: usize,
    ) -> Result<(), Closed> {
        self.waiting_subscribed(topic.as_ref(), count).await
    }

    pub(crate) fn waiting_subscribed<'a>(
        &'a self,
        topic: &'a [u8],
        count: usize,
    ) -> impl Future<Output = Result<(), Closed>> + Unpin + 'a {
        self.cell.changing(move |core| {
            if core.is_closed() {
                return Some(Err(Closed));
            }
            (core.audience(topic) >= count).then_some(Ok(()))
        })
    }
}

impl Socket<kinds::XPub> {
    /// Lets the peer whose subscription was received last have a topic. For [`Subscriptions::Manual`](crate::Subscriptions::Manual).
    /// False if that peer is gone.
    pub fn grant(&self, topic: impl Into<Bytes>) -> bool {
        let topic = topic.into();
        self.cell
            .with(|core| core.set_last_subscribed(&topic, true))
    }

    /// Takes a topic from the peer whose message about it was received last.
    pub fn revoke(&self, topic: impl Into<Bytes>) -> bool {
        let topic = topic.into();
        self.cell
            .with(|core| core.set_last_subscribed(&topic, false))
    }
}

impl Socket<kinds::Radio> {
    /// Sends a message to all who have joined its group.
    ///
    /// # Errors
    /// [`SendError`]
    pub async fn send_group(
        &self,
        group: impl Into<Frame>,
        body: impl Into<Frame>,
    ) -> Result<(), SendError> {
        self.cell.sending(grouped(group.into(), body.into())).await
    }

    /// Sends a message to all who have joined its group, if that is possible at once.
    ///
    /// # Errors
    /// [`SendError`]
    pub fn try_send_group(
        &self,
        group: impl Into<Frame>,
        body: impl Into<Frame>,
    ) -> Result<(), SendError> {
        self.cell.try_sending(grouped(group.into(), body.into()))
    }
}

pub(crate) fn grouped(group: Frame, body: Frame) -> Message {
    Message::from(vec![group, body])
}

impl Socket<kinds::Dish> {
    /// Joins a group; false if that was done before.
    ///
    /// # Errors
    /// When the name has more than 255 bytes.
    pub fn join(&self, group: impl Into<Bytes>) -> Result<bool, LongGroup> {
        let group = group.into();
        if group.len() > crate::core::GROUP_BYTES_MAX {
            return Err(LongGroup(group.len()));
        }
        Ok(self.cell.with(|core| core.set_joined(&group, true)))
    }

    /// Leaves a group; false if it was not joined.
    pub fn leave(&self, group: impl Into<Bytes>) -> bool {
        let group = group.into();
        self.cell.with(|core| core.set_joined(&group, false))
    }

    /// The next message of a group that was joined.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub async fn recv_group(&self) -> Result<GroupMessage, ReceiveError> {
        Ok(ungrouped(self.cell.receiving().await?))
    }

    /// The next message of a group that was joined, if it is there.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn try_recv_group(&self) -> Result<GroupMessage, ReceiveError> {
        Ok(ungrouped(self.cell.try_receiving()?))
    }
}

pub(crate) fn ungrouped(mut message: Message) -> GroupMessage {
    let mut next = || message.pop_front().unwrap_or_default();
    GroupMessage {
        group: next(),
        body: next(),
    }
}

/// The name of a group is longer than 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a group has {0} bytes, the limit is 255")]
pub struct LongGroup(
    /// How many bytes it has.
    pub usize,
);

impl<K> Clone for Socket<K> {
    fn clone(&self) -> Self {
        Self {
            cell: Arc::clone(&self.cell),
            kind: PhantomData,
        }
    }
}

impl<K: Kind> fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("type", &K::TYPE)
            .finish_non_exhaustive()
    }
}
