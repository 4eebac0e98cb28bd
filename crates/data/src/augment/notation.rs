//! An augmentation as text and back.

use std::fmt;

use super::step::{Field, MIXES, STEPS, Slot};
use super::{Augment, Mix, Step};
use crate::DataError;

/// The text of an augmentation that does nothing.
const NOTHING: &str = "none";

/// Words with spaces between them, for instance
/// `random-resized-crop(scale=0.5..1,ratio=0.75..1.3333334) horizontal-flip(p=0.5) mixup(alpha=0.2)`;
/// `none` for no step. [`Augment::parse`] reads it.
impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps().iter().map(|&(mut step)| word(step.name(), &step.fields()));
        let mixes = self.mixes().iter().map(|&(mut mix)| word(mix.name(), &mix.fields()));
        let words: Vec<String> = steps.chain(mixes).collect();
        f.write_str(if words.is_empty() { NOTHING } else { "" })?;
        f.write_str(&words.join(" "))
    }
}

fn word(name: &str, fields: &[Field<'_>]) -> String {
    let numbers: Vec<String> =
        fields.iter().map(|field| format!("{}={}", field.name, field.text())).collect();
    if numbers.is_empty() { name.to_owned() } else { format!("{name}({})", numbers.join(",")) }
}

impl Augment {
    /// Reads what `Display` writes. A number that is not given has torchvision's default (for
    /// `rotation` 15 degrees, for `color-jitter` 0.2, 0.2, 0.2 and 0, for which it has none).
    ///
    /// # Errors
    /// [`DataError::AugmentWord`] and [`DataError::AugmentField`] for words that are not known,
    /// otherwise as [`Augment::new`].
    pub fn parse(text: &str) -> Result<Self, DataError> {
        let (mut steps, mut mixes) = (Vec::new(), Vec::new());
        for word in text.split_whitespace().filter(|word| *word != NOTHING) {
            let (name, numbers) = match word.split_once('(') {
                Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
                None => (word, ""),
            };
            if let Some(step) = STEPS.iter().find(|step| step.name() == name) {
                let mut step = *step;
                read(step.name(), step.fields(), numbers)?;
                steps.push(step);
            } else if let Some(mix) = MIXES.iter().find(|mix| mix.name() == name) {
                let mut mix = *mix;
                read(mix.name(), mix.fields(), numbers)?;
                mixes.push(mix);
            } else {
                let known = STEPS.iter().map(Step::name).chain(MIXES.iter().map(Mix::name));
                let known = known.map(String::from).collect();
                return Err(DataError::AugmentWord { given: name.to_owned(), known });
            }
        }
        Self::new(steps, mixes)
    }
}

/// Sets the fields that a text such as `p=0.5,scale=0.1..0.3` names.
fn read(step: &'static str, mut fields: Vec<Field<'_>>, numbers: &str) -> Result<(), DataError> {
    for number in numbers.split(',').filter(|number| !number.is_empty()) {
        let (name, value) = number.split_once('=').unwrap_or((number, ""));
        let Some(at) = fields.iter().position(|field| field.name == name) else {
            let known = fields.iter().map(|field| field.name.to_owned()).collect();
            return Err(DataError::AugmentField { step, given: name.to_owned(), known });
        };
        if set(&mut fields[at].slot, value).is_none() {
            return Err(fields[at].error(step, value));
        }
    }
    Ok(())
}

fn set(slot: &mut Slot<'_>, value: &str) -> Option<()> {
    match slot {
        Slot::One(to) => **to = value.parse().ok()?,
        Slot::Count(to) => **to = value.parse().ok()?,
        Slot::Range(to) => {
            let (low, high) = value.split_once("..")?;
            **to = [low.parse().ok()?, high.parse().ok()?];
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::step::{MIXES, STEPS};
    use super::*;

    #[test]
    fn a_text_gives_the_augmentation_that_wrote_it() {
        for text in [
            "none",
            "random-resized-crop(scale=0.08..1,ratio=0.75..1.3333334) horizontal-flip(p=0.5) \
             vertical-flip(p=0.25) rotation(degrees=15) \
             color-jitter(brightness=0.2,contrast=0.2,saturation=0.2,hue=0.05) \
             rand-augment(ops=2,magnitude=9) trivial-augment \
             random-erasing(p=0.5,scale=0.02..0.33,ratio=0.3..3.3) mixup(alpha=0.2) \
             cutmix(alpha=1)",
        ] {
            assert_eq!(Augment::parse(text).unwrap().to_string(), text);
        }
        let all = Augment::new(STEPS.to_vec(), MIXES.to_vec()).unwrap();
        assert_eq!(Augment::parse(&all.to_string()).unwrap(), all);
        assert_eq!(Augment::parse(" ").unwrap(), Augment::default());
    }

    #[test]
    fn numbers_that_are_not_given_are_the_defaults() {
        let given = Augment::parse("random-erasing(p=1) trivial-augment");
        assert!(matches!(given, Err(DataError::AugmentOrder { .. })), "{given:?}");
        let given = Augment::parse("trivial-augment random-erasing(p=1)").unwrap();
        let erasing = Step::RandomErasing { p: 1.0, scale: [0.02, 0.33], ratio: [0.3, 3.3] };
        assert_eq!(given.steps(), [Step::TrivialAugment, erasing]);
    }

    #[test]
    fn what_cannot_be_is_an_error_that_names_it() {
        let cases = [
            ("flip", "`flip`"),
            ("horizontal-flip(q=1)", "`q`"),
            ("horizontal-flip(p=)", "`p`"),
            ("horizontal-flip(p=1.5)", "from 0 to 1"),
            ("horizontal-flip(p=NaN)", "from 0 to 1"),
            ("rand-augment(magnitude=31)", "whole number from 0 to 30"),
            ("rand-augment(ops=1.5)", "whole number"),
            ("random-resized-crop(scale=1..0.5)", "`1..0.5`"),
            ("random-resized-crop(scale=0.5)", "range"),
            ("mixup(alpha=0)", "`alpha`"),
            ("color-jitter(hue=0.6)", "from 0 to 0.5"),
            ("horizontal-flip random-resized-crop", "first"),
            ("random-resized-crop random-resized-crop", "first"),
        ];
        for (text, wanted) in cases {
            let message = Augment::parse(text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }
}
