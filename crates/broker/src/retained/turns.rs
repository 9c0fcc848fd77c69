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
///
/// What a publisher has pushed to shared queues waits in mailboxes, where a transaction would overtake it: none takes
/// the key before that has come to the queues.
pub(super) struct Turns([Together; TURNS]);

/// Keys that take turns together.
#[derive(Default)]
struct Together {
    /// Who has it may push to many.
    turn: Mutex<()>,
    /// Locked for a moment only, with the turn or without: executors wait for no turn here.
    busy: Mutex<Busy>,
}

/// Keys that somebody else is to wait for.
type Busy = BTreeMap<Box<[u8]>, Key>;

#[derive(Default)]
struct Key {
    /// Whether a transaction holds it.
    is_held: bool,
    /// Messages of it that are in mailboxes.
    under_way: usize,
    waiting: Vec<Waiting>,
}

/// Who waits: the command is confirmed when it is worth another try.
struct Waiting {
    outbox: Arc<Outbox>,
    command: CommandId,
}

/// A turn with a key, and with others that take turns together with it.
pub(crate) struct Turn<'t> {
    _turn: MutexGuard<'t, ()>,
    busy: &'t Mutex<Busy>,
}

/// A message of a key that is in mailboxes, until this is dropped.
pub(crate) struct UnderWay {
    turns: Arc<Turns>,
    key: Box<[u8]>,
}

/// Keys that a transaction holds. They are given back when this is dropped.
pub(crate) struct HeldKeys {
    turns: Arc<Turns>,
    keys: Vec<Box<[u8]>>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Together::default()))
    }

    pub(super) fn turn(&self, key: &[u8]) -> Turn<'_> {
        let together = self.together(key);
        Turn {
            _turn: together.turn.lock(),
            busy: &together.busy,
        }
    }

    fn together(&self, key: &[u8]) -> &Together {
        let number = hash(Address::TOPIC_EXCHANGE, key) >> 32;
        &self.0[usize::try_from(number).unwrap_or_default() % TURNS]
    }

    /// Changes a key, and tells who waits for it if nobody need any longer.
    fn release(&self, key: &[u8], change: impl FnOnce(&mut Key)) {
        let mut busy = self.together(key).busy.lock();
        let Some(found) = busy.get_mut(key) else {
            return;
        };
        change(found);
        if found.is_held || found.under_way > 0 {
            return;
        }
        let free = busy.remove(key);
        drop(busy);
        for Waiting { outbox, command } in free.into_iter().flat_map(|it| it.waiting) {
            outbox.confirm(&[command]);
        }
    }
}

impl Turn<'_> {
    /// Whether a transaction holds the key, or waits for it. If so, the command is confirmed once that is over.
    pub(crate) fn is_held(&self, key: &[u8], outbox: &Arc<Outbox>, command: CommandId) -> bool {
        let mut busy = self.busy.lock();
        let found = busy.get_mut(key);
        let is_held = |key: &&mut Key| key.is_held || !key.waiting.is_empty();
        let Some(found) = found.filter(is_held) else {
            return false;
        };
        found.wait(outbox, command);
        true
    }

    /// Takes the key for a transaction, unless somebody is to be waited for: then the command is confirmed when it is
    /// worth another try.
    fn hold(&self, key: &[u8], outbox: &Arc<Outbox>, command: CommandId) -> bool {
        let mut busy = self.busy.lock();
        let found = busy.entry(key.into()).or_default();
        let is_free = !found.is_held && found.under_way == 0;
        if is_free {
            found.is_held = true;
        } else {
            found.wait(outbox, command);
        }
        is_free
    }
}

impl Key {
    fn wait(&mut self, outbox: &Arc<Outbox>, command: CommandId) {
        let outbox = Arc::clone(outbox);
        self.waiting.push(Waiting { outbox, command });
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
            if !turns.turn(key).hold(key, outbox, command) {
                return None;
            }
            held.keys.push(key.into());
        }
        Some(held)
    }
}

impl Drop for HeldKeys {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            self.turns.release(&key, |key| key.is_held = false);
        }
    }
}

impl UnderWay {
    pub(super) fn new(turns: &Arc<Turns>, turn: &Turn<'_>, key: &[u8]) -> Self {
        turn.busy.lock().entry(key.into()).or_default().under_way += 1;
        Self {
            turns: Arc::clone(turns),
            key: key.into(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.turns.release(&self.key, |key| key.under_way -= 1);
    }
}
