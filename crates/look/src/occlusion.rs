//! Occlusion: what is lost when a part is covered (Zeiler and Fergus 2014, section 4.2).

use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::pass::{Pass, Target};

/// Most pictures run together.
const TOGETHER: usize = 16;

/// The square that covers a part of a picture, over all channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Its side, in pixels.
    pub side: usize,
    /// From one to the next, in pixels.
    pub stride: usize,
    /// What covers, as the network reads it: 0 is the mean colour for most.
    pub cover: f32,
}

/// For each value of a picture `[1, C, H, W]` the mean, over the windows that cover it, of what `target` loses:
/// `[C, H, W]`. Windows begin every `stride` pixels, `⌈(side of the picture - side) / stride⌉ + 1` of them, and the
/// last ones end at the border.
///
/// # Errors
/// When picture or target do not fit the network, or the window is empty, does not move, leaves pixels out or is
/// larger than the picture.
pub fn occlusion(
    network: &Network,
    picture: &Tensor,
    target: Target,
    window: Window,
) -> Result<Tensor, LookError> {
    let mut pass = Pass::new(network, TOGETHER)?;
    pass.check(picture)?;
    let [_, channels, height, width] = *picture.shape().dims() else {
        let (wanted, got) = (picture.shape().clone(), picture.shape().clone());
        return Err(LookError::Picture { wanted, got });
    };
    check(window, height, width)?;
    let outputs = pass.forward(picture)?;
    let whole = pass.values(target, &outputs)?.first().copied().unwrap_or_default();
    let starts = |length: usize| {
        let count = (length - window.side).div_ceil(window.stride) + 1;
        (0..count).map(|i| i * window.stride)
    };
    let places: Vec<(usize, usize)> =
        starts(height).flat_map(|y| starts(width).map(move |x| (y, x))).collect();
    // Of a pixel: what its windows lost, and how many they are.
    let mut lost = vec![(0.0, 0.0); height * width];
    for some in places.chunks(TOGETHER) {
        let mut covered = Vec::with_capacity(some.len() * picture.data().len());
        for &(top, left) in some {
            let from = covered.len();
            covered.extend_from_slice(picture.data());
            for plane in covered[from..].chunks_exact_mut(height * width) {
                for row in rows(top, window.side, height) {
                    plane[row * width..][left..width.min(left + window.side)].fill(window.cover);
                }
            }
        }
        let batch = Tensor::new([some.len(), channels, height, width], covered)?;
        let outputs = pass.forward(&batch)?;
        for (&(top, left), value) in some.iter().zip(pass.values(target, &outputs)?) {
            for row in rows(top, window.side, height) {
                for (sum, count) in &mut lost[row * width..][left..width.min(left + window.side)] {
                    *sum += whole - value;
                    *count += 1.0;
                }
            }
        }
    }
    let plane: Vec<f32> = lost.iter().map(|(sum, count)| (sum / count) as f32).collect();
    Ok(Tensor::new([channels, height, width], plane.repeat(channels))?)
}

fn rows(top: usize, side: usize, height: usize) -> std::ops::Range<usize> {
    top..height.min(top + side)
}

fn check(window: Window, height: usize, width: usize) -> Result<(), LookError> {
    let refuse = |what, given, wanted| Err(LookError::Option { what, given, wanted });
    if window.side == 0 || window.side > height.min(width) {
        return refuse("the window's side", window.side, "from 1 to the picture's shorter side");
    }
    if window.stride == 0 || window.stride > window.side {
        return refuse(
            "the window's stride",
            window.stride,
            "from 1 to its side, so that no pixel is left out",
        );
    }
    Ok(())
}
