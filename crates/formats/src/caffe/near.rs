//! Layers of Caffe that are several here: norms over neighbours, the largest of several blobs.

use regraft_net::op::{Conv2d, Pad, Rearrange, Window};
use regraft_net::{LayerId, Op};
use regraft_tensor::Shape;

use super::build::Builder;
use super::net::Def;
use super::ops::MOST_CONSTANTS;
use super::weights::{Place, Take};
use crate::FormatError;

impl Builder<'_, '_> {
    /// Over neighbouring channels, or over neighbouring pixels of each channel: those are then channels,
    /// `size²` for each, of which the middle one is kept.
    pub(super) fn lrn(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("lrn_param")?;
        let size = p.count("local_size")?.unwrap_or(5);
        let alpha = p.float("alpha")?.unwrap_or(1.0);
        let beta = p.float("beta")?.unwrap_or(0.75);
        let k = p.float("k")?.unwrap_or(1.0);
        if matches!(p.text("norm_region")?.as_deref(), None | Some("ACROSS_CHANNELS" | "0")) {
            return self.push(def, &def.name, Op::Lrn { size, alpha, beta, k }, &[x]);
        }
        let &[c, _, _] = self.shape(x).dims() else {
            return Err(self.refused(def, "wants a map"));
        };
        // A place of 1 among its neighbours for each neighbour of each channel.
        let near = size.saturating_mul(size);
        let numbers = near.saturating_mul(near).saturating_mul(c);
        if size % 2 == 0 || numbers > MOST_CONSTANTS {
            let why = format!(
                "normalises over {size} pixels within {c} channels; wanted an odd number, and at most \
                 {MOST_CONSTANTS} for its fourth power times the channels"
            );
            return Err(self.refused(def, why));
        }
        let own = |what: &str| format!("{}.{what}", def.name);
        let pad = Pad::all(size / 2);
        let conv = Conv2d::new(c.saturating_mul(near), size).pad(pad).groups(c);
        let spread = self.push(def, &own("near"), Op::Conv2d(conv), &[x])?;
        self.learn(def, spread, Take::One(Place::InTurn));
        // Caffe adds 1 here, whatever `k` is.
        let op = Op::Lrn { size: near, alpha, beta, k: 1.0 };
        let normed = self.push(def, &own("norm"), op, &[spread])?;
        let kept = Op::Conv2d(Conv2d::new(c, 1).groups(c));
        let kept = self.push(def, &def.name, kept, &[normed])?;
        self.learn(def, kept, Take::One(Place::Middle));
        let layer = self.graph.layer(spread).name.clone();
        self.notes
            .push(format!("`{layer}` puts neighbouring pixels side by side for `{}`", def.name));
        Ok(kept)
    }

    /// The largest of each value: all of them side by side as rows, the largest of each row.
    pub(super) fn most(
        &mut self,
        def: &Def<'_>,
        inputs: &[LayerId],
    ) -> Result<LayerId, FormatError> {
        let shape = self.shape(inputs[0]).clone();
        let (n, count) = (inputs.len(), shape.count());
        let own = |what: &str| format!("{}.{what}", def.name);
        let all = self.push(def, &own("all"), Op::Concat, inputs)?;
        let first = shape.first().copied().unwrap_or(1);
        let to = Shape::from([first, count / first.max(1), n]);
        let rows = Rearrange { view: vec![n, count], order: vec![1, 0], to };
        let rows = self.push(def, &own("rows"), Op::Rearrange(rows), &[all])?;
        let window = Window { size: [1, n], ..Window::new(1, 1, 0) };
        let most = self.push(def, &own("most"), Op::MaxPool(window), &[rows])?;
        let back = Rearrange { view: vec![count], order: vec![0], to: shape };
        self.push(def, &def.name, Op::Rearrange(back), &[most])
    }
}
