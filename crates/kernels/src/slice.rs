use half::bf16;

/// How a number is stored. Sums are `f32` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 32 bits.
    F32,
    /// The upper half of an `f32`: its range with 8 bits of precision.
    Bf16,
}

impl Kind {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// Words of 32 bits that hold so many numbers.
    pub fn words(self, numbers: usize) -> usize {
        (numbers * self.bytes()).div_ceil(4)
    }
}

/// Numbers of a map, to read.
#[derive(Debug, Clone, Copy)]
pub enum Slice<'a> {
    /// See [`Kind::F32`].
    F32(&'a [f32]),
    /// See [`Kind::Bf16`].
    Bf16(&'a [bf16]),
}

impl<'a> Slice<'a> {
    /// Numbers of a kind in a piece of memory.
    pub fn of(kind: Kind, words: &'a [f32]) -> Self {
        match kind {
            Kind::F32 => Self::F32(words),
            Kind::Bf16 => Self::Bf16(bytemuck::cast_slice(words)),
        }
    }

    /// How the numbers are stored.
    pub fn kind(&self) -> Kind {
        match self {
            Self::F32(_) => Kind::F32,
            Self::Bf16(_) => Kind::Bf16,
        }
    }
}

impl<'a> Slice<'a> {
    /// The numbers of an `f32` map.
    ///
    /// # Panics
    /// When they are of another kind.
    pub fn f32(self) -> &'a [f32] {
        match self {
            Self::F32(x) => x,
            Self::Bf16(_) => panic!("an f32 map"),
        }
    }
}

impl<'a> SliceMut<'a> {
    /// The numbers of an `f32` map.
    ///
    /// # Panics
    /// When they are of another kind.
    pub fn f32(self) -> &'a mut [f32] {
        match self {
            Self::F32(x) => x,
            Self::Bf16(_) => panic!("an f32 map"),
        }
    }
}

/// Numbers of a map, to write.
#[derive(Debug)]
pub enum SliceMut<'a> {
    /// See [`Kind::F32`].
    F32(&'a mut [f32]),
    /// See [`Kind::Bf16`].
    Bf16(&'a mut [bf16]),
}

impl<'a> SliceMut<'a> {
    /// Numbers of a kind in a piece of memory.
    pub fn of(kind: Kind, words: &'a mut [f32]) -> Self {
        match kind {
            Kind::F32 => Self::F32(words),
            Kind::Bf16 => Self::Bf16(bytemuck::cast_slice_mut(words)),
        }
    }

    /// How the numbers are stored.
    pub fn kind(&self) -> Kind {
        match self {
            Self::F32(_) => Kind::F32,
            Self::Bf16(_) => Kind::Bf16,
        }
    }

    /// The same numbers for a shorter while.
    pub fn reborrow(&mut self) -> SliceMut<'_> {
        match self {
            Self::F32(y) => SliceMut::F32(y),
            Self::Bf16(y) => SliceMut::Bf16(y),
        }
    }
}

/// Calls `$run` with the typed slices behind a [`Slice`] and a [`SliceMut`].
macro_rules! typed {
    ($x:expr, $y:expr, |$a:ident, $b:ident| $run:expr) => {
        match ($x, $y) {
            ($crate::Slice::F32($a), $crate::SliceMut::F32($b)) => $run,
            ($crate::Slice::F32($a), $crate::SliceMut::Bf16($b)) => $run,
            ($crate::Slice::Bf16($a), $crate::SliceMut::F32($b)) => $run,
            ($crate::Slice::Bf16($a), $crate::SliceMut::Bf16($b)) => $run,
        }
    };
}
pub(crate) use typed;
