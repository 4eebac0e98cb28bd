//! Vision transformers (Dosovitskiy et al. 2020, table 1; `DeiT`, Touvron et al. 2020; `DINOv2`, Oquab
//! et al. 2023), in torchvision's and timm's names.

use regraft_net::op::{Activation, Conv2d};
use regraft_net::{NetError, Op};

use super::Naming;
use super::build::{Build, Made, Padding};

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Height and width of a patch in pixels.
    pub(super) patch: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
    /// Whether branches are scaled, and there is no head (`DINOv2`).
    pub(super) scaled: bool,
}

const fn linear(out: usize) -> Op {
    Op::Linear { out, bias: true }
}

/// Names of a block's layers.
struct Names {
    /// Norm, queries with keys and values, attention, projection.
    mix: [String; 4],
    /// Norm, matrix, curve, matrix.
    change: [String; 4],
}

fn names(timm: bool, path: &str) -> Names {
    let (mix, change) = if timm {
        (["norm1", "attn.qkv", "attn", "attn.proj"], ["norm2", "mlp.fc1", "mlp.act", "mlp.fc2"])
    } else {
        let all = "self_attention";
        let [qkv, proj] = ["in_proj", "out_proj"].map(|word| format!("{path}.{all}.{word}"));
        let mix = [format!("{path}.ln_1"), qkv, format!("{path}.{all}"), proj];
        let change = ["ln_2", "mlp.0", "mlp.1", "mlp.3"].map(|word| format!("{path}.{word}"));
        return Names { mix, change };
    };
    Names {
        mix: mix.map(|word| format!("{path}.{word}")),
        change: change.map(|word| format!("{path}.{word}")),
    }
}

pub(super) fn made(naming: Naming, size: usize, plan: &Plan) -> Result<Made, NetError> {
    let timm = naming.is_timm();
    // Not in the weights; those of transformers were trained with the other but are used with this.
    let eps = if naming == Naming::Transformers && !plan.scaled { 1e-12 } else { 1e-6 };
    let layer_norm = || Op::LayerNorm { eps };
    let mut b = Build::new(size, Padding::Symmetric, 1e-6)?;
    let (patches, blocks, norm) = if timm {
        ("patch_embed.proj", "blocks.", "norm")
    } else {
        ("conv_proj", "encoder.layers.encoder_layer_", "encoder.ln")
    };
    let width = plan.width;
    b.push(patches, Op::Conv2d(Conv2d::new(width, plan.patch).stride(plan.patch).bias()))?;
    b.push("tokens", Op::Tokens { first: 1 })?;
    b.mark();
    for i in 0..plan.depth {
        let path = format!("{blocks}{i}");
        let Names { mix, change } = names(timm, &path);
        let from = b.at();
        b.push(&mix[0], layer_norm())?;
        b.push(&mix[1], linear(3 * width))?;
        b.push(&mix[2], Op::Attention { heads: plan.heads, biases: 0, talking: false })?;
        b.push(&mix[3], linear(width))?;
        if plan.scaled {
            b.push(&format!("{path}.ls1"), Op::Scale { bias: false })?;
        }
        b.add(&format!("{path}.mixed"), from)?;
        let from = b.at();
        b.push(&change[0], layer_norm())?;
        b.push(&change[1], linear(4 * width))?;
        b.push(&change[2], Op::Activate(Activation::Gelu))?;
        b.push(&change[3], linear(width))?;
        if plan.scaled {
            b.push(&format!("{path}.ls2"), Op::Scale { bias: false })?;
        }
        b.add(&path, from)?;
        b.mark();
    }
    b.push(norm, layer_norm())?;
    b.push("class", Op::Token { index: 0 })?;
    if !plan.scaled {
        b.push(if timm { "head" } else { "heads.head" }, linear(1000))?;
    }
    Ok(b.made())
}
