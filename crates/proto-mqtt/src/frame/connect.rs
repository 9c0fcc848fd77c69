//! CONNECT: how a client opens a connection.

use crate::frame::property::Place;
use crate::frame::{Binary, Properties, Qos, Secret, Text, TopicName, text};
use crate::read::Reader;
use crate::version::ProtocolName;
use crate::violation::{ConnectError, Excerpt, Field, Problem};
use crate::{Limits, Side, Version};
use bytes::{BufMut as _, BytesMut};

const RESERVED: u8 = 0x01;
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS_SHIFT: u32 = 3;
const WILL_QOS: u8 = 0x03 << WILL_QOS_SHIFT;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// What is spoken on this connection from here on.
    pub version: Version,
    /// Whether what is known of the session is to be forgotten; in 3.x (Clean Session) also whether
    /// the session ends with the connection.
    pub clean_start: bool,
    /// The longest silence of the client, in seconds; 0 for any.
    pub keep_alive: u16,
    /// In 5.0.
    pub properties: Properties<'a>,
    /// Who the session belongs to. Empty if the server is to make up a name, which 3.1 does not
    /// know.
    pub client_id: Text<'a>,
    /// What the server publishes if the connection ends badly.
    pub will: Option<Will<'a>>,
    /// Who connects.
    pub user_name: Option<Text<'a>>,
    /// How that is shown. In 3.x only with a user name.
    pub password: Option<Secret<'a>>,
}

/// The message that the server publishes if the connection ends badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// The message's.
    pub qos: Qos,
    /// Whether the message is to be retained.
    pub retain: bool,
    /// Of the message and, as Will Delay Interval, of the will; in 5.0.
    pub properties: Properties<'a>,
    /// Where it goes.
    pub topic: TopicName<'a>,
    /// What it says.
    pub payload: Binary<'a>,
}

/// What the first part of a CONNECT says, from which on its version is known.
pub(crate) fn read_version(reader: &mut Reader<'_>) -> Result<Version, Problem> {
    let name = reader.counted(Field::ProtocolName)?;
    let Some(protocol) = ProtocolName::from_bytes(name) else {
        return Err(ConnectError::ProtocolName(Excerpt::of(name)).into());
    };
    let level = reader.u8(Field::ProtocolLevel)?;
    Version::from_protocol(protocol, level)
        .ok_or_else(|| ConnectError::ProtocolLevel { protocol, level }.into())
}

