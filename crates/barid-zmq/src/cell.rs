//! A socket behind its handles: the core under its lock, and what was bound and connected.

use crate::attachment::Attachment;
use crate::context::Context;
use crate::core::Core;
use crate::endpoint::{Endpoint, Transport};
use crate::error::{BindError, ConnectError};
use crate::gate::{Interest, Signal};
use crate::hub::Hub;
use crate::net;
use crate::options::Options;
use crate::peers::PeerId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::task::{Poll, Waker};
use tokio::sync::watch;
use zmtp::SocketType;

/// Something that was bound or connected.
struct Place {
    endpoint: Endpoint,
    number: u64,
    is_bound: bool,
    /// Dropped to end the listener, or the attempts to connect.
    _stop: Option<watch::Sender<()>>,
}

pub(crate) struct Cell {
    core: Mutex<Core>,
    pub(crate) hub: Arc<Hub>,
    places: Mutex<Vec<Place>>,
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
        Self {
            core: Mutex::new(core),
            hub,
            places: Mutex::new(Vec::new()),
        }
    }

    /// Uses the core; rings and lets go what it leaves when the lock is released.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = f(&mut core);
        let afterwards = core.afterwards();
        drop(core);
        if let Some(afterwards) = afterwards {
            afterwards.run();
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
        loop {
            let count = self.hub.gate.count();
            if let Some(result) = self.with(&mut attempt) {
                return Poll::Ready(result);
            }
            if self.hub.gate.wait(interest, key, waker, count) {
                return Poll::Pending;
            }
        }
    }

    fn suits(&self, endpoint: &Endpoint, binds: bool) -> bool {
        let is_secure = self.hub.options.security.is_asked_for();
        endpoint.suits(self.hub.socket_type, binds, is_secure)
    }

    /// Binds; returns the endpoint with what was open in it filled in.
    pub(crate) fn bind(&self, endpoint: &Endpoint) -> Result<Endpoint, BindError> {
        let mut places = self.places.lock();
        if self.with(|core| core.is_closed()) {
            return Err(BindError::Closed);
        }
        if !self.suits(endpoint, true) {
            return Err(BindError::Unsuitable(endpoint.clone()));
        }
        let number = self.hub.next_endpoint();
        let (endpoint, stop) = match &endpoint.0 {
            Transport::Inproc(name) => {
                self.hub.context.names.bind(name, &self.hub, number)?;
                self.with(Core::look);
                (endpoint.clone(), None)
            }
            Transport::Tcp { .. }
            | Transport::Ipc(_)
            | Transport::Ws { .. }
            | Transport::Udp { .. } => {
                let (endpoint, stop) = net::listen(&self.hub, endpoint, number)?;
                (endpoint, Some(stop))
            }
        };
        places.push(Place {
            endpoint: endpoint.clone(),
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
        if !self.suits(endpoint, false) {
            return Err(ConnectError::Unsuitable(endpoint.clone()));
        }
        let number = self.hub.next_endpoint();
        let (attachment, stop): (Option<Attachment>, _) = match &endpoint.0 {
            Transport::Inproc(name) => {
                let names = &self.hub.context.names;
                (
                    Some(names.connect(name, &self.hub, number, given_name)?),
                    None,
                )
            }
            Transport::Tcp { .. }
            | Transport::Ipc(_)
            | Transport::Ws { .. }
            | Transport::Udp { .. } => {
                let (attachment, stop) = net::connect(&self.hub, endpoint, number, given_name)?;
                (attachment, Some(stop))
            }
        };
        places.push(Place {
            endpoint: endpoint.clone(),
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
            .iter()
            .position(|place| place.endpoint == *endpoint && place.is_bound == is_bound);
        let Some(place) = found.map(|index| places.remove(index)) else {
            return false;
        };
        drop(places);
        if is_bound && let Some(name) = endpoint.inproc_name() {
            self.hub.context.names.unbind(name, &self.hub);
        }
        let number = place.number;
        drop(place);
        self.with(|core| core.detach(number));
        true
    }

    /// Ends everything. What is still to be sent is sent within the linger time.
    pub(crate) fn close(&self) {
        let places = std::mem::take(&mut *self.places.lock());
        for place in &places {
            if place.is_bound
                && let Some(name) = place.endpoint.inproc_name()
            {
                self.hub.context.names.unbind(name, &self.hub);
            }
        }
        self.with(Core::close);
        self.hub.gate.close();
        drop(places);
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
