//! A socket behind its handles: the core under its lock, and what was bound and connected.

use crate::attachment::Attachment;
use crate::context::Context;
use crate::core::Core;
use crate::endpoint::{Endpoint, Transport};
use crate::error::{BindError, ConnectError};
use crate::gate::{Interest, Signal};
use crate::hub::Hub;
use crate::monitor::MonitorEvent;
use crate::net;
use crate::options::Options;
use crate::peers::PeerId;
use crate::spin::Spin;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::task::{Poll, Waker};
use zmtp::SocketType;

/// Attempts, while peers signal all the time, before others of the thread get their turn.
const ROUNDS_MAX: usize = 16;

/// Something that was bound or connected.
struct Place {
    endpoint: Endpoint,
    /// With the options of that time.
    hub: Arc<Hub>,
    number: u64,
    is_bound: bool,
    /// Dropped to end the listener, or the attempts to connect.
    _stop: Option<net::Stop>,
}

/// Sockets of two threads do not share a line of cache.
#[repr(align(64))]
pub(crate) struct Cell {
    core: Mutex<Core>,
    pub(crate) hub: Arc<Hub>,
    places: Mutex<Places>,
    receiving: Spin,
    sending: Spin,
}

struct Places {
    /// With the options that the next place gets.
    hub: Arc<Hub>,
    all: Vec<Place>,
}

impl Cell {
    pub(crate) fn new(context: &Context, socket_type: SocketType, options: Options) -> Self {
        let options = Arc::new(options);
        let hub = Arc::new(Hub::new(
            socket_type,
            Arc::clone(&options),
            Arc::clone(&context.0),
        ));
        let core = Core::new(socket_type, &options, Arc::clone(&hub.gate), random());
        let places = Places {
            hub: Arc::clone(&hub),
            all: Vec::new(),
        };
        Self {
            core: Mutex::new(core),
            hub,
            places: Mutex::new(places),
            receiving: Spin::default(),
            sending: Spin::default(),
        }
    }

    /// Changes the options: those of connections for what is bound and connected from here on, limits of queues and all
    /// others at once.
    pub(crate) fn set_options(&self, options: Options) {
        let options = Arc::new(options);
        let mut places = self.places.lock();
        places.hub = Arc::new(self.hub.with_options(Arc::clone(&options)));
        self.with(|core| core.set_options(options));
    }

