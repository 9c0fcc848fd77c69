//! DISCONNECT: how either side ends a connection.

use crate::Version;
use crate::frame::acks::{put_tail, tail_len};
use crate::frame::property::Place;
use crate::frame::{DisconnectReason, Properties};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::BytesMut;

/// DISCONNECT. In 3.x only a client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why. 3.x cannot say it: it is always a normal one there.
    pub reason: DisconnectReason,
    /// In 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        // MQTT 5.0 §3.14.2.1: reason code and properties are left out from the end on.
        let code = match reader.is_empty() || !rules.version.has_properties() {
            true => DisconnectReason::NormalDisconnection.code(),
            false => reader.u8(Field::ReasonCode)?,
        };
        let reason = DisconnectReason::from_code(code).ok_or(Problem::ReasonCode { code })?;
        let properties = match reader.is_empty() {
            true => Properties::NONE,
            false => rules.properties(&mut reader, Place::Disconnect)?,
        };
        reader.finish()?;
        Ok(Self { reason, properties })
    }

    pub(crate) const fn body_len(&self, version: Version) -> usize {
        tail_len(version, self.reason.code(), &self.properties)
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) {
        put_tail(version, self.reason.code(), &self.properties, buffer);
    }
}
