//! The discriminator of DCGAN (Radford et al. 2015, section 3) as PyTorch's examples write it: its
//! features transfer to classes it never saw (section 5.1).
//!
//! Section 5.1 pools every convolution's maps and puts them side by side. Here the cut is the mean of
//! the last maps, `pool`: 512 numbers, where those maps laid flat would be 8192, too many for a few
//! hundred pictures. The probe's `--features depths` adds the means of the layers below, which is the
//! nearest to that section.

use regraft_net::op::{Activation, Conv2d, Pad};
use regraft_net::{NetError, Op};

use super::build::{Build, Made, Padding};

/// Channels of the first convolution; each next one has twice as many.
const WIDTH: usize = 64;

/// `size` is 64 as published, or 32, where the last kernel is half as large. `score` is the logit that
/// a picture is real, `[1]`, before the sigmoid.
pub(super) fn discriminator(size: usize) -> Result<Made, NetError> {
    let mut b = Build::new(size, Padding::Symmetric, 1e-5)?;
    let conv = |out| Op::Conv2d(Conv2d::new(out, 4).stride(2).pad(Pad::all(1)));
    let mut n = 0;
    for stage in 0..4 {
        b.push(&format!("main.{n}"), conv(WIDTH << stage))?;
        n += 1;
        // "Applying batchnorm to all layers" made training oscillate; the first has none (section 3).
        if stage > 0 {
            b.push(&format!("main.{n}"), Op::BatchNorm { eps: 1e-5 })?;
            n += 1;
        }
        b.push(&format!("main.{n}"), Op::Activate(Activation::LeakyRelu { slope: 0.2 }))?;
        n += 1;
        b.mark();
    }
    b.side("pool", Op::GlobalAvgPool)?;
    b.push(&format!("main.{n}"), Op::Conv2d(Conv2d::new(1, size / 16)))?;
    b.push("score", Op::Flatten)?;
    Ok(b.made())
}
