//! What a socket shares with its connections and listeners.

use crate::cell::Cell;
use crate::context::Shared as ContextShared;
use crate::core::{Core, Counters};
use crate::endpoint::Endpoint;
use crate::gate::{Gate, Interest};
use crate::monitor::Monitors;
use crate::net::{Seats, Unfinished};
use crate::options::Options;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use zmtp::SocketType;

/// The part of a socket that its connections hold, with the options as they were when the socket bound or connected; it
/// outlives the socket while they send what is left.
pub(crate) struct Hub {
    shared: Arc<Shared>,
    pub(crate) options: Arc<Options>,
}

/// What all connections of a socket share, whatever their options.
pub(crate) struct Shared {
    pub(crate) socket_type: SocketType,
    pub(crate) gate: Arc<Gate>,
    pub(crate) context: Arc<ContextShared>,
    pub(crate) monitors: Monitors,
    pub(crate) seats: Arc<Seats>,
    pub(crate) unfinished: Arc<Unfinished>,
    /// Peers that have shaken hands.
    pub(crate) connected: AtomicUsize,
    /// Connections that exist or are being made.
    running: AtomicUsize,
    /// Messages that were still to be sent when connections ended for good.
    unsent: AtomicU64,
    /// Datagrams that were not sent, and that were not taken.
    dropped_sends: AtomicU64,
    dropped_receives: AtomicU64,
    next_endpoint: AtomicU64,
    /// The socket, while it is there.
    cell: OnceLock<Weak<Cell>>,
}

impl Deref for Hub {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Hub {
    /// Whether each message waits for the answer to the one before, so that nothing is gained by writing many at once.
    pub(crate) fn senders_write(&self) -> bool {
        matches!(self.socket_type, SocketType::Req | SocketType::Rep)
    }

    pub(crate) fn new(
        socket_type: SocketType,
        options: Arc<Options>,
        context: Arc<ContextShared>,
    ) -> Self {
        let shared = Shared {
            socket_type,
            seats: Arc::new(Seats::new(options.seats)),
            unfinished: Arc::new(Unfinished::new(options.unfinished_max)),
            gate: Arc::new(Gate::default()),
            context,
            monitors: Monitors::default(),
            connected: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            unsent: AtomicU64::new(0),
            dropped_sends: AtomicU64::new(0),
            dropped_receives: AtomicU64::new(0),
            next_endpoint: AtomicU64::new(0),
            cell: OnceLock::new(),
        };
        Self {
            shared: Arc::new(shared),
            options,
        }
    }

    /// Whether the socket may bind or connect there as its options are now.
    pub(crate) fn suits(&self, endpoint: &Endpoint, binds: bool) -> bool {
        let is_secure = self.options.security.is_asked_for();
        endpoint.suits(self.socket_type, binds, is_secure)
    }

    /// The same with other options.
    pub(crate) fn with_options(&self, options: Arc<Options>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            options,
        }
    }
}

impl Shared {
    /// Says which socket it is of.
    pub(crate) fn set_cell(&self, cell: &Arc<Cell>) {
        // It is said once.
        let _known: Result<(), _> = self.cell.set(Arc::downgrade(cell));
    }

    /// Looks at the signals of the socket in its user's stead, when a peer comes or goes: a peer is told what the socket
    /// has subscribed to, and one that is gone is forgotten, though the user does nothing.
    pub(crate) fn look(&self) {
        if let Some(cell) = self.cell.get().and_then(Weak::upgrade) {
            cell.with(Core::look);
        }
    }

    /// Wakes those who wait for a change.
    pub(crate) fn wake_watchers(&self) {
        self.gate.wake(&[Interest::Change]);
    }

    pub(crate) fn next_endpoint(&self) -> u64 {
        self.next_endpoint.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts datagrams that are not sent.
    pub(crate) fn count_dropped_sends(&self, count: u64) {
        self.dropped_sends.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts datagrams that nobody is to have.
    pub(crate) fn count_dropped_receives(&self, count: u64) {
        self.dropped_receives.fetch_add(count, Ordering::Relaxed);
    }

    /// What the core has counted, and what its connections have.
    pub(crate) fn counters(&self, core: Counters) -> Counters {
        let (accept_pauses, cut_handshakes) = self.seats.counts();
        Counters {
            accept_pauses,
            cut_handshakes,
            cut_subscribers: core.cut_subscribers,
            dropped_sends: core.dropped_sends + self.dropped_sends.load(Ordering::Relaxed),
            dropped_receives: core.dropped_receives + self.dropped_receives.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    pub(crate) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Acquire)
    }
}

/// One connection that exists or is being made.
pub(crate) struct Running(pub(crate) Arc<Hub>);

impl Running {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        hub.running.fetch_add(1, Ordering::AcqRel);
        Self(hub)
    }

    /// Counts messages that will not be sent.
    pub(crate) fn add_unsent(&self, count: u64) {
        self.0.unsent.fetch_add(count, Ordering::AcqRel);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.wake_watchers();
    }
}
