//! Any pixel layout to opaque 8-bit RGB.

use image::{DynamicImage, GrayAlphaImage, ImageBuffer, LumaA, Pixel, RgbImage, Rgba, RgbaImage};

/// Whether at least one pixel is not fully opaque.
pub(super) fn has_transparency(image: &DynamicImage) -> bool {
    fn any<P: Pixel>(image: &ImageBuffer<P, Vec<P::Subpixel>>, opaque: P::Subpixel) -> bool
    where
        P::Subpixel: PartialEq,
    {
        image.pixels().any(|p| p.channels().last() != Some(&opaque))
    }
    match image {
        DynamicImage::ImageLumaA8(i) => any(i, u8::MAX),
        DynamicImage::ImageRgba8(i) => any(i, u8::MAX),
        DynamicImage::ImageLumaA16(i) => any(i, u16::MAX),
        DynamicImage::ImageRgba16(i) => any(i, u16::MAX),
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageRgb16(_)
        | DynamicImage::ImageRgb32F(_)
        | DynamicImage::ImageRgba32F(_)
        | _ => false,
    }
}

/// Opaque 8-bit RGB: transparency on white when there is any, 16 bits as `round(v / 257)`.
/// `None` for floating-point samples: a file does not say what its white is.
pub(super) fn to_rgb8(image: DynamicImage, transparent: bool) -> Option<RgbImage> {
    Some(match image {
        DynamicImage::ImageRgb8(i) => i,
        DynamicImage::ImageLumaA8(i) if transparent => grey_on_white(&i),
        DynamicImage::ImageRgba8(i) if transparent => colour_on_white(&i),
        DynamicImage::ImageLumaA16(i) if transparent => {
            let rows = i.pixels().flat_map(|LumaA([l, a])| [to8(white16(*l, *a)); 3]);
            rebuilt(i.width(), i.height(), rows)
        }
        DynamicImage::ImageRgba16(i) if transparent => {
            let rows =
                i.pixels().flat_map(|Rgba([r, g, b, a])| [r, g, b].map(|v| to8(white16(*v, *a))));
            rebuilt(i.width(), i.height(), rows)
        }
        DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageLumaA16(_)
        | DynamicImage::ImageRgb16(_)
        | DynamicImage::ImageRgba16(_) => {
            let wide = image.into_rgb16();
            rebuilt(wide.width(), wide.height(), wide.iter().map(|v| to8(*v)))
        }
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgba8(_) => image.into_rgb8(),
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) | _ => return None,
    })
}

fn grey_on_white(image: &GrayAlphaImage) -> RgbImage {
    let values = image.pixels().flat_map(|LumaA([l, a])| [white8(*l, *a); 3]);
    rebuilt(image.width(), image.height(), values)
}

fn colour_on_white(image: &RgbaImage) -> RgbImage {
    let values = image.pixels().flat_map(|Rgba([r, g, b, a])| [r, g, b].map(|v| white8(*v, *a)));
    rebuilt(image.width(), image.height(), values)
}

fn rebuilt(width: u32, height: u32, values: impl Iterator<Item = u8>) -> RgbImage {
    let mut rgb = RgbImage::new(width, height);
    rgb.iter_mut().zip(values).for_each(|(to, from)| *to = from);
    rgb
}

/// 16 bits to 8: `round(v / 257)`, so that 0 and 65535 become 0 and 255.
fn to8(v: u16) -> u8 {
    ((u32::from(v) + 128) / 257) as u8
}

fn white8(v: u8, alpha: u8) -> u8 {
    let (v, a) = (u32::from(v), u32::from(alpha));
    ((v * a + 255 * (255 - a) + 127) / 255) as u8
}

fn white16(v: u16, alpha: u16) -> u16 {
    let (v, a) = (u64::from(v), u64::from(alpha));
    ((v * a + 65535 * (65535 - a) + 32767) / 65535) as u16
}
