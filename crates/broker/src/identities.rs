//! What at most one connection may be at a time.

use crate::outbox::Outbox;
use broker_api::Refusal;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The connections that have an identity, by it: one each.
#[derive(Default)]
pub(crate) struct Identities {
    owners: Mutex<BTreeMap<Box<[u8]>, Arc<Outbox>>>,
}

impl Identities {
    /// The identity is this connection's from now on. One that had it before is told to end.
    pub(crate) fn claim(&self, identity: &[u8], outbox: &Arc<Outbox>) {
        let before = self
            .owners
            .lock()
            .insert(identity.into(), Arc::clone(outbox));
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, outbox)) {
            before.end(&Refusal::TakenOver);
        }
    }

    /// A connection has ended; its identity may be another's already.
    pub(crate) fn release(&self, identity: &[u8], outbox: &Arc<Outbox>) {
        let mut owners = self.owners.lock();
        if owners
            .get(identity)
            .is_some_and(|owner| Arc::ptr_eq(owner, outbox))
        {
            owners.remove(identity);
        }
    }
}
