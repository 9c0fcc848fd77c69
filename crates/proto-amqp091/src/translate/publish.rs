//! What a client publishes into a message.

use super::deliver::PERSISTENT;
use super::routing::{X_DELAY, delay_of, is_further_keys, note_further_keys};
use crate::session::Failure;
use crate::{Content, FieldValue, MethodId, PropertyList, ReplyCode, basic};
use conversion::{Column, Row};
use model::{Dialect, Envelope, Message, Parts, Persistence, Property, Retain};

const METHOD: MethodId = basic::Publish::ID;

/// What a client names that wants answers sent to its channel.
pub(crate) const DIRECT_REPLY_TO: &[u8] = b"amq.rabbitmq.reply-to";

/// The message of a content: its properties as they came.
pub(crate) fn message_of(
    publish: &basic::Publish<'_>,
    content: &Content<'_>,
) -> Result<Message, Failure> {
    let envelope = envelope_of(&content.properties.fields())?;
    Ok(Message::new(&Parts {
        envelope,
        exchange: publish.exchange.as_bytes(),
        key: publish.routing_key.as_bytes(),
        annotations: &[],
        head: &[content.properties.as_bytes()],
        body: content.body,
    }))
}

/// What properties say to the broker.
fn envelope_of(list: &PropertyList<'_>) -> Result<Envelope, Failure> {
    let persistence = match list.delivery_mode {
        Some(PERSISTENT) => Persistence::Persistent,
        Some(_) | None => Persistence::Transient,
    };
    let mut envelope = Envelope::new(Dialect::Amqp091, persistence);
    envelope.priority = list.priority.unwrap_or(0);
    if let Some(expiration) = list.expiration {
        let number = std::str::from_utf8(expiration.as_bytes()).ok();
        let millis = number.and_then(|it| it.parse().ok());
        envelope.ttl_ms = Some(millis.ok_or_else(|| {
            let text = format!("invalid expiration '{expiration}': no number of milliseconds");
            Failure::new(ReplyCode::PreconditionFailed, METHOD, text)
        })?);
    }
    if list
        .reply_to
        .is_some_and(|it| it.as_bytes() == DIRECT_REPLY_TO)
    {
        let text = "fast reply consumer does not exist";
        return Err(Failure::new(ReplyCode::PreconditionFailed, METHOD, text));
    }
    let mut further_keys = 0;
    for (name, value) in list.headers.iter().flat_map(|it| it.iter()) {
        if is_further_keys(name) {
            note_further_keys((name, &value), &mut envelope, &mut further_keys)?;
        } else if name == X_DELAY {
            envelope.head_routes |= delay_of(&value).is_some();
        } else {
            note_header(name, &value, &mut envelope);
        }
    }
    Ok(envelope)
}

/// Puts into the envelope what a header says of it.
fn note_header(name: &[u8], value: &FieldValue<'_>, envelope: &mut Envelope) {
    let FieldValue::LongString(text) = value else {
        return;
    };
    match Row::named(Column::Amqp091, name).map(|row| row.property) {
        Some(Property::GroupId) => envelope.is_grouped |= !text.is_empty(),
        Some(Property::Retained) if *text == b"true" => envelope.retain = Retain::Keep,
        Some(_) | None => {}
    }
}
