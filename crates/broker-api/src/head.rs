//! Looking into the heads of messages, whatever their dialect.

use model::{Message, Property, Value};

/// Reads the heads of messages of one dialect. Each protocol brings one for its own.
///
/// Asked only where something depends on it: headers exchanges, selectors, groups, last values. What the
/// broker's envelope already says (priority, persistence, time to live) is not asked for here.
pub trait HeadReader: Sync {
    /// The value of the application's header with this name, unescaped; the first if there are several.
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>>;

    /// The value of a property.
    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>>;
}
