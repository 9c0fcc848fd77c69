//! PUBACK, PUBREC, PUBREL and PUBCOMP: how a PUBLISH is answered, and its answers.

use crate::Version;
use crate::frame::property::Place;
use crate::frame::reason::Reason;
use crate::frame::{PacketId, Properties};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};

/// The code that need not be written.
const SUCCESS: u8 = 0;

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a, R> {
    /// The PUBLISH's. [MQTT-2.2.1-5]
    pub packet_id: PacketId,
    /// What became of it. 3.x cannot say it: it is always a success there.
    pub reason: R,
    /// In 5.0.
    pub properties: Properties<'a>,
}

impl<R: Reason> Ack<'_, R> {
    /// One without properties.
    #[must_use]
    pub const fn new(packet_id: PacketId, reason: R) -> Self {
        Self {
            packet_id,
            reason,
            properties: Properties::NONE,
        }
    }
}

impl<'a, R: Reason> Ack<'a, R> {
    #[inline]
    pub(crate) fn read(
        mut reader: Reader<'a>,
        place: Place,
        rules: &Rules<'_>,
    ) -> Result<Self, Problem> {
        let packet_id = reader.packet_id()?;
        // MQTT 5.0 §3.4.2.1: reason code and properties are left out from the end on.
        let code = match reader.is_empty() || !rules.version.has_properties() {
            true => SUCCESS,
            false => reader.u8(Field::ReasonCode)?,
        };
        let reason = R::from_code(code).ok_or(Problem::ReasonCode { code })?;
        let properties = match reader.is_empty() {
            true => Properties::NONE,
            false => rules.properties(&mut reader, place)?,
        };
        reader.finish()?;
        Ok(Self {
            packet_id,
            reason,
            properties,
        })
    }

    pub(crate) fn body_len(&self, version: Version) -> usize {
        2 + tail_len(version, self.reason.code(), &self.properties)
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) {
        buffer.put_u16(self.packet_id.get());
        put_tail(version, self.reason.code(), &self.properties, buffer);
    }
}

/// The bytes of a reason code and properties that are left out from the end on if they say nothing.
pub(crate) const fn tail_len(version: Version, code: u8, properties: &Properties<'_>) -> usize {
    if !version.has_properties() || (code == SUCCESS && properties.is_empty()) {
        return 0;
    }
    if properties.is_empty() {
        return 1;
    }
    1 + properties.packed_len()
}

/// Appends a reason code and properties, as far as they say something.
pub(crate) fn put_tail(
    version: Version,
    code: u8,
    properties: &Properties<'_>,
    buffer: &mut BytesMut,
) {
    let len = tail_len(version, code, properties);
    if len > 0 {
        buffer.put_u8(code);
    }
    if len > 1 {
        properties.put(buffer);
    }
}
