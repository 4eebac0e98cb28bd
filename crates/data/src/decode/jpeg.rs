//! Whether a JPEG is all there.
//!
//! The decoder fills missing rows with grey and succeeds, so the structure is walked first: marker
//! segments by their lengths, entropy-coded data up to the next marker, until end-of-image
//! (ITU-T T.81, annex B.1.1). A search for the last two bytes would be fooled twice: a thumbnail in
//! the EXIF segment has its own end marker, and a whole file may carry bytes after its own.

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// Whether end-of-image comes after at least one scan. `bytes` begin with start-of-image.
pub(super) fn reaches_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    let mut scans = 0;
    while let Some((marker, after)) = next_marker(bytes, at) {
        at = after;
        match marker {
            END_OF_IMAGE => return scans > 0,
            // Restarts and markers without a segment.
            0x01 | 0xD0..=0xD8 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([length[0], length[1]]));
                scans += usize::from(marker == START_OF_SCAN);
            }
        }
    }
    false
}

/// The next marker at or after `at` and the index behind it. Skips entropy-coded data, in which
/// `FF` is followed by `00`, and fill bytes (`FF FF`).
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|b| *b == 0xFF)? + 1;
        match bytes.get(at)? {
            0x00 | 0xFF => {}
            marker => return Some((*marker, at + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reaches_end;

    #[test]
    fn only_an_end_marker_outside_of_segments_and_after_a_scan_counts() {
        let start = [0xFF, 0xD8];
        let thumbnail_segment = [0xFF, 0xE1, 0, 6, 0xFF, 0xD9, 0xFF, 0xD9];
        let scan = [0xFF, 0xDA, 0, 2, 1, 2, 0xFF, 0x00, 0xD9, 0xFF, 0xD3, 7];
        let fill_and_end = [0xFF, 0xFF, 0xD9];
        let garbage = [0, 0, 0xFF];
        let cases: [(&[&[u8]], bool); 6] = [
            (&[&start, &scan, &fill_and_end], true),
            (&[&start, &scan, &fill_and_end, &garbage], true),
            (&[&start, &thumbnail_segment, &scan, &fill_and_end], true),
            (&[&start, &thumbnail_segment, &scan], false),
            (&[&start, &thumbnail_segment, &fill_and_end], false),
            (&[&start, &scan, &[0xFF]], false),
        ];
        for (parts, whole) in cases {
            assert_eq!(reaches_end(&parts.concat()), whole, "{parts:x?}");
        }
    }
}
