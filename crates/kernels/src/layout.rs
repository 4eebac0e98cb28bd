use crate::simd::Number;
use crate::{Map, Slice, SliceMut};

/// Writes an image `[C, H, W]` into a map, border and spare channels zero.
///
/// # Panics
/// When lengths do not fit the map.
pub fn from_chw(image: &[f32], map: &Map, mut out: SliceMut<'_>) {
    map.clear_border(out.reborrow());
    match out {
        SliceMut::F32(out) => write(image, map, out),
        SliceMut::Bf16(out) => write(image, map, out),
    }
}

fn write<T: Number>(image: &[f32], map: &Map, out: &mut [T]) {
    let plane = map.pixels();
    assert_eq!(image.len(), plane * map.channels, "an image [C, H, W]");
    for y in 0..map.height {
        let start = map.at(y, 0);
        let line = &mut out[start..start + map.width * map.stride];
        for (x, pixel) in line.chunks_exact_mut(map.stride).enumerate() {
            for (c, value) in pixel[..map.channels].iter_mut().enumerate() {
                *value = T::of(image[c * plane + y * map.width + x]);
            }
            pixel[map.channels..].fill(T::of(0.0));
        }
    }
}

/// Reads a map as `[C, H, W]`.
///
/// # Panics
/// When lengths do not fit the map.
pub fn to_chw(data: Slice<'_>, map: &Map, out: &mut [f32]) {
    match data {
        Slice::F32(data) => read(data, map, out),
        Slice::Bf16(data) => read(data, map, out),
    }
}

fn read<T: Number>(data: &[T], map: &Map, out: &mut [f32]) {
    let plane = map.pixels();
    assert_eq!(data.len(), map.len(), "a map's data");
    assert_eq!(out.len(), plane * map.channels, "an image [C, H, W]");
    for y in 0..map.height {
        for x in 0..map.width {
            let at = map.at(y, x);
            for (c, value) in data[at..at + map.channels].iter().enumerate() {
                out[c * plane + y * map.width + x] = value.value();
            }
        }
    }
}
