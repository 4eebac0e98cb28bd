//! Writing.

/// A message under construction.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty message.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The message.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn tag(&mut self, number: u32, kind: u8) {
        self.varint(u64::from(number) << 3 | u64::from(kind));
    }

    /// An integer, an enum or a truth value.
    pub(crate) fn int(&mut self, number: u32, value: i64) {
        self.tag(number, 0);
        self.varint(value as u64);
    }

    /// A `float`.
    pub(crate) fn float(&mut self, number: u32, value: f32) {
        self.tag(number, 5);
        self.bytes.extend(value.to_le_bytes());
    }

    /// Bytes.
    pub(crate) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.tag(number, 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Text.
    pub(crate) fn text(&mut self, number: u32, value: &str) {
        self.bytes(number, value.as_bytes());
    }

    /// A message, filled by `fill`.
    pub(crate) fn message(&mut self, number: u32, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::new();
        fill(&mut inner);
        self.bytes(number, &inner.bytes);
    }

    /// Packed integers.
    pub(crate) fn packed_ints(&mut self, number: u32, values: &[i64]) {
        let mut inner = Self::new();
        for value in values {
            inner.varint(*value as u64);
        }
        self.bytes(number, &inner.bytes);
    }

    /// Packed `float`s.
    pub(crate) fn packed_floats(&mut self, number: u32, values: &[f32]) {
        self.tag(number, 2);
        self.varint(4 * values.len() as u64);
        self.bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
}
