//! Turns with keys: one publishes a message that is to be retained at a time.

use crate::outbox::Outbox;
use crate::retained::hash;
use model::{Address, CommandId};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys that take turns together.
const TURNS: usize = 64;

/// Who has a turn with which key.
///
/// A publisher has it while it sets the message and pushes it, under a lock. What a transaction retains is set and
/// pushed once it is decided, which nobody can wait for under a lock: it holds its keys until then, and who finds one
/// held is told when it no longer is.
pub(super) struct Turns([Mutex<Held>; TURNS]);

/// Keys that transactions hold, with those who wait for them.
type Held = BTreeMap<Box<[u8]>, Vec<Waiting>>;

/// Who waits: the command is confirmed when it is worth another try.
struct Waiting {
    outbox: Arc<Outbox>,
    command: CommandId,
}

/// A turn with a key, and with others that take turns together with it.
pub(crate) struct Turn<'t>(MutexGuard<'t, Held>);

/// Keys that a transaction holds. They are given back when this is dropped.
pub(crate) struct HeldKeys {
    turns: Arc<Turns>,
    keys: Vec<Box<[u8]>>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    pub(super) fn turn(&self, key: &[u8]) -> Turn<'_> {
        let number = hash(Address::TOPIC_EXCHANGE, key) >> 32;
        let number = usize::try_from(number).unwrap_or_default() % TURNS;
        Turn(self.0[number].lock())
    }
}

impl Turn<'_> {
    /// Whether a transaction holds the key. If so, the command is confirmed once it no longer does.
    pub(crate) fn is_held(&mut self, key: &[u8], outbox: &Arc<Outbox>, command: CommandId) -> bool {
        let Some(waiting) = self.0.get_mut(key) else {
            return false;
        };
        let outbox = Arc::clone(outbox);
        waiting.push(Waiting { outbox, command });
        true
    }
}

impl HeldKeys {
    /// Takes keys, each once, or none of them: then the command is confirmed when it is worth another try. Nobody holds
    /// keys while it waits for others: its own connection may take its time.
    pub(super) fn take<'k>(
        turns: &Arc<Turns>,
        keys: impl Iterator<Item = &'k [u8]>,
        outbox: &Arc<Outbox>,
        command: CommandId,
    ) -> Option<Self> {
        let mut held = Self {
            turns: Arc::clone(turns),
            keys: Vec::new(),
        };
        for key in keys {
            let mut turn = turns.turn(key);
            if turn.is_held(key, outbox, command) {
                drop(turn);
                return None;
            }
            turn.0.insert(key.into(), Vec::new());
            held.keys.push(key.into());
        }
        Some(held)
    }
}

impl Drop for HeldKeys {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            let waiting = self.turns.turn(&key).0.remove(&key);
            for Waiting { outbox, command } in waiting.into_iter().flatten() {
                outbox.confirm(&[command]);
            }
        }
    }
}
