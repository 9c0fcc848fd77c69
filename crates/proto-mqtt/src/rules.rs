//! What the packets of one connection are read by.

use crate::frame::{Place, Properties};
use crate::read::Reader;
use crate::violation::Problem;
use crate::{Limits, Side, Version};

/// What the packets of one connection are read by, once its version is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'l> {
    pub(crate) version: Version,
    /// Whose packets these are.
    pub(crate) from: Side,
    pub(crate) limits: &'l Limits,
}

impl Rules<'_> {
    /// Reads the properties of a packet, which only 5.0 has.
    #[inline]
    pub(crate) fn properties<'a>(
        &self,
        reader: &mut Reader<'a>,
        place: Place,
    ) -> Result<Properties<'a>, Problem> {
        match self.version {
            Version::V31 | Version::V311 => Ok(Properties::NONE),
            Version::V5 => Properties::read(reader, place, self.from, self.limits),
        }
    }
}
