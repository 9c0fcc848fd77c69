//! Handles to sockets.

use crate::any::AnySocket;
use crate::cell::Cell;
use crate::changes::Changes;
use crate::context::Context;
use crate::core::{Core, Counters};
use crate::endpoint::{Endpoint, EndpointError, ToEndpoint};
use crate::error::{BindError, Closed, ConnectError, ReceiveError, SendError, SendRefusal, Unsent};
use crate::gate::Interest;
use crate::kind::{Audience, Kind, Receives, Sends, Subscribes};
use crate::message::Message;
use crate::monitor::Monitor;
use crate::properties::PeerProperties;
use crate::wait::{Wait, attempt_receive};
use crate::{Blocking, SocketBuilder};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use zmtp::SocketType;

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
        let cell = Arc::new(cell);
        cell.hub.set_cell(&cell);
        Self {
            cell,
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

    /// What was dropped so far, and who was not let in.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let core = self.cell.with(|core| {
            core.look();
            core.counters()
        });
        self.cell.hub.counters(core)
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

    /// Changes its options to those of a builder of its context: those of connections for what it binds and connects to
    /// from here on, limits of queues and all others at once. What waits already stays, if it is more than may wait now.
    pub fn set_options(&self, builder: SocketBuilder<K>) {
        self.cell.set_options(builder.into_options());
    }

    /// Tells when something may have changed from here on. What it does not say, the socket's other methods do.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes::new(&self.cell.hub)
    }

    /// The same socket, without its type.
    #[doc(hidden)]
    #[must_use]
    pub fn any(&self) -> AnySocket {
        AnySocket(Arc::clone(&self.cell))
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

impl<K: Sends> Socket<K> {
    /// Sends a message: accepted into the queue of whom the type says, once that has room.
    ///
    /// # Errors
    /// [`SendError`], never because of [`SendRefusal::Full`](crate::SendRefusal::Full).
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

    /// What would come of sending a message with this first frame at once.
    ///
    /// # Errors
    /// Why it would not be sent.
    pub fn admits(&self, first_frame: impl AsRef<[u8]>) -> Result<(), SendRefusal> {
        self.cell.with(|core| {
            if core.is_closed() {
                return Err(SendRefusal::Closed);
            }
            core.admits(first_frame.as_ref()).map_err(SendRefusal::from)
        })
    }

    /// Whether there is a message that could be sent at once.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.cell
            .with(|core| !core.is_closed() && core.is_writable())
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

    /// What is known of the peer whose message was received last, by whichever handle; nothing if it has gone, is in this
    /// process, or the message was made here.
    #[must_use]
    pub fn last_sender(&self) -> Option<Arc<PeerProperties>> {
        self.cell.with(Core::last_sender)
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
                let place = messages.push_mut(Message::new());
                let result = attempt_receive(core, place);
                if !matches!(result, Some(Ok(()))) {
                    messages.pop();
                    if count == 0 {
                        return result.map(|result| result.map(|()| 0));
                    }
                    break;
                }
                count += 1;
            }
            Some(Ok(count))
        })
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
