//! Kinds of findings, and what a person is told of each.

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A file that is no picture.
    Unreadable,
    /// Copies with different labels. The figure is their similarity, 1 for exact copies.
    Conflict,
    /// Copies in different splits: first the one to learn from. The figure is their similarity.
    Leak,
    /// Copies with one label in one split. The figure is the least similarity of a pair.
    Copies,
    /// A class with few pictures to learn from. The figure is their number.
    TinyClass,
    /// The largest class has many times the pictures of the smallest, which is named. The figure is
    /// the ratio.
    Imbalance,
    /// The name promises another format than the file has.
    WrongExtension,
    /// Another format than nearly all files have.
    OddFormat,
    /// Far smaller or larger than the others. The figure is the geometric mean of the sides, in pixels.
    OddSize,
    /// Far longer than wide, or the other way. The figure is the longer side over the shorter.
    OddAspect,
    /// Grey where nearly all are coloured.
    GreyAmongColour,
    /// Coloured where nearly all are grey.
    ColourAmongGrey,
    /// 16 bits a channel where others have 8. One finding for all.
    MixedDepth,
    /// The EXIF data turn or mirror the picture. One finding for all.
    ExifTurned,
    /// Nearly black. The figure is the brightness, 0 to 1.
    Dark,
    /// Nearly white. The figure is the brightness.
    Bright,
    /// Nearly one shade. The figure is the contrast, 0 to 0.5.
    LowContrast,
    /// Nothing is in focus. The figure is the sharpness.
    Blurred,
}

/// The kind, its key, why it matters, what to do.
type Words = (FindingKind, &'static str, &'static str, &'static str);

const KINDS: [Words; 18] = [
    (
        FindingKind::Unreadable,
        "unreadable",
        "it cannot be learned from or measured with",
        "copy it again from its source or delete it",
    ),
    (
        FindingKind::Conflict,
        "conflict",
        "one picture with two labels teaches that both are right, and one answer is counted as wrong",
        "decide which label is right and delete the other file",
    ),
    (
        FindingKind::Leak,
        "leak",
        "the test picture was learned from: the accuracy measured is too high",
        "delete the copy to learn from, or keep both on one side",
    ),
    (
        FindingKind::Copies,
        "copies",
        "a picture that is there several times counts several times",
        "keep one of them, or keep all in one split and one fold",
    ),
    (
        FindingKind::TinyClass,
        "tiny_class",
        "little can be learned of the class, and little be said of its accuracy",
        "add pictures of it, or leave it out",
    ),
    (
        FindingKind::Imbalance,
        "imbalance",
        "a network may neglect the small classes and still look accurate",
        "look at the accuracy of each class; add pictures or weigh the classes",
    ),
    (
        FindingKind::WrongExtension,
        "wrong_extension",
        "other programs go by the name and fail or skip the file",
        "rename it",
    ),
    (
        FindingKind::OddFormat,
        "odd_format",
        "other programs may skip it, and a network may learn the format instead of the class",
        "see whether it belongs here; save it in the format of the others",
    ),
    (
        FindingKind::OddSize,
        "odd_size",
        "brought to the network's size it looks unlike the others: blurred, or its details lost",
        "see whether it is a thumbnail, an icon or a scan that does not belong here",
    ),
    (
        FindingKind::OddAspect,
        "odd_aspect",
        "the network's square crop shows only a part of it",
        "crop it to what matters",
    ),
    (
        FindingKind::GreyAmongColour,
        "grey_among_colour",
        "without colour it is unlike what is learned from and what will be asked",
        "see whether such pictures will be asked for; if not, leave it out",
    ),
    (
        FindingKind::ColourAmongGrey,
        "colour_among_grey",
        "colour may tell the class here, which it will not later",
        "see whether it belongs here; make it grey or leave it out",
    ),
    (
        FindingKind::MixedDepth,
        "mixed_depth",
        "they come from another device or another export than those of 8 bits",
        "see whether depth goes with class; export all alike",
    ),
    (
        FindingKind::ExifTurned,
        "exif_turned",
        "programs that do not read EXIF see them lying or mirrored; here they are upright",
        "nothing here; elsewhere, turn the pixels once and for all",
    ),
    (FindingKind::Dark, "dark", "nothing can be seen on it", "delete it or take it again"),
    (FindingKind::Bright, "bright", "nothing can be seen on it", "delete it or take it again"),
    (
        FindingKind::LowContrast,
        "low_contrast",
        "nothing stands out on it",
        "delete it, take it again or stretch its contrast",
    ),
    (
        FindingKind::Blurred,
        "blurred",
        "details that tell the classes apart are lost",
        "delete it or take it again, unless such pictures will be asked for",
    ),
];

impl FindingKind {
    fn words(self) -> &'static Words {
        // A test sees that each kind has its place.
        &KINDS[self as usize]
    }

    /// The kind for programs, for instance `wrong_extension`.
    pub fn key(self) -> &'static str {
        self.words().1
    }

    /// Why it matters.
    pub fn why(self) -> &'static str {
        self.words().2
    }

    /// What to do.
    pub fn advice(self) -> &'static str {
        self.words().3
    }

    /// All kinds, the gravest first.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|words| words.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{FindingKind, KINDS};

    #[test]
    fn each_kind_has_its_own_words() {
        for (place, (kind, key, _, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, place);
            assert_eq!(kind.key(), *key);
        }
        assert_eq!(FindingKind::Blurred as usize + 1, KINDS.len());
    }
}
