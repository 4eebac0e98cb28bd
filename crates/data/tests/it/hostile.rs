//! Files that are empty, cut, lying or broken: an error that says so, never a panic.

use proptest::prelude::*;
use regraft_data::{DecodeError, Format, LooksLike, decode};

use crate::fixture;

const SAMPLES: [(&str, Format); 12] = [
    ("baseline.jpg", Format::Jpeg),
    ("progressive.jpg", Format::Jpeg),
    ("exif_6.jpg", Format::Jpeg),
    ("cmyk.jpg", Format::Jpeg),
    ("rgba.png", Format::Png),
    ("palette_transparent.png", Format::Png),
    ("lossless.webp", Format::WebP),
    ("lossy.webp", Format::WebP),
    ("rgb.bmp", Format::Bmp),
    ("rgb.tif", Format::Tiff),
    ("grey16.tif", Format::Tiff),
    ("two_frames.gif", Format::Gif),
];

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("decode/{name}"))).unwrap()
}

#[test]
fn bytes_that_are_no_image_are_told_apart() {
    let mut text_then_cut = vec![b'a'; 1023];
    text_then_cut.extend("é".as_bytes());
    let cases: [(&[u8], LooksLike); 12] = [
        (b"path,label\na.jpg,cat\n", LooksLike::Text),
        (&text_then_cut, LooksLike::Text),
        (b"\n<!DOCTYPE html><title>404</title>", LooksLike::Html),
        (b"<?xml version=\"1.0\"?><svg/>", LooksLike::Svg),
        (b"%PDF-1.7\n", LooksLike::Other("a PDF document")),
        (b"\0\0\0\x18ftypheic\0\0", LooksLike::Other("a HEIC image (iPhone photo)")),
        (b"\0\0\0\x18ftypisom\0\0", LooksLike::Other("an MP4 or MOV video")),
        (b"P6\n2 2\n255\n\x80\xff", LooksLike::Other("a Netpbm image (PBM, PGM, PPM)")),
        (&[0; 50], LooksLike::Zeros),
        (&[0], LooksLike::Zeros),
        (&[1, 2, 3], LooksLike::Unknown(vec![1, 2, 3])),
        (&[0xFF; 20], LooksLike::Unknown(vec![0xFF; 8])),
    ];
    for (bytes, wanted) in cases {
        assert_eq!(decode(bytes), Err(DecodeError::NotAnImage { looks_like: wanted }));
    }
    assert_eq!(decode(&[]), Err(DecodeError::Empty));
}

#[test]
fn a_jpeg_cut_anywhere_is_truncated_and_never_half_grey() {
    for name in ["baseline.jpg", "progressive.jpg", "grey.jpg", "exif_1.jpg"] {
        let whole = sample(name);
        for length in 3..whole.len() {
            let wanted = DecodeError::Truncated { format: Format::Jpeg, bytes: length };
            assert_eq!(decode(&whole[..length]), Err(wanted), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn bytes_after_the_end_of_a_jpeg_do_no_harm() {
    for name in ["baseline.jpg", "progressive.jpg"] {
        let mut bytes = sample(name);
        let wanted = decode(&bytes).unwrap();
        bytes.extend([0, 0, 0xFF, 1, 2, 3, 0xFF, 0xD8, 0xFF]);
        assert_eq!(decode(&bytes).unwrap(), wanted);
    }
}

#[test]
fn every_format_cut_before_its_middle_is_truncated() {
    for (name, format) in SAMPLES {
        let whole = sample(name);
        let half = &whole[..whole.len() * 2 / 5];
        let wanted = DecodeError::Truncated { format, bytes: half.len() };
        assert_eq!(decode(half), Err(wanted), "{name}");
    }
}

#[test]
fn a_file_cut_at_any_length_is_an_error_or_the_same_picture() {
    for (name, _) in SAMPLES {
        let bytes = sample(name);
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            if let Ok(picture) = decode(&bytes[..length]) {
                assert_eq!(picture, whole, "{name} cut to {length} of {} bytes", bytes.len());
            }
        }
    }
}

#[test]
fn a_header_that_claims_too_many_pixels_is_refused_before_they_are_allocated() {
    let mut png = sample("rgb.png");
    let mut bmp = sample("rgb.bmp");
    let mut gif = sample("two_frames.gif");
    let mut jpeg = sample("baseline.jpg");
    for (at, byte) in 60_000_u32.to_be_bytes().iter().enumerate() {
        png[16 + at] = *byte;
        png[20 + at] = *byte;
    }
    let crc = crc32(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&crc);
    for at in [18, 22] {
        bmp[at..at + 4].copy_from_slice(&60_000_u32.to_le_bytes());
    }
    gif[6..10].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    for (bytes, format) in
        [(png, Format::Png), (bmp, Format::Bmp), (gif, Format::Gif), (jpeg, Format::Jpeg)]
    {
        let wanted = DecodeError::TooLarge { format, width: 60_000, height: 60_000 };
        assert_eq!(decode(&bytes), Err(wanted));
    }
}

#[test]
fn many_pixels_within_the_longest_side_are_refused_by_their_memory() {
    let mut png = sample("rgb.png");
    for at in [16, 20] {
        png[at..at + 4].copy_from_slice(&20_000_u32.to_be_bytes());
    }
    let crc = crc32(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&crc);
    let wanted = DecodeError::TooLarge { format: Format::Png, width: 20_000, height: 20_000 };
    assert_eq!(decode(&png), Err(wanted));
}

/// CRC-32 of PNG chunks (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_decode_or_fail_but_never_crash(
        file in 0..SAMPLES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = sample(SAMPLES[file].0);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match decode(&bytes) {
            Ok(picture) => prop_assert_eq!(picture.rgb.len(), picture.width * picture.height * 3),
            Err(DecodeError::Crashed { format }) => {
                return Err(TestCaseError::fail(format!("{format:?} decoder crashed")));
            }
            Err(_) => {}
        }
    }
}
