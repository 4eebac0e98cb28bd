//! Layers of transformers as ONNX operators, on sequences `[N, T, D]`.

use regraft_net::Layer;
use regraft_net::op::Rearrange;

use super::layers::{Export, Lay, Written};
use super::proto::Attr;
use crate::FormatError;

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
    pub(super) fn attention(
        &mut self,
        layer: &Layer,
        heads: usize,
        position: Option<&str>,
        out: &str,
    ) {
        let shape = self.shape(layer.inputs[0]);
        let (d, t) = (shape[0] / 3, shape[1]);
        let x = self.take(layer.inputs[0], Lay::Sequence);
        let size = d / heads.max(1);
        let dims = self.graph.ints(&[0, t as i64, 3, heads as i64, size as i64]);
        let parts = self.inner("Reshape", &[&x, &dims], out, "parts", &[]);
        let perm = [("perm", Attr::Ints(&[2, 0, 3, 1, 4]))];
        let parts = self.inner("Transpose", &[&parts], out, "heads", &perm);
        let mixed = self.mixed(&parts, size, &[0, 1, 3, 2], position, out);
        let perm = [("perm", Attr::Ints(&[0, 2, 1, 3]))];
        let mixed = self.inner("Transpose", &[&mixed], out, "tokens", &perm);
        let dims = self.graph.ints(&[0, t as i64, d as i64]);
        self.graph.named(&format!("{out}/flat"), "Reshape", &[&mixed, &dims], out, &[]);
    }

    /// Values mixed by the shares of queries and keys, from `parts` with queries, keys and values along its
    /// first axis; `turn` puts the last axes of keys the other way round. The work is done here, by a node
    /// that is called like the layer.
    fn mixed(
        &mut self,
        parts: &str,
        size: usize,
        turn: &[i64],
        position: Option<&str>,
        out: &str,
    ) -> String {
        let [q, k, v] = [("q", 0), ("k", 1), ("v", 2)].map(|(step, which)| {
            let index = self.graph.int(which);
            self.inner("Gather", &[parts, &index], out, step, &[("axis", Attr::Int(0))])
        });
        let factor = self.graph.float(1.0 / (size as f32).sqrt());
        let q = self.inner("Mul", &[&q, &factor], out, "scaled", &[]);
        let perm = [("perm", Attr::Ints(turn))];
        let k = self.inner("Transpose", &[&k], out, "keys", &perm);
        let mut scores = self.inner("MatMul", &[&q, &k], out, "scores", &[]);
        if let Some(position) = position {
            scores = self.inner("Add", &[&scores, position], out, "placed", &[]);
        }
        let shares = self.inner("Softmax", &[&scores], out, "shares", &[("axis", Attr::Int(-1))]);
        let mixed = self.graph.fresh(&format!("{out}/mixed"));
        self.graph.named(out, "MatMul", &[&shares, &v], &mixed, &[]);
        mixed
    }

    /// What is added to the products: `[heads, T, T]`, or `[W, heads, T, T]`.
    pub(super) fn biases(
        &mut self,
        layer: &Layer,
        heads: usize,
        biases: usize,
    ) -> Result<String, FormatError> {
        let t = self.shape(layer.inputs[0])[1];
        let columns = biases / heads.max(1);
        let dims = if columns == 1 { vec![heads, t, t] } else { vec![columns, heads, t, t] };
        self.param(layer, "position", Some(&dims))
    }

    /// `softmax(q kᵀ / √d) v` for each head of each column of a map.
    pub(super) fn attention_of_columns(
        &mut self,
        layer: &Layer,
        heads: usize,
        position: Option<&str>,
        out: &str,
    ) {
        let shape = self.shape(layer.inputs[0]);
        let [all, t, w] = [shape[0], shape[1], shape[2]].map(|n| n as i64);
        let (d, heads) = (all / 3, heads as i64);
        let x = self.take(layer.inputs[0], Lay::Map);
        let size = d / heads.max(1);
        let dims = self.graph.ints(&[0, 3, heads, size, t, w]);
        let parts = self.inner("Reshape", &[&x, &dims], out, "parts", &[]);
        let perm = [("perm", Attr::Ints(&[1, 0, 5, 2, 4, 3]))];
        let parts = self.inner("Transpose", &[&parts], out, "heads", &perm);
        let mixed = self.mixed(&parts, size as usize, &[0, 1, 2, 4, 3], position, out);
        let perm = [("perm", Attr::Ints(&[0, 2, 4, 3, 1]))];
        let mixed = self.inner("Transpose", &[&mixed], out, "columns", &perm);
        let dims = self.graph.ints(&[0, d, t, w]);
        self.graph.named(&format!("{out}/flat"), "Reshape", &[&mixed, &dims], out, &[]);
    }

    /// Values in other places: seen with other extents, axes turned about, seen with others again.
    pub(super) fn rearrange(&mut self, layer: &Layer, how: &Rearrange, out: &str) {
        let own = self.lays[&layer.inputs[0]];
        let x = self.take(layer.inputs[0], if own == Lay::Vector { own } else { Lay::Map });
        let dims = |shape: &[usize]| -> Vec<i64> {
            std::iter::once(0).chain(shape.iter().map(|n| *n as i64)).collect()
        };
        let view = self.graph.ints(&dims(&how.view));
        let view = self.inner("Reshape", &[&x, &view], out, "view", &[]);
        let perm: Vec<i64> = dims(&how.order.iter().map(|i| i + 1).collect::<Vec<_>>());
        let perm = [("perm", Attr::Ints(&perm))];
        let turned = self.inner("Transpose", &[&view], out, "order", &perm);
        let to = self.graph.ints(&dims(&how.to));
        self.graph.node("Reshape", &[&turned, &to], out, &[]);
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
