//! The list of checks: what each looks at, why it matters, what to do.

use crate::Params;

use super::context::Context;
use super::{Activity, Found};
use super::{activity, epsilon, extent, filters, flow, initial, norms, statistics};

/// What a check looks at, and the function that does.
#[derive(Clone, Copy)]
pub(super) enum Looks {
    /// The structure.
    Graph(GraphCheck),
    /// The weights.
    Weights(WeightCheck),
    /// What layers do on images.
    Images(ImageCheck),
    /// Measured where the network is loaded or run.
    Outside,
}

type GraphCheck = fn(&Context<'_>) -> Vec<Found>;
type WeightCheck = fn(&Context<'_>, &Params) -> Vec<Found>;
type ImageCheck = fn(&Context<'_>, &Params, &[Option<Activity>]) -> Vec<Found>;

/// One check.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Check {
    /// Its name, which programs may rely on.
    pub id: &'static str,
    /// What it needs: `structure`, `weights`, `images` or `loading`.
    pub part: &'static str,
    /// What it looks for.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// The function.
    pub(super) looks: Looks,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

const fn check(
    part: &'static str,
    id: &'static str,
    looks: Looks,
    [what, why, fix]: [&'static str; 3],
) -> Check {
    Check { id, part, what, why, fix, looks }
}

const fn graph(id: &'static str, run: GraphCheck, words: [&'static str; 3]) -> Check {
    check("structure", id, Looks::Graph(run), words)
}

const fn weights(id: &'static str, run: WeightCheck, words: [&'static str; 3]) -> Check {
    check("weights", id, Looks::Weights(run), words)
}

const fn images(id: &'static str, run: ImageCheck, words: [&'static str; 3]) -> Check {
    check("images", id, Looks::Images(run), words)
}

const fn outside(part: &'static str, id: &'static str, words: [&'static str; 3]) -> Check {
    check(part, id, Looks::Outside, words)
}

/// Every check, in the order in which they run. `what`, `why`, `fix`.
pub static CHECKS: &[Check] = &[
    outside(
        "loading",
        "missing-parameter",
        [
            "layers without parameters in the weights file",
            "the network cannot run: nobody knows these values",
            "take the architecture that the weights are for, or map the names given",
        ],
    ),
    outside(
        "loading",
        "parameter-shape",
        [
            "parameters of another shape than their layer wants",
            "the weights are of another network, or of another number of classes",
            "take the architecture that the weights are for",
        ],
    ),
    outside(
        "loading",
        "unused-parameter",
        [
            "parameters of the file that no layer uses",
            "a part of what was trained is left out; only heads for training are meant to be",
            "compare the names with those of `show`; another variant of the architecture may use them",
        ],
    ),
    graph(
        "unused-layer",
        flow::unused_layer,
        [
            "layers that lead to no output",
            "they cost memory and mean that a connection is missing, or that the graph was cut badly",
            "connect them, or take them out with `cut`",
        ],
    ),
    graph(
        "missing-nonlinearity",
        flow::missing_nonlinearity,
        [
            "two convolutions or matrices in a row with nothing between them that is not linear",
            "together they are one linear map: the second adds cost and no power",
            "look up the activation in the original; add it if the weights were trained with it",
        ],
    ),
    graph(
        "softmax",
        flow::softmax,
        [
            "a softmax in the middle, twice, or where scores are wanted",
            "probabilities squash what the scores still tell apart; heads and losses want scores",
            "name the layer below the softmax as the scores, or take the softmax out",
        ],
    ),
    graph(
        "dropout",
        flow::dropout,
        [
            "dropout that takes nearly everything, or stands behind the last learned layer",
            "training then learns from noise; inference is not touched",
            "lower the rate (0.1 to 0.5 is usual), or move it before the last learned layer",
        ],
    ),
    graph(
        "norm-twice",
        norms::norm_twice,
        [
            "a norm right behind a norm",
            "the second finds nothing left to normalise: one of them is a slip",
            "take one out, or put back the layer that is missing between them",
        ],
    ),
    graph(
        "norm-order",
        norms::norm_order,
        [
            "a few norms on the other side of the activation than all others",
            "the weights were trained with one order; the other gives other values",
            "compare with the original's code and swap the two",
        ],
    ),
    graph(
        "bias-before-norm",
        norms::bias_before_norm,
        [
            "a bias right before a batch norm",
            "the norm takes the mean off again, so the bias does nothing (Keras has it by default)",
            "nothing; in a network of your own leave the bias out",
        ],
    ),
    graph(
        "wrong-epsilon",
        epsilon::wrong_epsilon,
        [
            "a norm's eps that is not the family's",
            "eps is not in the weights file; 1e-3 for 1e-5 moves the scores of ResNet-50 by 2 %",
            "set eps to the family's value",
        ],
    ),
    graph(
        "mixed-epsilon",
        epsilon::mixed_epsilon,
        [
            "a few norms with another eps than all others",
            "frameworks set one eps for the whole network, so that another one is a slip",
            "set them to the others' value, unless the original says otherwise",
        ],
    ),
    graph(
        "receptive-field",
        extent::receptive_field,
        [
            "a last map whose values see less than the picture, or far more with hardly a pixel left",
            "values that see less can only vote on patches; seeing far more costs and meets padding",
            "give smaller pictures or a deeper network, or the other way round",
        ],
    ),
    graph(
        "skipped-pixels",
        extent::skipped_pixels,
        [
            "windows that move further than they reach",
            "pixels between them are never read: what is there does not exist for the network",
            "make the kernel at least as large as the stride, or pool first",
        ],
    ),
    graph(
        "dead-resolution",
        extent::dead_resolution,
        [
            "kernels wider than one pixel on maps of one pixel",
            "all taps but one meet padding: parameters and time for nothing",
            "give larger pictures, or take out a stride below",
        ],
    ),
    graph(
        "channel-bottleneck",
        extent::channel_bottleneck,
        [
            "a layer more than 8 times narrower than what is before and behind it, with no way around",
            "what does not fit through it is lost for all layers above",
            "make it wider, unless it is meant to compress; cut below it for features",
        ],
    ),
    weights(
        "not-finite",
        filters::not_finite,
        [
            "NaN or infinite weights",
            "everything above them becomes NaN",
            "the file is damaged or its training diverged: fetch it again or take an earlier one",
        ],
    ),
    weights(
        "dead-filter",
        filters::dead_filter,
        [
            "filters that are all zero",
            "they compute nothing; many mean pruning, damage, or a training that lost them",
            "nothing for a few; for many, compare with the original file",
        ],
    ),
    weights(
        "constant-filter",
        filters::constant_filter,
        [
            "filters that hold one value",
            "nothing trained looks so: a fill value, or a layer that was never trained",
            "load the weights again; look whether the file has this layer",
        ],
    ),
    weights(
        "duplicate-filter",
        filters::duplicate_filter,
        [
            "filters of a layer that are the same",
            "they say the same twice: copies from widening, or symmetry that training never broke",
            "nothing for a few; for many, look how the layer was initialised",
        ],
    ),
    weights(
        "unused-channel",
        filters::unused_channel,
        [
            "channels that every reader multiplies by zero",
            "they are computed for nothing; many mean that the readers' weights are not right",
            "nothing for a few; for many, compare with the original file",
        ],
    ),
    weights(
        "zero-gamma",
        statistics::zero_gamma,
        [
            "batch norms with scales of zero",
            "the channel is a constant; a whole layer of them switches its branch off",
            "nothing for a few (weight decay does it); a whole layer was never trained",
        ],
    ),
    weights(
        "norm-variance",
        statistics::norm_variance,
        [
            "running variances that are negative or enormous, or so small that a channel explodes",
            "the norm divides by their root: NaN, silence, or noise",
            "load the file again; check that mean and variance are not swapped, and eps",
        ],
    ),
    weights(
        "norm-untrained",
        statistics::norm_untrained,
        [
            "running statistics at their first values, mean 0 and variance 1",
            "these norms have never seen data, or their statistics were not loaded",
            "load the statistics too (`running_mean`, `moving_mean`), or train",
        ],
    ),
    weights(
        "untrained",
        initial::untrained,
        [
            "weights that look freshly drawn in nearly all layers",
            "an untrained network gives random features",
            "load trained weights; a file may have been saved before training",
        ],
    ),
    weights(
        "scale-outlier",
        statistics::scale_outlier,
        [
            "a layer whose weights are 100 times larger or smaller than its neighbours'",
            "one layer then drowns or silences the rest, and one learning rate cannot fit both",
            "look whether a scale was folded in twice, or bytes were read as another type",
        ],
    ),
    images(
        "not-finite-activation",
        activity::not_finite,
        [
            "NaN or infinite values on images",
            "no answer of the network means anything",
            "look at the first layer named: its weights, its norm's variance, the scale before it",
        ],
    ),
    images(
        "activation-scale",
        activity::scale,
        [
            "values that grow or shrink ten thousand times on the way",
            "the scores drown or vanish, and training by gradient does not start",
            "look at the first layer named: weights, norm, a missing norm, or preprocessing",
        ],
    ),
    images(
        "dead-unit",
        activity::dead_unit,
        [
            "channels that answer to none of the images",
            "few are usual high up, where a channel waits for its class; many mean dead rectifiers",
            "try more images; for many, check preprocessing, norms and biases below",
        ],
    ),
    images(
        "saturated",
        activity::saturated,
        [
            "gates or clamps that are nearly always at an end of their range",
            "they pass on no information and no gradient",
            "check the scale of what reaches them",
        ],
    ),
    images(
        "norm-statistics",
        activity::norm_statistics,
        [
            "images that do not fit the means and variances which batch norms keep",
            "the norms then shift every layer: wrong preprocessing, or pictures unlike the training's",
            "check the card's preprocessing first; for other pictures, train with `--batch-norm`",
        ],
    ),
    outside(
        "images",
        "preprocessing",
        [
            "another usual preprocessing that does clearly better than the card's",
            "a wrong mean, scale or channel order costs points of accuracy and fails nowhere",
            "try the one named: set it in the card, and verify on labelled images",
        ],
    ),
];
