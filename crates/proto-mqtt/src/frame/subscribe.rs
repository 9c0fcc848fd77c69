//! SUBSCRIBE: a client asks for messages.

use crate::Version;
use crate::frame::property::Place;
use crate::frame::{PacketId, Properties, Qos, TopicFilter, text};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};
use std::fmt;

const QOS: u8 = 0x03;
const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const RETAIN_HANDLING_SHIFT: u32 = 4;
const RETAIN_HANDLING: u8 = 0x03 << RETAIN_HANDLING_SHIFT;
const RESERVED: u8 = 0xC0;

/// SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// What SUBACK is to carry.
    pub packet_id: PacketId,
    /// In 5.0.
    pub properties: Properties<'a>,
    /// What is asked for.
    pub subscriptions: Subscriptions<'a>,
}

/// The subscriptions of one SUBSCRIBE: checked once, kept as they came, read one by one.
#[derive(Clone, Copy)]
pub struct Subscriptions<'a> {
    /// Filters, each with its options behind it.
    bytes: &'a [u8],
    count: usize,
    /// The bits of the options that mean something.
    options_mask: u8,
}

/// One subscription that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// To what.
    pub filter: TopicFilter<'a>,
    /// How.
    pub options: SubscriptionOptions,
}

/// How a subscription is served. 3.x has the quality of service alone; the rest is as by default
/// there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SubscriptionOptions {
    /// The highest that messages are sent with.
    pub qos: Qos,
    /// Whether what the same session publishes is left out. Never with a shared subscription.
    /// [MQTT-3.8.3-4]
    pub no_local: bool,
    /// Whether messages keep their retain flag.
    pub retain_as_published: bool,
    /// Which retained messages are sent.
    pub retain_handling: RetainHandling,
}

/// Which retained messages are sent because of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RetainHandling {
    /// All that match. [MQTT-3.3.1-9]
    #[default]
    Send = 0,
    /// All that match, if there was no such subscription. [MQTT-3.3.1-10]
    SendIfNew = 1,
    /// None. [MQTT-3.3.1-11]
    DoNotSend = 2,
}

impl SubscriptionOptions {
    /// What one byte says, whose bits 6 and 7 mean nothing.
    fn read(options: u8) -> Result<Self, Problem> {
        let retain_handling = match (options & RETAIN_HANDLING) >> RETAIN_HANDLING_SHIFT {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            // MQTT 5.0 §3.8.3.1
            _ => return Err(Problem::RetainHandling { options }),
        };
        Ok(Self {
            qos: Qos::from_bits(options & QOS).ok_or(Problem::SubscriptionQos { options })?,
            no_local: options & NO_LOCAL != 0,
            retain_as_published: options & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }

    const fn byte(self) -> u8 {
        let no_local = if self.no_local { NO_LOCAL } else { 0 };
        let as_published = match self.retain_as_published {
            true => RETAIN_AS_PUBLISHED,
            false => 0,
        };
        let handling = (self.retain_handling as u8) << RETAIN_HANDLING_SHIFT;
        self.qos.bits() | no_local | as_published | handling
    }
}

impl<'a> Subscribe<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        let packet_id = reader.packet_id()?;
        let properties = rules.properties(&mut reader, Place::Subscribe)?;
        Ok(Self {
            packet_id,
            properties,
            subscriptions: Subscriptions::read(reader, rules)?,
        })
    }

    pub(crate) const fn body_len(&self, version: Version) -> usize {
        let properties = match version.has_properties() {
            true => self.properties.packed_len(),
            false => 0,
        };
        2 + properties + self.subscriptions.bytes.len()
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) {
        buffer.put_u16(self.packet_id.get());
        if version.has_properties() {
            self.properties.put(buffer);
        }
        self.subscriptions.put(version, buffer);
    }
}

impl<'a> Subscriptions<'a> {
    fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        // [MQTT-3.8.3-2]
        if reader.is_empty() {
            return Err(Problem::NoFilters);
        }
        let subscriptions = Self {
            bytes: reader.left(),
            count: 0,
            options_mask: options_mask(rules.version),
        };
        let mut count = 0;
        while !reader.is_empty() {
            if count == rules.limits.filters_max {
                return Err(Problem::TooManyFilters {
                    limit: rules.limits.filters_max,
                });
            }
            let (subscription, spelled) = subscriptions.read_one(&mut reader)?;
            check_options(rules.version, subscription, spelled)?;
            count += 1;
        }
        Ok(Self {
            count,
            ..subscriptions
        })
    }

    /// The subscription at the front, and its options as they are spelled.
    fn read_one(&self, reader: &mut Reader<'a>) -> Result<(Subscription<'a>, u8), Problem> {
        let filter = TopicFilter::read(reader.counted(Field::TopicFilter)?)?;
        let spelled = reader.u8(Field::SubscriptionOptions)?;
        let options = SubscriptionOptions::read(spelled & self.options_mask)?;
        Ok((Subscription { filter, options }, spelled))
    }

    /// How many there are; never none, if they were read from a packet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The subscriptions in their order.
    pub fn iter(&self) -> impl Iterator<Item = Subscription<'a>> + use<'a> {
        let subscriptions = *self;
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            // All of them have been checked.
            let read = subscriptions.read_one(&mut reader).ok();
            read.map(|(subscription, _)| subscription)
        })
    }

    fn put(&self, version: Version, buffer: &mut BytesMut) {
        for subscription in self.iter() {
            text::put(buffer, subscription.filter.as_bytes());
            buffer.put_u8(subscription.options.byte() & options_mask(version));
        }
    }
}

/// The bits of the options that mean something in that version.
const fn options_mask(version: Version) -> u8 {
    match version {
        Version::V31 | Version::V311 => QOS,
        Version::V5 => !RESERVED,
    }
}

fn check_options(
    version: Version,
    subscription: Subscription<'_>,
    spelled: u8,
) -> Result<(), Problem> {
    let reserved = match version {
        // They are reserved for the future there.
        Version::V31 => 0,
        // 3.1.1 [MQTT-3-8.3-4]
        Version::V311 => !QOS,
        // [MQTT-3.8.3-5]
        Version::V5 => RESERVED,
    };
    if spelled & reserved != 0 {
        return Err(Problem::ReservedOptions { options: spelled });
    }
    // [MQTT-3.8.3-4]
    if subscription.options.no_local && subscription.filter.shared().is_some() {
        return Err(Problem::NoLocalOnShared);
    }
    Ok(())
}

impl PartialEq for Subscriptions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Subscriptions<'_> {}

impl fmt::Debug for Subscriptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Subscriptions to be asked for, one appended to the other.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionList {
    bytes: BytesMut,
    count: usize,
}

impl SubscriptionList {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a subscription.
    pub fn push(&mut self, subscription: Subscription<'_>) {
        text::put(&mut self.bytes, subscription.filter.as_bytes());
        self.bytes.put_u8(subscription.options.byte());
        self.count += 1;
    }

    /// To be put into a packet.
    #[must_use]
    pub fn as_subscriptions(&self) -> Subscriptions<'_> {
        Subscriptions {
            bytes: &self.bytes,
            count: self.count,
            options_mask: options_mask(Version::V5),
        }
    }
}
