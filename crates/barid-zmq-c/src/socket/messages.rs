//! What a socket sends and receives. What can be done at once is done without any other lock than that of the handle.

use super::{DONTWAIT, POLLIN, POLLOUT, SNDMORE, Sender, Socket, State, Way};
use crate::errno::{Errno, Result};
use crate::handle::Held;
use crate::signal::Deadline;
use crate::wire::kind;
use barid_zmq::{Frame, Message};
use std::os::fd::RawFd;
use std::sync::Arc;

impl Socket {
    /// Sends a frame, the only one of a message; it stays there if it is not sent.
    #[inline]
    pub(crate) fn send(mut held: Held<Self>, frame: &mut Message, flags: i32) -> Result<()> {
        let (socket, state) = held.open().ok_or(Errno::ENOTSOCK)?;
        let result = socket.send_once(state, frame, flags);
        if result != Err(Errno::EAGAIN) {
            return result;
        }
        let socket = Arc::clone(socket);
        drop(held);
        let deadline = socket.deadline(Way::Out, flags);
        socket.until(Way::Out, deadline, |state| {
            socket.send_once(state, frame, flags)
        })
    }

    #[inline]
    fn send_once(&self, state: &mut State, frame: &mut Message, flags: i32) -> Result<()> {
        self.check()?;
        if !self.sends {
            return Err(Errno::ENOTSUP);
        }
        if flags & SNDMORE != 0 || state.outgoing.is_some() {
            return self.send_part(state, frame, flags);
        }
        self.check_turn(state)?;
        Ok(self.messages.try_send_from(frame)?)
    }

    fn send_part(&self, state: &mut State, place: &mut Message, flags: i32) -> Result<()> {
        // To a STREAM the bytes behind the name are always the last of a message.
        let is_last = self.socket_type == kind::STREAM && state.outgoing.is_some();
        let has_more = flags & SNDMORE != 0 && !is_last;
        let Some(message) = &mut state.outgoing else {
            self.check_turn(state)?;
            self.wire.admits(place.first())?;
            state.outgoing = Some(std::mem::take(place));
            return Ok(());
        };
        message.push_back(place.pop_front().unwrap_or_default());
        if has_more {
            return Ok(());
        }
        let mut message = state.outgoing.take().unwrap_or_default();
        let result = self
            .messages
            .try_send_from(&mut message)
            .map_err(Errno::from);
        // Whom it was for has gone after the first frame. Who does not wait for another one sends it to nobody.
        if result.is_ok() || (result == Err(Errno::EAGAIN) && flags & DONTWAIT != 0) {
            return Ok(());
        }
        let mut frames = message.into_frames();
        *place = frames.pop().unwrap_or_default().into();
        if result == Err(Errno::EAGAIN) {
            state.outgoing = Some(frames.into());
        }
        result
    }

    /// Whether what has come and is not received yet lets the program send.
    fn check_turn(&self, state: &mut State) -> Result<()> {
        if state.incoming.is_empty() {
            return Ok(());
        }
        match self.socket_type {
            kind::REQ if state.options.is_relaxed => state.incoming.clear(),
            kind::REQ | kind::REP => return Err(Errno::EFSM),
            _ => {}
        }
        Ok(())
    }

    /// The next frame, in a place for it, and who it is from, if that is asked for; true if it is not the last of its
    /// message.
    #[inline]
    pub(crate) fn receive(
        mut held: Held<Self>,
        place: &mut Message,
        mut sender: Option<&mut Sender>,
        flags: i32,
    ) -> Result<bool> {
        let (socket, state) = held.open().ok_or(Errno::ENOTSOCK)?;
        let result = socket.receive_once(state, place, sender.as_deref_mut());
        if result != Err(Errno::EAGAIN) {
            return result;
        }
        let socket = Arc::clone(socket);
        drop(held);
        let deadline = socket.deadline(Way::In, flags);
        socket.until(Way::In, deadline, |state| {
            socket.receive_once(state, place, sender.as_deref_mut())
        })
    }

    #[inline]
    fn receive_once(
        &self,
        state: &mut State,
        place: &mut Message,
        sender: Option<&mut Sender>,
    ) -> Result<bool> {
        self.check()?;
        if state.incoming.is_empty() {
            self.receive_message(state, place)?;
            if place.len() != 1 {
                state.incoming = std::mem::take(place).into_frames().into();
                *place = state.incoming.pop_front().unwrap_or_default().into();
            }
        } else {
            self.receive_part(state, place)?;
        }
        state.has_more = !state.incoming.is_empty();
        if let Some(sender) = sender
            && sender.as_ref().map(Arc::as_ptr) != state.sender.as_ref().map(Arc::as_ptr)
        {
            sender.clone_from(&state.sender);
        }
        Ok(state.has_more)
    }

    fn receive_part(&self, state: &mut State, place: &mut Message) -> Result<()> {
        if state.options.is_conflating {
            // There may be a newer one than that which was found when somebody looked.
            self.look(state)?;
        }
        *place = state.incoming.pop_front().unwrap_or_default().into();
        Ok(())
    }

    #[inline]
    fn receive_message(&self, state: &mut State, place: &mut Message) -> Result<()> {
        if !self.receives {
            return Err(Errno::ENOTSUP);
        }
        Ok(self.messages.try_recv_into(place, &mut state.sender)?)
    }

    /// Takes the next message for the program, so that it is known to be there.
    fn look(&self, state: &mut State) -> Result<()> {
        let mut message = Message::new();
        match self.receive_message(state, &mut message) {
            Ok(()) => {
                state.incoming = message.into_frames().into();
                Ok(())
            }
            Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// The next message whole, if it is there. For proxies.
    pub(crate) fn try_receive_message(&self) -> Result<Message> {
        self.check()?;
        let mut state = self.home.lock();
        state.has_more = false;
        if !state.incoming.is_empty() {
            let frames: Vec<Frame> = state.incoming.drain(..).collect();
            return Ok(frames.into());
        }
        let mut message = Message::new();
        self.receive_message(&mut state, &mut message)?;
        Ok(message)
    }

    /// Sends a message whole. For proxies.
    pub(crate) fn send_message(&self, mut message: Message) -> Result<()> {
        let mut attempt = || {
            self.check()?;
            if !self.sends {
                return Err(Errno::ENOTSUP);
            }
            Ok(self.messages.try_send_from(&mut message)?)
        };
        match attempt() {
            Err(Errno::EAGAIN) => self.until(Way::Out, Deadline::Never, |_| attempt()),
            result => result,
        }
    }

    /// What can be done at once.
    pub(crate) fn events(&self) -> Result<i16> {
        self.check()?;
        let mut state = self.home.lock();
        let mut events = 0;
        if state.incoming.is_empty() {
            match self.look(&mut state) {
                Ok(()) | Err(Errno::EFSM | Errno::ENOTSUP) => {}
                Err(errno) => return Err(errno),
            }
        }
        if !state.incoming.is_empty() {
            events |= POLLIN;
        }
        let is_in_turn = match self.socket_type {
            kind::REQ => state.incoming.is_empty() || state.options.is_relaxed,
            kind::REP => state.incoming.is_empty(),
            _ => true,
        };
        if state.outgoing.is_some() || (is_in_turn && self.wire.is_writable()) {
            events |= POLLOUT;
        }
        Ok(events)
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.signal.fd()
    }
}
