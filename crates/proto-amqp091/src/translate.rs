//! Between AMQP's words and the model's: definitions, arguments and messages. Nothing else in this crate but the session knows
//! both vocabularies.

mod deaths;
mod definition;
mod deliver;
mod headers;
mod heads;
mod publish;
mod queue_arguments;
mod routing;
mod value;

pub(crate) use definition::{exchange_definition, queue_definition};
pub use deliver::put_foreign_properties;
pub(crate) use deliver::put_foreign_properties_within;
pub(crate) use deliver::with_delivery_count;
pub use heads::AmqpHeads;
pub(crate) use publish::{DIRECT_REPLY_TO, message_of};
pub(crate) use queue_arguments::MILLISECONDS_MAX;
pub(crate) use routing::shown_properties;
pub(crate) use value::{arguments, value_of};
