//! Reading.

/// What is wrong with a message on the wire. Offsets are bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireFault {
    /// The bytes end inside a field.
    #[error(
        "byte {at}: {wanted} more bytes wanted, {left} left; the file is cut short, fetch it again"
    )]
    Truncated {
        /// Where.
        at: usize,
        /// Bytes wanted.
        wanted: u64,
        /// Bytes left.
        left: usize,
    },
    /// A variable-length number that does not end within ten bytes.
    #[error("byte {at}: a number longer than 64 bits; the file is damaged, fetch it again")]
    Number {
        /// Where.
        at: usize,
    },
    /// A kind of field that protocol buffers gave up long ago, or that never was.
    #[error("byte {at}: field {number} has wire type {kind}; the file is damaged, fetch it again")]
    Kind {
        /// Where.
        at: usize,
        /// The field's number.
        number: u64,
        /// Its wire type.
        kind: u8,
    },
    /// A field whose value is not of the kind that the schema says.
    #[error("byte {at}: field {number} wants {wanted}; the file is damaged, fetch it again")]
    Value {
        /// Where.
        at: usize,
        /// The field's number.
        number: u32,
        /// What it should hold.
        wanted: &'static str,
    },
}

/// A value as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'a> {
    /// Its number in the schema.
    pub(crate) number: u32,
    /// Offset of its value in the file.
    pub(crate) at: usize,
    /// Its value.
    pub(crate) value: Value<'a>,
}

impl<'a> Field<'a> {
    fn wants(&self, wanted: &'static str) -> WireFault {
        WireFault::Value { at: self.at, number: self.number, wanted }
    }

    /// An integer, also of an enum or a truth value.
    pub(crate) fn int(&self) -> Result<i64, WireFault> {
        match self.value {
            Value::Varint(v) => Ok(v as i64),
            Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32(_) => {
                Err(self.wants("an integer"))
            }
        }
    }

    /// A `float`.
    pub(crate) fn float(&self) -> Result<f32, WireFault> {
        match self.value {
            Value::Fixed32(v) => Ok(f32::from_bits(v)),
            Value::Varint(_) | Value::Bytes(_) | Value::Fixed64(_) => {
                Err(self.wants("a 32-bit number"))
            }
        }
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> Result<&'a [u8], WireFault> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => Err(self.wants("bytes")),
        }
    }

    /// Text.
    pub(crate) fn text(&self) -> Result<&'a str, WireFault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.wants("text in UTF-8"))
    }

    /// The fields of a message.
    pub(crate) fn message(&self) -> Result<Fields<'a>, WireFault> {
        Ok(Fields { bytes: self.bytes()?, at: self.at })
    }

    /// Integers, one or packed, put behind `to`.
    pub(crate) fn ints(&self, to: &mut Vec<i64>) -> Result<(), WireFault> {
        let Value::Bytes(bytes) = self.value else {
            to.push(self.int()?);
            return Ok(());
        };
        let mut rest = Fields { bytes, at: self.at };
        while !rest.bytes.is_empty() {
            to.push(rest.varint()? as i64);
        }
        Ok(())
    }

    /// `float`s, one or packed, put behind `to`.
    pub(crate) fn floats(&self, to: &mut Vec<f32>) -> Result<(), WireFault> {
        let Value::Bytes(bytes) = self.value else {
            to.push(self.float()?);
            return Ok(());
        };
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(self.wants("packed 32-bit numbers"));
        }
        to.extend(words.iter().map(|w| f32::from_le_bytes(*w)));
        Ok(())
    }

    /// `double`s, one or packed, put behind `to`.
    pub(crate) fn doubles(&self, to: &mut Vec<f64>) -> Result<(), WireFault> {
        let bytes = match self.value {
            Value::Fixed64(v) => {
                to.push(f64::from_bits(v));
                return Ok(());
            }
            Value::Bytes(bytes) => bytes,
            Value::Varint(_) | Value::Fixed32(_) => return Err(self.wants("64-bit numbers")),
        };
        let (words, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(self.wants("packed 64-bit numbers"));
        }
        to.extend(words.iter().map(|w| f64::from_le_bytes(*w)));
        Ok(())
    }
}

/// The fields of a message, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a whole file.
    pub(crate) fn of_file(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], WireFault> {
        let left = self.bytes.len();
        if n > left as u64 {
            return Err(WireFault::Truncated { at: self.at, wanted: n, left });
        }
        let (taken, rest) = self.bytes.split_at(n as usize);
        self.bytes = rest;
        self.at += taken.len();
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, WireFault> {
        let at = self.at;
        let mut value = 0u64;
        for place in 0..10 {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireFault::Number { at })
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        let mut word = [0; N];
        word.copy_from_slice(self.take(N as u64)?);
        Ok(word)
    }

    fn field(&mut self) -> Result<Field<'a>, WireFault> {
        let start = self.at;
        let tag = self.varint()?;
        let (number, kind) = (tag >> 3, (tag & 7) as u8);
        let wrong = WireFault::Kind { at: start, number, kind };
        let number = match u32::try_from(number) {
            Ok(n) if n > 0 => n,
            Ok(_) | Err(_) => return Err(wrong),
        };
        let mut at = self.at;
        let value = match kind {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = self.varint()?;
                at = self.at;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return Err(wrong),
        };
        Ok(Field { number, at, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireFault>;

    /// The next field; nothing more after the first fault.
    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.bytes = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new();
        writer.int(1, -3);
        writer.text(2, "conv1");
        writer.float(3, 0.75);
        writer.message(4, |inner| inner.packed_floats(1, &[1.0, -2.5]));
        writer.packed_ints(5, &[3, 300, -1]);
        let bytes = writer.into_bytes();
        let fields: Vec<Field<'_>> =
            Fields::of_file(&bytes).collect::<Result<_, _>>().expect("sound");
        assert_eq!(fields[0].int(), Ok(-3));
        assert_eq!(fields[1].text(), Ok("conv1"));
        assert_eq!(fields[2].float(), Ok(0.75));
        let mut floats = Vec::new();
        for field in fields[3].message().expect("a message") {
            field.expect("sound").floats(&mut floats).expect("floats");
        }
        assert_eq!(floats, [1.0, -2.5]);
        let mut ints = Vec::new();
        fields[4].ints(&mut ints).expect("ints");
        assert_eq!(ints, [3, 300, -1]);
    }

    #[test]
    fn faults_say_where() {
        let fault = |bytes: &[u8]| Fields::of_file(bytes).find_map(Result::err);
        let cut = fault(&[0x08, 0x01, 0x12, 0x05, b'a']);
        assert_eq!(cut, Some(WireFault::Truncated { at: 4, wanted: 5, left: 1 }));
        assert_eq!(fault(&[0x0b]), Some(WireFault::Kind { at: 0, number: 1, kind: 3 }));
        assert_eq!(fault(&[0x00, 0x00]), Some(WireFault::Kind { at: 0, number: 0, kind: 0 }));
        assert_eq!(fault(&[0x08]), Some(WireFault::Truncated { at: 1, wanted: 1, left: 0 }));
        let long = [[0x08].as_slice(), &[0xff; 11]].concat();
        assert_eq!(fault(&long), Some(WireFault::Number { at: 1 }));
    }
}
