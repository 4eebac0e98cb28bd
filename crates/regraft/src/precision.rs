//! In which precision the frozen network runs, decided by trial on the user's own images.

use std::path::PathBuf;

use regraft_infer::{Engine, Isa, Precision};
use regraft_net::Network;
use regraft_run::{EnginePlan, Reason};
use regraft_train::{Flow, Trunk, extract};

use crate::Error;
use crate::options::PrecisionChoice;

/// Images on which both precisions are tried.
const TRIED: usize = 8;
/// Cosine of an image's features in both precisions below which `bf16` is not taken.
const COSINE: f64 = 0.99;

/// The network ready to run, and what was decided.
pub(crate) struct Ready {
    pub(crate) trunk: Trunk,
    pub(crate) plan: EnginePlan,
    pub(crate) reason: Reason,
}

/// How near features in `bf16` are to those in `f32`.
struct Agreement {
    images: usize,
    /// Smallest and mean cosine of the two feature vectors of an image.
    cosine: [f64; 2],
    /// Images with the same most probable source class, when the network has classes.
    same_class: Option<usize>,
}

/// Compiles `network` for the vector `output`, in the precision asked for; when that is `auto`, in
/// `bf16` where the processor multiplies it natively and a trial on some of `files` shows that the
/// features stay what they are. The trial looks at the layer `cut` of the `full` network, and at its
/// classes when it has some.
///
/// # Errors
/// When the network does not compile, or nothing in `files` can be read back.
pub(crate) fn ready(
    network: &Network,
    output: &str,
    (full, cut): (&Network, &str),
    asked: PrecisionChoice,
    files: &[PathBuf],
) -> Result<Ready, Error> {
    let isa = Isa::detect();
    let trunk = |precision| -> Result<Trunk, Error> {
        Ok(Trunk::new(network, Engine::compile_in(network, &[output], precision)?)?)
    };
    let done = |precision: Precision, tried: Option<&Agreement>, because, rule: &str| {
        Ok(Ready {
            trunk: trunk(precision)?,
            plan: EnginePlan {
                precision: precision.name().to_owned(),
                instructions: isa.name().to_owned(),
                tried: tried.map_or(0, |a| a.images),
                least_cosine: tried.map(|a| a.cosine[0]),
                mean_cosine: tried.map(|a| a.cosine[1]),
                same_class: tried.and_then(|a| a.same_class),
            },
            reason: Reason {
                choice: format!("precision {}", precision.name()),
                because,
                rule: rule.to_owned(),
                source: "this processor, and a few of your images".to_owned(),
            },
        })
    };
    let asked_for = "you asked for it";
    match asked {
        PrecisionChoice::F32 => {
            return done(Precision::F32, None, "exact to single precision".to_owned(), asked_for);
        }
        PrecisionChoice::Bf16 => {
            let agreement = agreement(full, cut, files)?;
            return done(Precision::Bf16, Some(&agreement), agreement.to_string(), asked_for);
        }
        PrecisionChoice::Auto => {}
    }
    let rule = "bf16 where the processor has it natively and the features agree with f32";
    if !isa.native_bf16() {
        let because = format!("{} has no native bf16", isa.name());
        return done(Precision::F32, None, because, rule);
    }
    let tried = agreement(full, cut, files)?;
    let agrees =
        tried.cosine[0] >= COSINE && tried.same_class.is_none_or(|n| n + 1 >= tried.images);
    let precision = if agrees && tried.images > 0 { Precision::Bf16 } else { Precision::F32 };
    done(precision, Some(&tried), tried.to_string(), rule)
}

impl std::fmt::Display for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { images, cosine: [least, mean], same_class } = self;
        write!(
            f,
            "on {images} of your images, features in bf16 and f32 have a cosine of {least:.5} or \
             more (mean {mean:.5})"
        )?;
        if let Some(same) = same_class {
            write!(f, "; the most probable source class is the same for {same} of {images}")?;
        }
        Ok(())
    }
}

/// Compares both precisions at the layer `cut` of the whole network, on images spread over `files`;
/// unreadable ones are passed over.
fn agreement(full: &Network, cut: &str, files: &[PathBuf]) -> Result<Agreement, Error> {
    let step = files.len().div_ceil(TRIED).max(1);
    let some: Vec<PathBuf> = files.iter().step_by(step).cloned().collect();
    let logits = full.card().logits.as_deref();
    let mut outputs = vec![cut];
    outputs.extend(logits.filter(|l| *l != cut));
    let rows = |precision| -> Result<Vec<Vec<f32>>, Error> {
        let trunk = Trunk::new(full, Engine::compile_in(full, &outputs, precision)?)?;
        let got = extract(&trunk, &some, None, &|_| Flow::Continue)?;
        let rows = got.rows()?;
        let all = rows.chunks_exact(trunk.feature_len()).enumerate();
        let read = all.filter(|(i, _)| got.failed.iter().all(|f| f.index != *i));
        Ok(read.map(|(_, row)| row.to_vec()).collect())
    };
    let (exact, rounded) = (rows(Precision::F32)?, rows(Precision::Bf16)?);
    let len = full.cut(cut)?.facts()?.output().shape.count();
    let pairs = || exact.iter().zip(&rounded);
    let cosines: Vec<f64> = pairs().map(|(a, b)| cosine(&a[..len], &b[..len])).collect();
    let classes_from = if outputs.len() == 2 { len } else { 0 };
    let same = |(a, b): &(&Vec<f32>, &Vec<f32>)| top(&a[classes_from..]) == top(&b[classes_from..]);
    Ok(Agreement {
        images: cosines.len(),
        cosine: [
            cosines.iter().copied().fold(1.0, f64::min),
            cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
        ],
        same_class: logits.map(|_| pairs().filter(same).count()),
    })
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| -> f64 {
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let size = (dot(a, a) * dot(b, b)).sqrt();
    if size > 0.0 { dot(a, b) / size } else { 1.0 }
}

fn top(scores: &[f32]) -> Option<usize> {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)))
}

/// The precision to run in when there is nothing to try it on.
pub(crate) fn untried(asked: PrecisionChoice) -> Precision {
    match asked {
        PrecisionChoice::Auto | PrecisionChoice::F32 => Precision::F32,
        PrecisionChoice::Bf16 => Precision::Bf16,
    }
}

/// The precision in which a run's network predicts: that of its plan, but `bf16` only where it is
/// native, because elsewhere `f32` is faster and nearer the truth.
pub(crate) fn of_run(plan: &EnginePlan) -> Precision {
    let native = Isa::detect().native_bf16();
    if plan.precision == Precision::Bf16.name() && native {
        Precision::Bf16
    } else {
        Precision::F32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_is_one_for_the_same_direction_and_zero_across() {
        assert_eq!(cosine(&[1.0, 2.0], &[2.0, 4.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), 0.0);
        assert_eq!(cosine(&[0.0, 0.0], &[0.0, 0.0]), 1.0);
    }

    #[test]
    fn the_first_of_equal_scores_is_the_top() {
        assert_eq!(top(&[0.5, 2.0, 2.0]), Some(1));
        assert_eq!(top(&[]), None);
    }
}
