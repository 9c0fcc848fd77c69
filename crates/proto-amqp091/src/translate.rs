//! Between AMQP's words and the model's: definitions and arguments. Nothing else in this crate but the session knows
//! both vocabularies.

mod definition;
mod deliver;
mod queue_arguments;
mod value;

pub(crate) use definition::{exchange_definition, queue_definition};
pub(crate) use deliver::put_properties;
pub(crate) use value::arguments;
