//! Activation maximisation: pictures made for a unit, from noise.
//!
//! Two ways. By waves: a spectrum whose numbers are decorrelated in space and colour, and views of the picture that
//! move, scale and turn (Olah et al. 2017). By pixels: the gradient on pixels, bounded after each step by decay, blur
//! and clipping (Yosinski et al. 2015). The card's preprocessing is part of what is differentiated.

mod canvas;
mod chance;
mod fft;
mod lens;
mod objective;
mod pixels;
mod spectrum;
mod view;

use rayon::prelude::*;
use regraft_grad::ReluRule;
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use objective::{alike, units};

pub(crate) use canvas::Canvas;
pub(crate) use chance::Chance;
pub use lens::resized;
pub(crate) use lens::{Lens, Window};
pub use objective::Objective;
pub use pixels::{PixelRules, StepLength};
pub(crate) use spectrum::add_variation;
pub use spectrum::{Spectrum, from_colours, to_colours, total_variation};
pub use view::Sway;
pub(crate) use view::View;

/// Pictures run together: enough for a few threads, few enough for the memory of most machines.
const TOGETHER: usize = 4;
/// Steps in which a unit that nothing reaches is reached all the same (Olah et al. 2017, their code).
const REDIRECTED: usize = 16;
/// Points of a picture's curve, at most.
const POINTS: usize = 32;
/// Sides and steps beyond these are slips of the finger.
const MOST_SIDE: usize = 2048;
const MOST_STEPS: usize = 100_000;
/// Pictures of one unit at most: each is compared with every other.
const MOST_PICTURES: usize = 16;

/// How a picture is made.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// By its waves. Published: a rate of 0.05, a decay of 1, [`Sway::usual`].
    Waves {
        /// Rate of Adam.
        rate: f64,
        /// How much less waves weigh the finer they are, see [`Spectrum::new`].
        decay: f64,
        /// How views differ.
        sway: Sway,
    },
    /// By its pixels.
    Pixels(PixelRules),
}

/// What is the same for all pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct MaximiseSettings {
    /// How.
    pub by: By,
    /// Side of the pictures, in pixels.
    pub side: usize,
    /// Steps for each.
    pub steps: usize,
    /// Views of a picture at each step, whose mean gradient it follows.
    pub views: usize,
    /// How much it counts that pictures of one unit differ: what a mean cosine of 1 between their Gram matrices would
    /// cost, in parts of the objective's own size at that step.
    pub diversity: f64,
    /// Seed of everything random.
    pub seed: u64,
}

/// What is wanted of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// What is to become large.
    pub objective: Objective,
    /// How many pictures, made to differ.
    pub pictures: usize,
    /// What the random numbers depend on beside the seed, so that a picture is the same whatever others are made.
    pub key: u64,
}

/// A picture that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Maximised {
    /// Red, green and blue in `0..1`, `[3, side, side]`.
    pub colours: Tensor,
    /// The objective of the picture that it began with, seen whole.
    pub before: f64,
    /// The same of this one.
    pub after: f64,
    /// The mean objective of the views, at evenly spaced steps, 32 at most.
    pub curve: Vec<f64>,
    /// Steps at which no gradient reached the picture.
    pub silent: usize,
}

