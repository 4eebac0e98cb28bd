//! Looks inside a network: what an answer rests on, pixel by pixel.
//!
//! Every function takes a network that ends with the layer asked about (cut it there: logits, never
//! probabilities), one picture as the network reads it, `[1, C, H, W]`, and a [`Target`] among the outputs. What it
//! gives are signed numbers as they come: scaling for the eye is for whoever shows them.
//!
//! | function | after | gives |
//! |---|---|---|
//! | [`signal`] | Simonyan et al. 2014; Springenberg et al. 2015; Zeiler and Fergus 2014 | `[C, H, W]` |
//! | [`input_times_gradient`] | Shrikumar et al. 2016 | `[C, H, W]` |
//! | [`integrated_gradients`] | Sundararajan et al. 2017 | `[C, H, W]` |
//! | [`occlusion`] | Zeiler and Fergus 2014, section 4.2 | `[C, H, W]` |
//! | [`Signals`] | the same, of many pictures at once | `[N, C, H, W]` |
//! | [`maximise`] | Yosinski et al. 2015; Olah et al. 2017 | `[3, side, side]`, made from noise |
//! | [`dream`] | Mordvintsev et al. 2015 | `[3, H, W]` |
//! | [`invert`] | Mahendran and Vedaldi 2015 | `[3, H, W]` |
//! | [`activation_map`] | Selvaraju et al. 2017 (Grad-CAM); Draelos and Carin 2021 (`HiResCAM`) | `[H', W']` |
//! | [`ClassMaps`] | the same, of several classes and many pictures | `[H', W']` each |
//!
//! Of many pictures: [`strongest`] are those that excite a unit most, [`Patch`] is what it sees of them, [`silent`] tells
//! dead units and [`selectivity`] which class one prefers. Two networks beside one another: [`counterparts`] tells what
//! differs, [`drifts`] how far weights have moved, [`cka`] and [`debiased_cka`] how alike two layers see.

mod cam;
mod cka;
mod differ;
mod dream;
mod error;
mod integrated;
mod invert;
mod map;
mod maximise;
mod occlusion;
mod pass;
mod patch;
mod quadrature;
mod signal;
mod units;

pub use cam::{Cam, ClassMaps, activation_map};
pub use cka::{cka, debiased_cka};
pub use differ::{Change, Counterpart, counterparts, drifts};
pub use dream::{Dream, DreamSettings, dream};
pub use error::LookError;
pub use integrated::{Integrated, integrated_gradients};
pub use invert::{InvertSettings, Inverted, invert};
pub use map::{Upsample, upsample};
pub use maximise::{
    By, MaximiseSettings, Maximised, Objective, PixelRules, Spectrum, StepLength, Sway, Wish,
    from_colours, maximise, resized, to_colours, total_variation,
};
pub use occlusion::{Window, occlusion};
pub use pass::{Target, outputs};
pub use patch::Patch;
pub use regraft_grad::{GradError, ReluRule};
pub use signal::{Signalled, Signals, input_times_gradient, signal};
pub use units::{alike, norm, selectivity, silent, strongest};
