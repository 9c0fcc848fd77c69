//! SUBACK: how a server answers SUBSCRIBE.

use crate::Version;
use crate::frame::property::Place;
use crate::frame::reason::Reason;
use crate::frame::{PacketId, Properties, SubscribeReason};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::Problem;
use bytes::{BufMut as _, BytesMut};
use std::fmt;
use std::marker::PhantomData;

/// SUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suback<'a> {
    /// The SUBSCRIBE's. [MQTT-3.8.4-2]
    pub packet_id: PacketId,
    /// In 5.0.
    pub properties: Properties<'a>,
    /// One for each filter, in their order. [MQTT-3.9.3-1] What 3.x cannot say is a plain failure
    /// there.
    pub reasons: Reasons<'a, SubscribeReason>,
}

/// Reason codes, one for each filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reasons<'a, R> {
    codes: &'a [u8],
    kind: PhantomData<R>,
}

impl<'a, R: Reason> Reasons<'a, R> {
    /// The reasons with these codes.
    ///
    /// # Errors
    /// The first code that is none.
    pub fn new(codes: &'a [u8]) -> Result<Self, u8> {
        match codes.iter().find(|code| R::from_code(**code).is_none()) {
            Some(code) => Err(*code),
            None => Ok(Self {
                codes,
                kind: PhantomData,
            }),
        }
    }

    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            codes: &[],
            kind: PhantomData,
        }
    }

    /// Reads all that is left.
    pub(crate) fn read(reader: &Reader<'a>) -> Result<Self, Problem> {
        // There was a filter, and there is a reason for each.
        if reader.is_empty() {
            return Err(Problem::NoReasons);
        }
        Self::new(reader.left()).map_err(|code| Problem::ReasonCode { code })
    }

    /// The codes on the wire.
    #[must_use]
    pub const fn codes(&self) -> &'a [u8] {
        self.codes
    }

    /// The reasons in their order.
    pub fn iter(&self) -> impl Iterator<Item = R> + use<'a, R> {
        self.codes.iter().filter_map(|code| R::from_code(*code))
    }
}

impl<R: Reason> fmt::Debug for Reasons<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Suback<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        let packet_id = reader.packet_id()?;
        let properties = rules.properties(&mut reader, Place::Suback)?;
        let reasons: Reasons<'_, SubscribeReason> = Reasons::read(&reader)?;
        // 3.1.1 [MQTT-3.9.3-2]
        let unknown = reasons.iter().find(|reason| match rules.version {
            Version::V31 | Version::V311 => reason.return_code() != reason.code(),
            Version::V5 => false,
        });
        match unknown {
            Some(reason) => Err(Problem::ReasonCode {
                code: reason.code(),
            }),
            None => Ok(Self {
                packet_id,
                properties,
                reasons,
            }),
        }
    }

    pub(crate) const fn body_len(&self, version: Version) -> usize {
        let properties = match version.has_properties() {
            true => self.properties.packed_len(),
            false => 0,
        };
        2 + properties + self.reasons.codes.len()
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) {
        buffer.put_u16(self.packet_id.get());
        match version {
            Version::V31 | Version::V311 => {
                for reason in self.reasons.iter() {
                    buffer.put_u8(reason.return_code());
                }
            }
            Version::V5 => {
                self.properties.put(buffer);
                buffer.put_slice(self.reasons.codes);
            }
        }
    }
}
