//! CONNACK: how a server answers CONNECT.

use crate::Version;
use crate::encode::EncodeError;
use crate::frame::property::Place;
use crate::frame::{ConnackReason, Properties};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};

const SESSION_PRESENT: u8 = 0x01;

/// CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connack<'a> {
    /// Whether there was a session to go on with; never with an error. 3.1 cannot say it.
    pub session_present: bool,
    /// Whether the connection is open. 3.x has a code for few of these: see
    /// [`ConnackReason::return_code`].
    pub reason: ConnackReason,
    /// In 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        let flags = reader.u8(Field::ConnackFlags)?;
        let code = reader.u8(Field::ReasonCode)?;
        let session_present = match rules.version {
            // The byte is reserved there.
            Version::V31 => false,
            // [MQTT-3.2.2-1]
            Version::V311 | Version::V5 if flags & !SESSION_PRESENT != 0 => {
                return Err(Problem::ConnackFlags { flags });
            }
            Version::V311 | Version::V5 => flags & SESSION_PRESENT != 0,
        };
        let reason = match rules.version {
            Version::V31 | Version::V311 => ConnackReason::from_return_code(code),
            Version::V5 => ConnackReason::from_code(code),
        };
        let reason = reason.ok_or(Problem::ReasonCode { code })?;
        // [MQTT-3.2.2-6]
        if session_present && reason != ConnackReason::Success {
            return Err(Problem::SessionPresentWithError { code });
        }
        let properties = rules.properties(&mut reader, Place::Connack)?;
        reader.finish()?;
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    pub(crate) const fn body_len(&self, version: Version) -> usize {
        match version {
            Version::V31 | Version::V311 => 2,
            Version::V5 => 2 + self.properties.packed_len(),
        }
    }

    /// The code in that version.
    pub(crate) fn code(&self, version: Version) -> Result<u8, EncodeError> {
        match version {
            Version::V31 | Version::V311 => {
                let code = self.reason.return_code();
                code.ok_or(EncodeError::NoReturnCode(self.reason))
            }
            Version::V5 => Ok(self.reason.code()),
        }
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        let code = self.code(version)?;
        let has_flag = match version {
            Version::V31 => false,
            Version::V311 | Version::V5 => self.session_present,
        };
        buffer.put_u8(if has_flag { SESSION_PRESENT } else { 0 });
        buffer.put_u8(code);
        if version.has_properties() {
            self.properties.put(buffer);
        }
        Ok(())
    }
}