/// Makes pictures for units of the layer that `network` ends with (cut it there; for classes at its logits). For each
/// wish its pictures. Units of a map see the picture pixel by pixel, the network being built for its size where that
/// can be; those of a vector see it at the network's own size. `watch` hears the steps done and those in all, and
/// stops the work by giving `false`.
///
/// # Errors
/// When the network reads no colour pictures, has no such unit, a setting is out of bounds, or `watch` stops.
pub fn maximise(
    network: &Network,
    wishes: &[Wish],
    settings: &MaximiseSettings,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Vec<Vec<Maximised>>, LookError> {
    check(settings, wishes)?;
    let size = [settings.side; 2];
    let window =
        if network.facts()?.output().shape.len() == 1 { Window::Own } else { Window::Picture };
    let groups = groups(wishes);
    let pictures = |group: &&[Wish]| group.iter().map(|wish| wish.pictures).sum::<usize>();
    let room = groups.iter().map(pictures).max().unwrap_or(1) * settings.views;
    let mut lens = Lens::new(network, size, window, room)?;
    for wish in wishes {
        wish.objective.check(lens.layer(), lens.output())?;
    }
    let spectrum = match settings.by {
        By::Waves { decay, .. } => Spectrum::new(settings.side, settings.side, decay),
        By::Pixels(_) => Spectrum::new(settings.side, settings.side, 1.0),
    };
    let total = groups.len() * settings.steps;
    let mut made = Vec::with_capacity(wishes.len());
    for (i, group) in groups.iter().enumerate() {
        let mut hear = |step: usize| watch(i * settings.steps + step, total);
        made.extend(together(&mut lens, group, settings, &spectrum, &mut hear)?);
    }
    watch(total, total);
    Ok(made)
}

fn check(settings: &MaximiseSettings, wishes: &[Wish]) -> Result<(), LookError> {
    let refuse = |what, given, wanted| Err(LookError::Option { what, given, wanted });
    if !(8..=MOST_SIDE).contains(&settings.side) {
        return refuse("the side of the pictures", settings.side, "from 8 to 2048 pixels");
    }
    if !(1..=MOST_STEPS).contains(&settings.steps) {
        return refuse("the number of steps", settings.steps, "from 1 to 100000; 256 are usual");
    }
    if !(1..=MOST_PICTURES).contains(&settings.views) {
        return refuse("the number of views", settings.views, "from 1 to 16");
    }
    let odd = wishes.iter().find(|wish| !(1..=MOST_PICTURES).contains(&wish.pictures));
    match odd {
        Some(wish) => refuse("the number of pictures of a unit", wish.pictures, "from 1 to 16"),
        None => Ok(()),
    }
}

/// Wishes that are granted together, in their order.
fn groups(wishes: &[Wish]) -> Vec<&[Wish]> {
    let (mut groups, mut from, mut pictures) = (Vec::new(), 0, 0);
    for (i, wish) in wishes.iter().enumerate() {
        if i > from && pictures + wish.pictures > TOGETHER {
            groups.push(&wishes[from..i]);
            (from, pictures) = (i, 0);
        }
        pictures += wish.pictures;
    }
    if from < wishes.len() {
        groups.push(&wishes[from..]);
    }
    groups
}

/// What a random number is for.
const FOR_START: u64 = 0;
const FOR_VIEWS: u64 = 1;

/// Pictures of a few wishes, in one batch.
fn together(
    lens: &mut Lens,
    wishes: &[Wish],
    settings: &MaximiseSettings,
    spectrum: &Spectrum,
    hear: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Vec<Maximised>>, LookError> {
    let size = [settings.side; 2];
    let members: Vec<(&Wish, u64)> =
        wishes.iter().flat_map(|wish| (0..wish.pictures as u64).map(move |n| (wish, n))).collect();
    let chance = |(wish, copy): &(&Wish, u64), step: usize, what: u64| {
        Chance::new([settings.seed, wish.key, step as u64, what + (copy << 8)])
    };
    let mut canvases: Vec<Canvas> = members
        .iter()
        .map(|member| {
            let mut chance = chance(member, 0, FOR_START);
            match &settings.by {
                By::Waves { rate, .. } => Canvas::waves(spectrum, size, *rate, &mut chance),
                By::Pixels(rules) => Canvas::pixels(size, lens.card(), *rules, &mut chance),
            }
        })
        .collect();
    let before = seen_whole(lens, &members, &mut canvases, spectrum)?;
    let mut made: Vec<(Vec<f64>, usize)> = vec![(Vec::new(), 0); members.len()];
    let every = settings.steps.div_ceil(POINTS);
    for step in 0..settings.steps {
        if !hear(step) {
            return Err(LookError::Stopped);
        }
        let colours = all_colours(&mut canvases, spectrum);
        let mut views = Vec::with_capacity(members.len() * settings.views);
        for member in &members {
            let mut chance = chance(member, step, FOR_VIEWS);
            views.extend((0..settings.views).map(|_| match &settings.by {
                By::Waves { sway, .. } => lens.drawn(sway, &mut chance),
                By::Pixels(_) => lens.whole(),
            }));
        }
        let outputs = lens.forward(&colours, &views)?;
        let (values, seed) = seeds(lens, wishes, &members, settings, &outputs)?;
        let rule = if step < REDIRECTED { ReluRule::Redirected } else { ReluRule::Gradient };
        let gradients = lens.back(&seed, rule, &views, members.len())?;
        for ((curve, silent), (value, gradient)) in
            made.iter_mut().zip(values.iter().zip(&gradients))
        {
            if step % every == 0 {
                curve.push(*value);
            }
            *silent += usize::from(gradient.iter().all(|g| *g == 0.0));
        }
        let parts = canvases.par_iter_mut().zip(&colours).zip(gradients);
        parts.for_each(|((canvas, colours), gradient)| canvas.step(spectrum, colours, gradient));
    }
    let after = seen_whole(lens, &members, &mut canvases, spectrum)?;
    let colours = all_colours(&mut canvases, spectrum);
    let mut all = made.into_iter().zip(before.into_iter().zip(after)).zip(colours).map(
        |(((curve, silent), (before, after)), colours)| -> Result<Maximised, LookError> {
            let data = colours.into_iter().map(|v| v as f32).collect();
            let colours = Tensor::new([3, settings.side, settings.side], data)?;
            Ok(Maximised { colours, before, after, curve, silent })
        },
    );
    wishes.iter().map(|wish| all.by_ref().take(wish.pictures).collect()).collect()
}

fn all_colours(canvases: &mut [Canvas], spectrum: &Spectrum) -> Vec<Vec<f64>> {
    canvases.par_iter_mut().map(|canvas| canvas.colours(spectrum)).collect()
}

/// The objective of each picture as it is.
fn seen_whole(
    lens: &mut Lens,
    members: &[(&Wish, u64)],
    canvases: &mut [Canvas],
    spectrum: &Spectrum,
) -> Result<Vec<f64>, LookError> {
    let colours = all_colours(canvases, spectrum);
    let views = vec![lens.whole(); members.len()];
    let outputs = lens.forward(&colours, &views)?;
    let mut seed = vec![0.0; outputs.row_len()];
    let rows = members.iter().enumerate();
    Ok(rows
        .map(|(i, (wish, _))| wish.objective.value(lens.output(), outputs.row(i), &mut seed))
        .collect())
}

/// The mean objective of each picture over its views, and the gradient at the layer.
fn seeds(
    lens: &Lens,
    wishes: &[Wish],
    members: &[(&Wish, u64)],
    settings: &MaximiseSettings,
    outputs: &Tensor,
) -> Result<(Vec<f64>, Tensor), LookError> {
    let (views, len) = (settings.views, outputs.row_len());
    let mut seed = Tensor::zeros(outputs.shape().clone());
    let mut values = vec![0.0; members.len()];
    for (i, row) in seed.data_mut().chunks_exact_mut(len).enumerate() {
        let Some((wish, _)) = members.get(i / views) else { continue };
        let value = wish.objective.value(lens.output(), outputs.row(i), row);
        values[i / views] += value / views as f64;
    }
    let layout = units(lens.layer(), lens.output())?;
    let mut first = 0;
    for wish in wishes {
        let rows = wish.pictures * views;
        let own = &values[first / views..][..wish.pictures];
        let size = own.iter().map(|v| v.abs()).sum::<f64>() / wish.pictures as f64;
        if wish.pictures > 1 && settings.diversity != 0.0 {
            let mut own: Vec<&mut [f32]> =
                seed.data_mut()[first * len..][..rows * len].chunks_exact_mut(len).collect();
            for view in 0..views {
                let places = (0..wish.pictures).map(|n| n * views + view);
                let rows: Vec<&[f32]> = places.map(|n| outputs.row(first + n)).collect();
                let mut seeds: Vec<&mut [f32]> =
                    own.iter_mut().skip(view).step_by(views).map(|seed| &mut **seed).collect();
                alike(layout, &rows, settings.diversity * size, &mut seeds);
            }
        }
        first += rows;
    }
    seed.data_mut().iter_mut().for_each(|v| *v /= views as f32);
    Ok((values, seed))
}
