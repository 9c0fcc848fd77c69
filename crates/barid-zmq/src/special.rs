//! What only some types of sockets do: peers by number, groups, names that are given, subscriptions that are granted.

use crate::core::Core;
use crate::endpoint::ToEndpoint;
use crate::error::{ConnectError, LongGroup, ReceiveError, SendError};
use crate::frame::Frame;
use crate::kind::{Numbers, kinds};
use crate::message::Message;
use crate::socket::Socket;
use bytes::Bytes;
use std::num::NonZeroU32;

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

impl Socket<kinds::Stream> {
    /// Connects, and returns the routing id that messages from and to the peer there have.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::Closed`] when the socket is immediate: then there is none before there is
    /// a peer.
    pub fn connect_peer(&self, endpoint: impl ToEndpoint) -> Result<Bytes, ConnectError> {
        let peer = self.cell.connect(&endpoint.to_endpoint()?, None)?;
        let name = peer.and_then(|peer| self.cell.with(|core| core.name_of(peer)));
        name.ok_or(ConnectError::Closed)
    }

    /// The routing id of the peer that has come, or was connected to, last.
    #[must_use]
    pub fn newest_peer(&self) -> Option<Bytes> {
        self.cell.with(Core::newest_name)
    }

    /// Connects to a peer that this socket calls so.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub fn connect_as(
        &self,
        endpoint: impl ToEndpoint,
        routing_id: impl Into<Bytes>,
    ) -> Result<(), ConnectError> {
        let routing_id = routing_id.into();
        if self.cell.with(|core| core.has_name(&routing_id)) {
            return Err(ConnectError::RoutingIdInUse);
        }
        self.cell
            .connect(&endpoint.to_endpoint()?, Some(routing_id))
            .map(drop)
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
