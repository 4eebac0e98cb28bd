//! Folders and tables of images to examples: find, split, decode, preprocess, augment.
//!
//! [`Dataset::open`] finds the images, their classes and splits, and says in [`Note`]s everything a
//! person should know about what it found. [`decode`] turns the bytes of one file into a
//! [`Picture`], upright and in 8-bit sRGB. [`preprocess`] turns a picture into the network's input
//! `[3, H, W]` by its card, with Pillow's and torchvision's rules. [`content_id`] and
//! [`PIXELS_VERSION`] name the result for a cache.
//!
//! ```no_run
//! use regraft_data::{Dataset, OpenOptions, Scratch, decode_file, preprocess};
//! use regraft_net::card::{Interpolation, Preprocess};
//!
//! let dataset = Dataset::open("pets".as_ref(), &OpenOptions::default())?;
//! let card = Preprocess::imagenet(256, 224, Interpolation::Bilinear);
//! let mut input = vec![0.0; 3 * 224 * 224];
//! let mut scratch = Scratch::default();
//! for example in &dataset.examples {
//!     preprocess(&decode_file(&example.path)?, &card, &mut scratch, &mut input)?;
//! }
//! # Ok::<(), regraft_data::DataError>(())
//! ```
//!
//! For training, [`augmented`] takes the place of [`preprocess`]: an [`Augment`] and a [`Visit`]
//! (seed, epoch, number of the picture) show each picture a little different each time.
//!
//! [`audit`] looks for what is wrong with a data set: copies, leaks, odd files, wrong labels.
//!
//! Nothing here prints, reads a clock or holds a global: the same folder, options and bytes give
//! the same result on any number of threads.

pub mod audit;
mod augment;
mod chance;
mod decode;
mod error;
mod find;
mod id;
mod pixels;
mod stratify;

pub use augment::{
    Advice, Augment, Change, Drawn, Mix, Mixed, Operation, Policy, Step, Strength, Visit, advise,
    augmented, preview, restored, to_png,
};
pub use chance::{order, uniform};
pub use decode::{
    DecodeError, Format, LooksLike, MAX_ALLOC, MAX_FILE_BYTES, MAX_SIDE, Picture, PictureFacts,
    decode, decode_file, read_file,
};
pub use error::DataError;
pub use find::{
    Dataset, Example, Labelled, Layout, MultiLabel, Note, OpenOptions, Opened, Split, SplitOrigin,
    list_images,
};
pub use id::{AUGMENT_VERSION, PIXELS_VERSION, content_id};
pub use pixels::{Area, Scratch, crop_resized, preprocess, resized, thumbnail};
pub use stratify::stratified;
