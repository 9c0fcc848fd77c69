//! How many peers a socket lets in that come and go, and how much those that are gone may have left: those that come by
//! listeners, and those that are connected to anew each time, without pipes that last.
//!
//! ```text
//!   accept ──► take ──► shake hands ──► messages ──► gone, and all it has left received ──► free
//!              (waits)   (the oldest is cut           (what it has left counts)
//!                         if too many do)
//! ```

use crate::pipe::Sender;
use crate::pipe::credit::Hwm;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// How many peers there may be that have come by listeners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeatLimits {
    /// Peers at a time; one that is gone counts until what it has left is received.
    pub(crate) connections_max: usize,
    /// Of those, peers that have not shaken hands.
    pub(crate) handshakes_max: usize,
    /// What those that are gone may have left before others are let in.
    pub(crate) departed: Hwm,
}

impl Default for SeatLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            handshakes_max: 1_000,
            departed: Hwm {
                messages: 100_000,
                bytes: 256 << 20,
            },
        }
    }
}

/// The places for the peers that come by a socket's listeners.
pub(crate) struct Seats {
    limits: SeatLimits,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// What ends those that have not shaken hands, the oldest first.
    shaking: BTreeMap<u64, oneshot::Sender<()>>,
    next_number: u64,
    left_messages: u64,
    left_bytes: u64,
    pauses: u64,
    cuts: u64,
}

/// The place of one peer: of its connection, and of what that has left.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    left: Mutex<(u64, u64)>,
}

/// A seat, and what resolves when it has to be given up before hands are shaken.
pub(crate) type Taken = (Arc<Seat>, oneshot::Receiver<()>);

impl Seats {
    pub(crate) fn new(limits: SeatLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// Takes a place, once there is one.
    pub(crate) async fn take(self: &Arc<Self>) -> Taken {
        let mut has_waited = false;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(taken) = self.try_take(has_waited) {
                return taken;
            }
            has_waited = true;
            freed.await;
        }
    }

    fn try_take(self: &Arc<Self>, has_waited: bool) -> Option<Taken> {
        let mut state = self.state.lock();
        if state.is_full(&self.limits) {
            state.pauses += u64::from(!has_waited);
            return None;
        }
        if state.shaking.len() >= self.limits.handshakes_max.max(1) {
            // Dropped, it tells its connection.
            state.cuts += u64::from(state.shaking.pop_first().is_some());
        }
        let number = state.next_number;
        let (stop, stopped) = oneshot::channel();
        state.next_number += 1;
        state.taken += 1;
        state.shaking.insert(number, stop);
        drop(state);
        let seat = Seat {
            seats: Arc::clone(self),
            number,
            left: Mutex::default(),
        };
        Some((Arc::new(seat), stopped))
    }

    /// How often a listener had to wait, and how many peers were cut in their handshakes.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.pauses, state.cuts)
    }
}

impl State {
    fn is_full(&self, limits: &SeatLimits) -> bool {
        let reaches = |count: u64, limit: u64| limit > 0 && count >= limit;
        self.taken >= limits.connections_max.max(1)
            || reaches(self.left_messages, limits.departed.messages)
            || reaches(self.left_bytes, limits.departed.bytes)
    }
}

impl Seat {
    /// Its peer has shaken hands.
    pub(crate) fn shaken(&self) {
        self.seats.state.lock().shaking.remove(&self.number);
    }

    /// Its peer is gone, and has left what is there and not received.
    pub(crate) fn leave(&self, incoming: &mut Sender) {
        if incoming.is_closed() {
            return;
        }
        let (messages, bytes) = incoming.ahead();
        *self.left.lock() = (messages, bytes);
        let mut state = self.seats.state.lock();
        state.left_messages += messages;
        state.left_bytes += bytes;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (messages, bytes) = *self.left.lock();
        let mut state = self.seats.state.lock();
        state.taken -= 1;
        state.shaking.remove(&self.number);
        state.left_messages -= messages;
        state.left_bytes -= bytes;
        drop(state);
        self.seats.freed.notify_waiters();
    }
}
