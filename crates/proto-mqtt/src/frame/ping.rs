//! PINGREQ and PINGRESP: signs of life, which say nothing.

use crate::read::Reader;
use crate::violation::Problem;

/// Checks that such a packet says nothing.
pub(crate) fn read(reader: Reader<'_>) -> Result<(), Problem> {
    reader.finish()
}
