//! Looking into the heads of messages, whatever their dialect.

use model::{Dialect, Message, Property, Value};
use std::borrow::Cow;

/// One thing that the head of a message says, in a form that no protocol owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field<'m> {
    /// A property, at most once in a message. [`Property::ReplyTo`] is a [`model::Address`] as that
    /// spells it.
    Property(Property, Value<'m>),
    /// A header of the application's, with its name. Names may come again.
    Header(Cow<'m, [u8]>, Value<'m>),
}

/// A delay that an exchange is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedDelay {
    /// How long, in milliseconds.
    pub ms: u64,
    /// The head that the message goes on with if it is granted: it asks no more.
    pub head: Vec<u8>,
}

/// Reads the heads of messages of one dialect. Each protocol brings one for its own.
///
/// Asked only where something depends on it: headers exchanges, selectors, groups, last values; and by a
/// session that delivers a message of another dialect.
pub trait HeadReader: Sync {
    /// The value of the application's header with this name, unescaped; the first if there are several.
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>>;

    /// The value of a property.
    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>>;

    /// Gives all that the head says, for readers of another dialect: the headers in their order, and
    /// properties among them. What the envelope says need not be given: it goes before. A
    /// [`Property::Destination`] is given only if it is not what exchange and key say anyway.
    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>));

    /// Gives the routing keys that the head names beside the message's own, in their order. Asked only of a message
    /// whose envelope says that its head routes it, too.
    fn further_keys<'m>(&self, _message: &'m Message, _each: &mut dyn FnMut(&'m [u8])) {}

    /// The same without those that nobody is shown.
    fn shown_further_keys<'m>(&self, message: &'m Message, each: &mut dyn FnMut(&'m [u8])) {
        self.further_keys(message, each);
    }

    /// The head without them, for a message that goes on by another key.
    fn without_further_keys(&self, message: &Message) -> Vec<u8> {
        message.head().to_vec()
    }

    /// The delay that the head asks for. Asked only of a message whose envelope says that its head routes it, too.
    fn asked_delay(&self, _message: &Message) -> Option<AskedDelay> {
        None
    }
}

/// Who reads the heads of messages of a dialect.
pub type Heads = fn(Dialect) -> &'static dyn HeadReader;
