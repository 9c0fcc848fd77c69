//! AUTH: the steps of an authentication, in 5.0.

use crate::Side;
use crate::frame::property::{Place, PropertyKind};
use crate::frame::{AuthReason, Properties};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};

/// AUTH. Only 5.0 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Which step it is.
    pub reason: AuthReason,
    /// The method, always but in a success that says nothing else, and its data.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        // MQTT 5.0 §3.15.2.1: a success without properties has no body.
        let is_bare = reader.is_empty();
        let code = match is_bare {
            true => AuthReason::Success.code(),
            false => reader.u8(Field::ReasonCode)?,
        };
        let reason = AuthReason::from_code(code).ok_or(Problem::ReasonCode { code })?;
        // MQTT 5.0 table 3-14
        let is_from_there = match reason {
            AuthReason::Success => rules.from == Side::Server,
            AuthReason::ContinueAuthentication => true,
            AuthReason::ReAuthenticate => rules.from == Side::Client,
        };
        if !is_from_there {
            let from = rules.from;
            return Err(Problem::AuthFromWrongSide { reason, from });
        }
        let properties = match is_bare {
            true => Properties::NONE,
            false => rules.properties(&mut reader, Place::Auth)?,
        };
        reader.finish()?;
        // MQTT 5.0 §3.15.2.2.2
        let method = PropertyKind::AuthenticationMethod;
        if !is_bare && properties.get(method).is_none() {
            return Err(Problem::PropertyMissing(method));
        }
        Ok(Self { reason, properties })
    }

    pub(crate) fn body_len(&self) -> usize {
        if self.is_bare() {
            return 0;
        }
        1 + self.properties.packed_len()
    }

    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        if !self.is_bare() {
            buffer.put_u8(self.reason.code());
            self.properties.put(buffer);
        }
    }

    /// Whether it says nothing but that all is well.
    fn is_bare(&self) -> bool {
        self.reason == AuthReason::Success && self.properties.is_empty()
    }
}
