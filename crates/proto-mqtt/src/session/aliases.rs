//! Topic aliases that the client has set.

use super::ending::Ending;
use std::num::NonZeroU16;

/// The keys that aliases of the client stand for. Grows as far as they are used.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// Boxed: most clients set none.
    keys: Option<Box<Keys>>,
}

type Keys = Vec<Option<Box<[u8]>>>;

impl Aliases {
    /// The alias stands for this key from now on. [MQTT-3.3.2-12]
    pub(super) fn set(&mut self, alias: NonZeroU16, limit: u16, key: &[u8]) -> Result<(), Ending> {
        let place = Self::place(alias, limit)?;
        let keys = self.keys.get_or_insert_default();
        if keys.len() <= place {
            keys.resize_with(place + 1, || None);
        }
        // Most clients set the same again and again.
        if keys[place].as_deref() != Some(key) {
            keys[place] = Some(key.into());
        }
        Ok(())
    }

    /// The key that the alias stands for.
    pub(super) fn key(&self, alias: NonZeroU16, limit: u16) -> Result<&[u8], Ending> {
        let place = Self::place(alias, limit)?;
        let keys = self.keys.as_ref();
        let key = keys.and_then(|keys| keys.get(place)?.as_deref());
        key.ok_or(Ending::TopicAliasUnknown(alias.get()))
    }

    const fn place(alias: NonZeroU16, limit: u16) -> Result<usize, Ending> {
        let alias = alias.get();
        if alias > limit {
            return Err(Ending::TopicAliasTooHigh { alias, limit });
        }
        Ok(alias as usize - 1)
    }
}