    /// Uses the core; rings and lets go what it leaves when the lock is released.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = f(&mut core);
        let afterwards = core.afterwards();
        drop(core);
        if let Some(afterwards) = afterwards {
            afterwards.run(&self.hub.gate);
        }
        result
    }

    /// Tries until it has a result, or the waker is left for when it may have one.
    #[inline]
    pub(crate) fn poll<R>(
        &self,
        interest: Interest,
        key: &mut Option<u64>,
        waker: &Waker,
        mut attempt: impl FnMut(&mut Core) -> Option<R>,
    ) -> Poll<R> {
        if let Some(result) = self.with(&mut attempt) {
            return Poll::Ready(result);
        }
        for _ in 0..ROUNDS_MAX {
            let count = self.hub.gate.count();
            if let Some(result) = self.with(&mut attempt) {
                return Poll::Ready(result);
            }
            if self.hub.gate.wait(interest, key, waker, count) {
                return Poll::Pending;
            }
        }
        waker.wake_by_ref();
        Poll::Pending
    }

    /// Looks out for a signal for a moment; false if there was none.
    pub(crate) fn look_out(&self, interest: Interest) -> bool {
        let spin = match interest {
            Interest::Receive => &self.receiving,
            Interest::Send => &self.sending,
            Interest::Change => return false,
        };
        spin.look(&self.hub.gate)
    }

    /// Binds; returns the endpoint with what was open in it filled in.
    pub(crate) fn bind(&self, endpoint: &Endpoint) -> Result<Endpoint, BindError> {
        let mut places = self.places.lock();
        if self.with(|core| core.is_closed()) {
            return Err(BindError::Closed);
        }
        if !places.hub.suits(endpoint, true) {
            return Err(BindError::Unsuitable(endpoint.clone()));
        }
        let hub = Arc::clone(&places.hub);
        let number = hub.next_endpoint();
        let (endpoint, stop) = match &endpoint.0 {
            Transport::Inproc(name) => {
                hub.context.names.bind(name, &hub, number)?;
                self.with(Core::look);
                (endpoint.clone(), None)
            }
            Transport::Tcp { .. }
            | Transport::Ipc(_)
            | Transport::Ws { .. }
            | Transport::Udp { .. } => {
                let (endpoint, stop) = net::listen(&hub, endpoint, number)?;
                (endpoint, Some(stop))
            }
        };
        places.all.push(Place {
            endpoint: endpoint.clone(),
            hub,
            number,
            is_bound: true,
            _stop: stop,
        });
        Ok(endpoint)
    }

    /// Connects, now or as soon as the peer is there; returns which peer it is, if that is known already.
    pub(crate) fn connect(
        &self,
        endpoint: &Endpoint,
        given_name: Option<Bytes>,
    ) -> Result<Option<PeerId>, ConnectError> {
        let mut places = self.places.lock();
        if self.with(|core| core.is_closed()) {
            return Err(ConnectError::Closed);
        }
        if !places.hub.suits(endpoint, false) {
            return Err(ConnectError::Unsuitable(endpoint.clone()));
        }
        let hub = Arc::clone(&places.hub);
        let number = hub.next_endpoint();
        let (attachment, stop): (Option<Attachment>, _) = match &endpoint.0 {
            Transport::Inproc(name) => {
                let names = &hub.context.names;
                (Some(names.connect(name, &hub, number, given_name)?), None)
            }
            Transport::Tcp { .. }
            | Transport::Ipc(_)
            | Transport::Ws { .. }
            | Transport::Udp { .. } => {
                let (attachment, stop) = net::connect(&hub, endpoint, number, given_name)?;
                (attachment, Some(stop))
            }
        };
        places.all.push(Place {
            endpoint: endpoint.clone(),
            hub,
            number,
            is_bound: false,
            _stop: stop,
        });
        drop(places);
        let Some(attachment) = attachment else {
            return Ok(None);
        };
        let peer = self.with(|core| core.attach(attachment));
        self.hub.gate.push(Signal::Attached);
        Ok(peer)
    }

    /// Ends what was bound or connected there; false if nothing was.
    pub(crate) fn end(&self, endpoint: &Endpoint, is_bound: bool) -> bool {
        let mut places = self.places.lock();
        let found = places
            .all
            .iter()
            .position(|place| place.endpoint == *endpoint && place.is_bound == is_bound);
        let Some(place) = found.map(|index| places.all.remove(index)) else {
            return false;
        };
        drop(places);
        if is_bound && let Some(name) = endpoint.inproc_name() {
            self.hub.context.names.unbind(name, &place.hub);
        }
        let number = place.number;
        self.unlisten(place);
        self.with(|core| core.detach(number));
        if !is_bound && let Some(name) = endpoint.inproc_name() {
            self.hub.context.names.withdraw(name);
        }
        true
    }

    /// Ends everything. What is still to be sent is sent within the linger time.
    pub(crate) fn close(&self) {
        let places = std::mem::take(&mut self.places.lock().all);
        for place in &places {
            if place.is_bound
                && let Some(name) = place.endpoint.inproc_name()
            {
                self.hub.context.names.unbind(name, &place.hub);
            }
        }
        self.with(Core::close);
        self.hub.gate.close();
        for place in &places {
            if !place.is_bound
                && let Some(name) = place.endpoint.inproc_name()
            {
                self.hub.context.names.withdraw(name);
            }
        }
        for place in places {
            self.unlisten(place);
        }
    }

    /// Ends what is done for a place.
    fn unlisten(&self, place: Place) {
        let Place {
            endpoint,
            is_bound,
            _stop: stop,
            ..
        } = place;
        drop(stop);
        if is_bound && endpoint.inproc_name().is_none() {
            self.hub.monitors.tell(|| MonitorEvent::Closed { endpoint });
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.close();
    }
}

/// A number that nobody can foresee from others.
#[expect(
    clippy::cast_possible_truncation,
    reason = "half of a hash is as good as all"
)]
pub(crate) fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}