impl<'a> Connect<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, limits: &Limits) -> Result<Self, Problem> {
        let version = read_version(&mut reader)?;
        let flags = reader.u8(Field::ConnectFlags)?;
        check_flags(version, flags)?;
        let keep_alive = reader.u16(Field::KeepAlive)?;
        let properties = |reader: &mut Reader<'a>, place| match version {
            Version::V31 | Version::V311 => Ok(Properties::NONE),
            Version::V5 => Properties::read(reader, place, Side::Client, limits),
        };
        let connect_properties = properties(&mut reader, Place::Connect)?;
        let client_id = reader.text(Field::ClientId)?;
        let will = if flags & WILL != 0 {
            Some(Will {
                qos: Qos::from_bits((flags & WILL_QOS) >> WILL_QOS_SHIFT)
                    .ok_or(ConnectError::WillQos { flags })?,
                retain: flags & WILL_RETAIN != 0,
                properties: properties(&mut reader, Place::Will)?,
                topic: reader.topic_name(Field::WillTopic)?,
                payload: reader.binary(Field::WillPayload)?,
            })
        } else {
            None
        };
        // MQTT 3.1 §3.1: the length takes precedence over the flags; either may be set in vain.
        let is_there = |reader: &Reader<'_>, flag| {
            flags & flag != 0 && (version != Version::V31 || !reader.is_empty())
        };
        let user_name = match is_there(&reader, USER_NAME) {
            true => Some(reader.text(Field::UserName)?),
            false => None,
        };
        let password = match is_there(&reader, PASSWORD) {
            true => Some(Secret(reader.binary(Field::Password)?)),
            false => None,
        };
        reader.finish()?;
        let clean_start = flags & CLEAN_START != 0;
        check_client_id(version, clean_start, client_id)?;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            properties: connect_properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    pub(crate) fn body_len(&self) -> usize {
        let has_properties = self.version.has_properties();
        let properties = |properties: &Properties<'_>| match has_properties {
            true => properties.packed_len(),
            false => 0,
        };
        let will = self.will.map_or(0, |will| {
            properties(&will.properties)
                + text::len_of(will.topic.as_bytes())
                + text::len_of(will.payload.as_bytes())
        });
        let credential = |bytes: Option<&[u8]>| bytes.map_or(0, text::len_of);
        // Protocol level, connect flags, keep alive.
        text::len_of(self.version.protocol_name().text().as_bytes())
            + 4
            + properties(&self.properties)
            + text::len_of(self.client_id.as_bytes())
            + will
            + credential(self.user_name.map(Text::as_bytes))
            + credential(self.password.map(Secret::as_bytes))
    }

    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        let has_properties = self.version.has_properties();
        text::put(buffer, self.version.protocol_name().text().as_bytes());
        buffer.put_u8(self.version.level());
        buffer.put_u8(self.flags());
        buffer.put_u16(self.keep_alive);
        if has_properties {
            self.properties.put(buffer);
        }
        text::put(buffer, self.client_id.as_bytes());
        if let Some(will) = self.will {
            if has_properties {
                will.properties.put(buffer);
            }
            text::put(buffer, will.topic.as_bytes());
            text::put(buffer, will.payload.as_bytes());
        }
        if let Some(user_name) = self.user_name {
            text::put(buffer, user_name.as_bytes());
        }
        if let Some(password) = self.password {
            text::put(buffer, password.as_bytes());
        }
    }

    fn flags(&self) -> u8 {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let will = self.will.map_or(0, |will| {
            WILL | will.qos.bits() << WILL_QOS_SHIFT | flag(will.retain, WILL_RETAIN)
        });
        flag(self.clean_start, CLEAN_START)
            | will
            | flag(self.password.is_some(), PASSWORD)
            | flag(self.user_name.is_some(), USER_NAME)
    }
}

fn check_flags(version: Version, flags: u8) -> Result<(), ConnectError> {
    let is_strict = match version {
        // What 3.1 reserves is for the future, and what belongs to a will is disregarded without
        // one.
        Version::V31 => false,
        Version::V311 | Version::V5 => true,
    };
    // [MQTT-3.1.2-3]
    if is_strict && flags & RESERVED != 0 {
        return Err(ConnectError::ReservedFlag { flags });
    }
    // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
    if is_strict && flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(ConnectError::WillFlagsWithoutWill { flags });
    }
    // [MQTT-3.1.2-12]
    if flags & WILL != 0 && flags & WILL_QOS == WILL_QOS {
        return Err(ConnectError::WillQos { flags });
    }
    // 3.1.1 [MQTT-3.1.2-22]; 3.1 says the same without a number. In 5.0 a password may come alone.
    if version != Version::V5 && flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(ConnectError::PasswordWithoutUserName { flags });
    }
    Ok(())
}

fn check_client_id(
    version: Version,
    clean_start: bool,
    client_id: Text<'_>,
) -> Result<(), ConnectError> {
    let may_be_empty = match version {
        // MQTT 3.1 §3.1: at least one character.
        Version::V31 => false,
        // 3.1.1 [MQTT-3.1.3-7], [MQTT-3.1.3-8]
        Version::V311 => clean_start,
        Version::V5 => true,
    };
    if client_id.as_bytes().is_empty() && !may_be_empty {
        return Err(ConnectError::NoClientId { version });
    }
    Ok(())
}
