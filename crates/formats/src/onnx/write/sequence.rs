//! Layers of transformers as ONNX operators, on sequences `[N, T, D]`.

use regraft_net::Layer;

use super::layers::{Export, Lay, Written};
use super::proto::Attr;

impl Export<'_> {
    /// Pixels of a map as a sequence behind learned tokens, positions added.
    pub(super) fn tokens(&mut self, layer: &Layer, first: usize, out: &str) -> Written {
        let shape = self.shape(layer.inputs[0]);
        let (d, pixels) = (shape[0], shape[1..].iter().product::<usize>());
        let x = self.take(layer.inputs[0], Lay::Map);
        let dims = self.graph.ints(&[0, d as i64, pixels as i64]);
        let flat = self.inner("Reshape", &[&x, &dims], out, "pixels", &[]);
        let mut all = self.inner("Transpose", &[&flat], out, "patches", &[PIXELS_FIRST]);
        if first > 0 {
            let token = self.param(layer, "token", Some(&[1, first, d]))?;
            // One copy of the tokens for each picture of the batch.
            let head = [("start", Attr::Int(0)), ("end", Attr::Int(1))];
            let batch = self.inner("Shape", &[&x], out, "batch", &head);
            let rest = self.graph.ints(&[first as i64, d as i64]);
            let axis = [("axis", Attr::Int(0))];
            let copies = self.inner("Concat", &[&batch, &rest], out, "copies", &axis);
            let tokens = self.inner("Expand", &[&token, &copies], out, "tokens", &[]);
            let axis = [("axis", Attr::Int(1))];
            all = self.inner("Concat", &[&tokens, &all], out, "all", &axis);
        }
        let position = self.param(layer, "position", Some(&[1, first + pixels, d]))?;
        self.graph.node("Add", &[&all, &position], out, &[]);
        Ok(())
    }

    /// `softmax(q kᵀ / √d) v` for each head.
    pub(super) fn attention(&mut self, layer: &Layer, heads: usize, out: &str) {
        let shape = self.shape(layer.inputs[0]);
        let (d, t) = (shape[0] / 3, shape[1]);
        let x = self.take(layer.inputs[0], Lay::Sequence);
        let size = d / heads.max(1);
        let dims = self.graph.ints(&[0, t as i64, 3, heads as i64, size as i64]);
        let parts = self.inner("Reshape", &[&x, &dims], out, "parts", &[]);
        let perm = [("perm", Attr::Ints(&[2, 0, 3, 1, 4]))];
        let parts = self.inner("Transpose", &[&parts], out, "heads", &perm);
        let [q, k, v] = [("q", 0), ("k", 1), ("v", 2)].map(|(step, which)| {
            let index = self.graph.int(which);
            self.inner("Gather", &[&parts, &index], out, step, &[("axis", Attr::Int(0))])
        });
        let factor = self.graph.float(1.0 / (size as f32).sqrt());
        let q = self.inner("Mul", &[&q, &factor], out, "scaled", &[]);
        let perm = [("perm", Attr::Ints(&[0, 1, 3, 2]))];
        let k = self.inner("Transpose", &[&k], out, "keys", &perm);
        let scores = self.inner("MatMul", &[&q, &k], out, "scores", &[]);
        let shares = self.inner("Softmax", &[&scores], out, "shares", &[("axis", Attr::Int(-1))]);
        // The work is done here, by a node that is called like the layer.
        let mixed = self.graph.fresh(&format!("{out}/mixed"));
        self.graph.named(out, "MatMul", &[&shares, &v], &mixed, &[]);
        let perm = [("perm", Attr::Ints(&[0, 2, 1, 3]))];
        let mixed = self.inner("Transpose", &[&mixed], out, "tokens", &perm);
        let dims = self.graph.ints(&[0, t as i64, d as i64]);
        self.graph.named(&format!("{out}/flat"), "Reshape", &[&mixed, &dims], out, &[]);
    }

    /// A norm over the channels; those of a map go last for it.
    pub(super) fn layer_norm(&mut self, layer: &Layer, eps: f32, lay: Lay, out: &str) -> Written {
        let x = self.take(layer.inputs[0], lay);
        let (weight, bias) = (self.param(layer, "weight", None)?, self.param(layer, "bias", None)?);
        let settings = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(eps))];
        match lay {
            Lay::Map => {
                let perm = [("perm", Attr::Ints(&[0, 2, 3, 1]))];
                let last = self.inner("Transpose", &[&x], out, "last", &perm);
                let inputs = [&*last, &weight, &bias];
                let norm = self.inner("LayerNormalization", &inputs, out, "norm", &settings);
                let perm = [("perm", Attr::Ints(&[0, 3, 1, 2]))];
                self.graph.node("Transpose", &[&norm], out, &perm);
            }
            Lay::Vector | Lay::Sequence => {
                let inputs = [&*x, &weight, &bias];
                self.graph.node("LayerNormalization", &inputs, out, &settings);
            }
        }
        Ok(())
    }

    /// `weight · x + bias`: a matrix on vectors and tokens, a 1 x 1 convolution on maps.
    pub(super) fn linear(&mut self, layer: &Layer, bias: bool, lay: Lay, out: &str) -> Written {
        let x = self.take(layer.inputs[0], lay);
        let shape = self.param_shape(layer, "weight")?;
        let dims: &[usize] = &[&shape[..], &[1, 1]].concat();
        let weight = self.param(layer, "weight", (lay == Lay::Map).then_some(dims))?;
        let bias = if bias { Some(self.param(layer, "bias", None)?) } else { None };
        let mut inputs: Vec<&str> = vec![&x, &weight];
        inputs.extend(bias.as_deref());
        match lay {
            Lay::Vector => self.graph.node("Gemm", &inputs, out, &[("transB", Attr::Int(1))]),
            Lay::Map => self.graph.node("Conv", &inputs, out, &[]),
            Lay::Sequence => {
                let perm = [("perm", Attr::Ints(&[1, 0]))];
                let matrix = self.inner("Transpose", &[&weight], out, "matrix", &perm);
                let Some(bias) = bias else {
                    self.graph.node("MatMul", &[&x, &matrix], out, &[]);
                    return Ok(());
                };
                let product = self.inner("MatMul", &[&x, &matrix], out, "product", &[]);
                self.graph.node("Add", &[&product, &bias], out, &[]);
            }
        }
        Ok(())
    }
}

/// From `[N, D, T]` to `[N, T, D]` or back.
pub(super) const PIXELS_FIRST: (&str, Attr<'static>) = ("perm", Attr::Ints(&[0, 2, 1]));
