//! Fuzzed bytes, taken from the front.

/// What is left of the bytes. At their end it gives zeros and empty slices.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` bytes; fewer at the end.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count.min(self.0.len()));
        self.0 = left;
        taken
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}

/// Numbers that follow from a seed: what data chooses with one byte.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u8) -> Self {
        Self(u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).map_or(0, |number| number % limit)
    }
}

/// `data` in pieces; whole for seed 0, else of up to 16 bytes, sometimes up to 400.
pub(crate) fn pieces(seed: u8, mut data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut chance = Chance::new(seed);
    while seed != 0 && !data.is_empty() {
        let longest = if chance.below(4) == 0 { 400 } else { 16 };
        let count = 1 + chance.below(longest);
        let (piece, left) = data.split_at(count.min(data.len()));
        pieces.push(piece);
        data = left;
    }
    if !data.is_empty() {
        pieces.push(data);
    }
    pieces
}
