//! How the learning rate moves over the steps of a training.

use std::f64::consts::PI;

/// A factor for every step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// Half a cosine from 1 to 0 (Loshchilov and Hutter 2017, equation 5, without restarts).
    Cosine,
    /// Up along a cosine from 1/25 over the first 30 %, then down to almost 0 (Smith and Topin 2018;
    /// constants of `OneCycleLR`).
    OneCycle,
    /// Times 0.1 after 30, 60 and 90 % of the steps (Kolesnikov et al. 2020, BiT-HyperRule).
    Step,
    /// Straight up over the first tenth from 1/32, straight down (Howard and Ruder 2018, equation 3).
    Slanted,
}

impl Schedule {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Constant, Self::Cosine, Self::OneCycle, Self::Step, Self::Slanted];

    /// The word in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::OneCycle => "one-cycle",
            Self::Step => "step",
            Self::Slanted => "slanted",
        }
    }

    /// The schedule of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == word)
    }

    /// The factor of step `step` (from 0) of `total`, of which the first `warm_up` rise to 1 in a
    /// straight line; the schedule covers the rest.
    pub fn factor(self, step: u64, total: u64, warm_up: u64) -> f64 {
        if step < warm_up {
            return (step + 1) as f64 / (warm_up + 1) as f64;
        }
        let (step, total) = ((step - warm_up) as f64, total.saturating_sub(warm_up).max(1) as f64);
        let share = step / total;
        match self {
            Self::Constant => 1.0,
            Self::Cosine => f64::midpoint(1.0, (PI * share).cos()),
            Self::OneCycle => {
                let between = |from: f64, to: f64, share: f64| {
                    to + (from - to) / 2.0 * ((PI * share).cos() + 1.0)
                };
                let (start, end) = (1.0 / 25.0, 1.0 / 25.0 / 1e4);
                let peak = 0.3 * total - 1.0;
                if step <= peak {
                    between(start, 1.0, step / peak.max(1.0))
                } else {
                    between(1.0, end, ((step - peak) / (total - 1.0 - peak).max(1.0)).min(1.0))
                }
            }
            Self::Step => {
                0.1f64.powi([0.3, 0.6, 0.9].iter().filter(|at| share >= **at).count() as i32)
            }
            Self::Slanted => {
                let cut = (total * 0.1).floor().max(1.0);
                let p = if step < cut {
                    step / cut
                } else {
                    1.0 - (step - cut) / (cut * (1.0 / 0.1 - 1.0)).max(1.0)
                };
                (1.0 + p.max(0.0) * 31.0) / 32.0
            }
        }
    }
}
