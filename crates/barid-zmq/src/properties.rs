//! What is known of a peer beside its messages.

use parking_lot::Mutex;
use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use zmtp::metadata::{IDENTITY, Metadata};
use zmtp::{Identity, Peer};

/// The most that is kept of one peer: each takes memory beside its octets.
const PROPERTIES_MAX: usize = 100;

/// What a peer over a connection has said of itself in the handshake, and what was found out about it: the first 100
/// properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerProperties(Vec<(CString, CString)>);

impl PeerProperties {
    pub(crate) fn new(peer: &Peer, address: &str) -> Self {
        let mut this = Self(Vec::new());
        this.add(b"Peer-Address", address.as_bytes());
        if peer.identity != Identity::default() {
            this.add(b"Routing-Id", peer.identity.as_bytes());
        }
        if !peer.user_id.is_empty() {
            this.add(b"User-Id", &peer.user_id);
        }
        // They were read before. What whoever let the peer in says counts more than what it says.
        for properties in [&peer.verdict_metadata, &peer.metadata] {
            let properties = Metadata::read(properties).into_iter();
            for (name, value) in properties.flat_map(Metadata::iter) {
                this.add(name, value);
            }
        }
        this
    }

    /// Of a peer of which nothing is known but where it is.
    pub(crate) fn of_address(address: &str) -> Self {
        let mut this = Self(Vec::new());
        this.add(b"Peer-Address", address.as_bytes());
        this
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        let text = |octets: &[u8]| {
            let end = octets.iter().position(|octet| *octet == 0);
            CString::new(&octets[..end.unwrap_or(octets.len())]).unwrap_or_default()
        };
        if self.0.len() < PROPERTIES_MAX && !name.eq_ignore_ascii_case(IDENTITY.as_bytes()) {
            self.0.push((text(name), text(value)));
        }
    }

    /// The value of a property, up to its first zero: `Peer-Address`, without the port; `Routing-Id`; `User-Id`, of the
    /// verdict; `Socket-Type`; any other of the verdict or of the peer.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&CStr> {
        let name = if name.eq_ignore_ascii_case(IDENTITY) {
            "Routing-Id"
        } else {
            name
        };
        let is_named = |found: &CString| found.as_bytes().eq_ignore_ascii_case(name.as_bytes());
        let found = self.0.iter().find(|(found, _)| is_named(found));
        found.map(|(_, value)| value.as_c_str())
    }
}

/// The properties of a peer of a socket: of the connection that is there, or was last.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Told>);

#[derive(Default)]
struct Told {
    properties: Mutex<Option<Arc<PeerProperties>>>,
    /// Where those are: to be compared without the lock. Who has them knows that nothing else is there meanwhile.
    at: AtomicPtr<PeerProperties>,
}

impl Known {
    pub(crate) fn set(&self, properties: PeerProperties) {
        let properties = Arc::new(properties);
        let mut known = self.0.properties.lock();
        self.0
            .at
            .store(Arc::as_ptr(&properties).cast_mut(), Ordering::Release);
        *known = Some(properties);
    }

    pub(crate) fn get(&self) -> Option<Arc<PeerProperties>> {
        self.0.properties.lock().clone()
    }

    /// Puts the properties in a place, unless they are there already.
    #[inline]
    pub(crate) fn note(&self, place: &mut Option<Arc<PeerProperties>>) {
        let there = place.as_ref().map_or(ptr::null(), Arc::as_ptr);
        if !ptr::eq(there, self.0.at.load(Ordering::Acquire)) {
            *place = self.get();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use zmtp::metadata::put_property;

    #[test]
    fn what_is_known_is_put_where_it_is_not_yet() {
        let (known, mut place) = (Known::default(), None);
        known.note(&mut place);
        assert!(place.is_none());
        for address in ["127.0.0.1", "127.0.0.2"] {
            known.set(PeerProperties::new(&Peer::default(), address));
            known.note(&mut place);
            let noted = place.clone().unwrap();
            assert_eq!(noted.get("Peer-Address").unwrap().to_str(), Ok(address));
            known.note(&mut place);
            assert!(Arc::ptr_eq(&noted, place.as_ref().unwrap()));
        }
    }

    #[test]
    fn so_many_are_kept() {
        let mut metadata = BytesMut::new();
        for _ in 0..1_000 {
            put_property(&mut metadata, "x", b"").unwrap();
        }
        let peer = Peer {
            metadata: metadata.freeze(),
            user_id: Bytes::from_static(b"ann"),
            ..Peer::default()
        };
        let properties = PeerProperties::new(&peer, "127.0.0.1");
        assert_eq!(properties.0.len(), PROPERTIES_MAX);
        assert_eq!(properties.get("User-Id"), Some(c"ann"));
    }
}
