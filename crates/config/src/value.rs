//! Numbers as people write them.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Millis,
    Count,
}

/// The number that `text` means; none if it means no whole number of that unit.
pub(crate) fn number(unit: Unit, text: &str) -> Option<u64> {
    let text = text.trim();
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let factor = match (unit, suffix.trim_start()) {
        (_, "") => 1,
        (Unit::Bytes, "KiB") => KIB,
        (Unit::Bytes, "MiB") => MIB,
        (Unit::Bytes, "GiB") => GIB,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The shortest exact spelling of a number.
pub(crate) fn spell(unit: Unit, number: u64) -> String {
    let suffixes = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    let suffix = suffixes.iter().find(|(factor, _)| {
        unit == Unit::Bytes && number >= *factor && number.is_multiple_of(*factor)
    });
    suffix.map_or_else(
        || number.to_string(),
        |(factor, name)| format!("{}{name}", number / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_the_suffixes_of_their_unit() {
        let rows = [
            (Unit::Bytes, "0", Some(0)),
            (Unit::Bytes, "65536", Some(65_536)),
            (Unit::Bytes, " 64KiB ", Some(65_536)),
            (Unit::Bytes, "64 KiB", Some(65_536)),
            (Unit::Bytes, "16MiB", Some(16 << 20)),
            (Unit::Bytes, "1GiB", Some(1 << 30)),
            (Unit::Bytes, "1kb", None),
            (Unit::Bytes, "1.5MiB", None),
            (Unit::Bytes, "MiB", None),
            (Unit::Bytes, "", None),
            (Unit::Bytes, "-1", None),
            (Unit::Bytes, "18446744073709551616", None),
            (Unit::Bytes, "18446744073709551615KiB", None),
            (Unit::Millis, "100", Some(100)),
            (Unit::Millis, "100ms", None),
            (Unit::Count, "64", Some(64)),
            (Unit::Count, "1KiB", None),
        ];
        for (unit, text, expected) in rows {
            assert_eq!(number(unit, text), expected, "{text:?} as {unit:?}");
        }
    }

    #[test]
    fn spells_what_it_reads() {
        for value in [0, 1, 1023, 1024, 1025, 1 << 20, 3 << 30, u64::MAX] {
            assert_eq!(
                number(Unit::Bytes, &spell(Unit::Bytes, value)),
                Some(value),
                "{value}"
            );
        }
        assert_eq!(spell(Unit::Bytes, 64 << 10), "64KiB");
        assert_eq!(spell(Unit::Millis, 1024), "1024");
    }
}
