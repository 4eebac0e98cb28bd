//! Every format and pixel layout against what Pillow reads.

use regraft_data::{DataError, DecodeError, Format, PictureFacts, decode, decode_file};

use crate::fixture;

const GREY: u8 = 1;
const ALPHA: u8 = 2;
const SIXTEEN: u8 = 4;
const PALETTE: u8 = 8;

/// File, format, facts, most levels a value may differ: JPEG decoders may round differently, and
/// 4:2:0 colours and lossy WebP are interpolated differently.
const FILES: [(&str, Format, u8, u8); 18] = [
    ("rgb.png", Format::Png, 0, 0),
    ("rgb.bmp", Format::Bmp, 0, 0),
    ("rgb.tif", Format::Tiff, 0, 0),
    ("lossless.webp", Format::WebP, 0, 0),
    ("lossy.webp", Format::WebP, 0, 2),
    ("baseline.jpg", Format::Jpeg, 0, 4),
    ("progressive.jpg", Format::Jpeg, 0, 4),
    ("grey.jpg", Format::Jpeg, GREY, 2),
    ("cmyk.jpg", Format::Jpeg, 0, 4),
    ("grey16.png", Format::Png, GREY | SIXTEEN, 0),
    ("rgb16.png", Format::Png, SIXTEEN, 0),
    ("grey16.tif", Format::Tiff, GREY | SIXTEEN, 0),
    ("la.png", Format::Png, GREY | ALPHA, 0),
    ("rgba.png", Format::Png, ALPHA, 0),
    ("rgba.webp", Format::WebP, ALPHA, 0),
    ("palette.png", Format::Png, PALETTE, 0),
    ("palette_transparent.png", Format::Png, PALETTE | ALPHA, 0),
    ("palette.bmp", Format::Bmp, PALETTE, 0),
];

fn most_difference(name: &str) -> u8 {
    let given = decode_file(&fixture(&format!("decode/{name}"))).unwrap();
    let wanted = decode_file(&fixture(&format!("decode/{name}.expected.png"))).unwrap();
    assert_eq!((given.width, given.height), (wanted.width, wanted.height), "{name}");
    given.rgb.iter().zip(&wanted.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn every_format_and_layout_becomes_the_rgb_that_pillow_reads() {
    for (name, format, facts, tolerance) in FILES {
        let picture = decode_file(&fixture(&format!("decode/{name}"))).unwrap();
        let wanted = PictureFacts {
            format,
            orientation: 1,
            grey: facts & GREY > 0,
            alpha: facts & ALPHA > 0,
            sixteen_bit: facts & SIXTEEN > 0,
            palette: facts & PALETTE > 0,
        };
        assert_eq!(picture.facts, wanted, "{name}");
        let most = most_difference(name);
        assert!(most <= tolerance, "{name}: a value differs by {most}");
    }
}

#[test]
fn of_an_animation_the_first_frame_is_read() {
    let picture = decode_file(&fixture("decode/two_frames.gif")).unwrap();
    assert!(picture.facts.palette && picture.facts.format == Format::Gif);
    assert_eq!(most_difference("two_frames.gif"), 0);
}

#[test]
fn all_eight_exif_orientations_come_out_upright() {
    for orientation in 1..=8 {
        let name = format!("exif_{orientation}.jpg");
        let picture = decode_file(&fixture(&format!("decode/{name}"))).unwrap();
        assert_eq!(picture.facts.orientation, orientation);
        assert!(most_difference(&name) <= 4, "{name}");
    }
}

#[test]
fn the_format_is_told_by_the_bytes_not_by_the_name() {
    let bytes = std::fs::read(fixture("decode/rgb.png")).unwrap();
    let root = crate::folder(&[]);
    let path = root.path().join("photo.jpg");
    crate::write(&path, &bytes);
    assert_eq!(decode_file(&path).unwrap(), decode(&bytes).unwrap());
}

#[test]
fn a_file_that_cannot_be_read_or_decoded_is_named() {
    let root = crate::folder(&["notes.jpg"]);
    let missing = root.path().join("gone.jpg");
    assert!(matches!(decode_file(&missing), Err(DataError::Missing { path }) if path == missing));
    let text = root.path().join("notes.jpg");
    let error = decode_file(&text).unwrap_err();
    assert!(error.to_string().ends_with("notes.jpg`: not an image that can be read: it is text"));
    let DataError::Decode { path, source: DecodeError::NotAnImage { .. } } = error else {
        panic!("{error}")
    };
    assert_eq!(path, text);
    assert!(matches!(decode_file(root.path()), Err(DataError::Read { .. })));
}
