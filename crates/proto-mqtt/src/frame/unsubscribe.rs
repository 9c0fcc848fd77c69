//! UNSUBSCRIBE: a client asks for no more messages.

use crate::Version;
use crate::frame::property::Place;
use crate::frame::{PacketId, Properties, TopicFilter, text};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};
use std::fmt;

/// UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// What UNSUBACK is to carry.
    pub packet_id: PacketId,
    /// In 5.0.
    pub properties: Properties<'a>,
    /// The subscriptions to end.
    pub filters: Filters<'a>,
}

/// The filters of one UNSUBSCRIBE: checked once, kept as they came, read one by one.
#[derive(Clone, Copy)]
pub struct Filters<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        let packet_id = reader.packet_id()?;
        let properties = rules.properties(&mut reader, Place::Unsubscribe)?;
        Ok(Self {
            packet_id,
            properties,
            filters: Filters::read(reader, rules)?,
        })
    }

    pub(crate) const fn body_len(&self, version: Version) -> usize {
        let properties = match version.has_properties() {
            true => self.properties.packed_len(),
            false => 0,
        };
        2 + properties + self.filters.bytes.len()
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) {
        buffer.put_u16(self.packet_id.get());
        if version.has_properties() {
            self.properties.put(buffer);
        }
        buffer.put_slice(self.filters.bytes);
    }
}

impl<'a> Filters<'a> {
    fn read(mut reader: Reader<'a>, rules: &Rules<'_>) -> Result<Self, Problem> {
        // [MQTT-3.10.3-2]
        if reader.is_empty() {
            return Err(Problem::NoFilters);
        }
        let bytes = reader.left();
        let mut count = 0;
        while !reader.is_empty() {
            if count == rules.limits.filters_max {
                return Err(Problem::TooManyFilters {
                    limit: rules.limits.filters_max,
                });
            }
            read_one(&mut reader)?;
            count += 1;
        }
        Ok(Self { bytes, count })
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

    /// The filters in their order.
    pub fn iter(&self) -> impl Iterator<Item = TopicFilter<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        // All of them have been checked.
        std::iter::from_fn(move || read_one(&mut reader).ok())
    }
}

fn read_one<'a>(reader: &mut Reader<'a>) -> Result<TopicFilter<'a>, Problem> {
    TopicFilter::read(reader.counted(Field::TopicFilter)?)
}

impl PartialEq for Filters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Filters<'_> {}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Filters to be sent, one appended to the other.
#[derive(Clone, Debug, Default)]
pub struct FilterList {
    bytes: BytesMut,
    count: usize,
}

impl FilterList {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a filter.
    pub fn push(&mut self, filter: TopicFilter<'_>) {
        text::put(&mut self.bytes, filter.as_bytes());
        self.count += 1;
    }

    /// To be put into a packet.
    #[must_use]
    pub fn as_filters(&self) -> Filters<'_> {
        Filters {
            bytes: &self.bytes,
            count: self.count,
        }
    }
}
