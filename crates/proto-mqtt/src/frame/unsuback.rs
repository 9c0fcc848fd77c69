//! UNSUBACK: how a server answers UNSUBSCRIBE.

use crate::Version;
use crate::frame::property::Place;
use crate::frame::suback::Reasons;
use crate::frame::{PacketId, Properties, UnsubscribeReason};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::Problem;
use bytes::{BufMut as _, BytesMut};

/// UNSUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsuback<'a> {
    /// The UNSUBSCRIBE's. [MQTT-3.10.4-5]
    pub packet_id: PacketId,
    /// In 5.0.
    pub properties: Properties<'a>,
    /// One for each filter, in their order, in 5.0. [MQTT-3.11.3-1] 3.x says none.
    pub reasons: Reasons<'a, UnsubscribeReason>,
}

impl<'a> Unsuback<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        let packet_id = reader.packet_id()?;
        let properties = rules.properties(&mut reader, Place::Unsuback)?;
        let reasons = match rules.version {
            Version::V31 | Version::V311 => {
                reader.finish()?;
                Reasons::none()
            }
            Version::V5 => Reasons::read(&reader)?,
        };
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    pub(crate) const fn body_len(&self, version: Version) -> usize {
        match version {
            Version::V31 | Version::V311 => 2,
            Version::V5 => 2 + self.properties.packed_len() + self.reasons.codes().len(),
        }
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) {
        buffer.put_u16(self.packet_id.get());
        if version.has_properties() {
            self.properties.put(buffer);
            buffer.put_slice(self.reasons.codes());
        }
    }
}
