//! Layers of transformers as ONNX operators, on sequences `[N, T, D]`.

use regraft_net::op::Rearrange;
use regraft_net::{Layer, LayerId, Op};

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

    /// `softmax(q kᵀ / √d) v` for each head, of each column of a map where `lay` says so.
    pub(super) fn attention(&mut self, id: LayerId, layer: &Layer, lay: Lay, out: &str) -> Written {
        let Op::Attention { heads, biases, talking } = layer.op else { return Ok(()) };
        let parts = if let [input] = layer.inputs[..] {
            self.thirds(input, heads as i64, lay, out)
        } else {
            [0, 1, 2].map(|i| self.part(layer.inputs[i], i, heads as i64, (lay, out)))
        };
        let asks = self.shape(layer.inputs[0])[0];
        let width = if layer.inputs.len() == 1 { asks / 3 } else { asks } / heads.max(1);
        let position =
            if biases > 0 { Some(self.biases(id, layer, [heads, biases])?) } else { None };
        let mixed = self.mixed(layer, parts, width, (position, talking && lay == Lay::Map), out)?;
        let dims: Vec<i64> = self.shape(id).iter().map(|n| *n as i64).collect();
        let (perm, dims): (&[i64], Vec<i64>) = match (lay, &dims[..]) {
            (Lay::Map, _) => (&[0, 2, 4, 3, 1], [&[0], &dims[..]].concat()),
            (Lay::Sequence | Lay::Vector, [d, t, ..]) => (&[0, 2, 1, 3], vec![0, *t, *d]),
            (Lay::Sequence | Lay::Vector, _) => (&[0, 2, 1, 3], [&[0], &dims[..]].concat()),
        };
        let perm = [("perm", Attr::Ints(perm))];
        let step = if lay == Lay::Map { "columns" } else { "tokens" };
        let mixed = self.inner("Transpose", &[&mixed], out, step, &perm);
        let dims = self.graph.ints(&dims);
        self.graph.named(&format!("{out}/flat"), "Reshape", &[&mixed, &dims], out, &[]);
        Ok(())
    }

    /// Queries and values `[N, heads, T, d]`, keys `[N, heads, d, T]`, of one value; with an axis for the
    /// columns behind the first where they are of a map.
    fn thirds(&mut self, input: LayerId, heads: i64, lay: Lay, out: &str) -> [String; 3] {
        let shape = self.shape(input);
        let x = self.take(input, lay);
        let [all, t] = [shape[0], shape[1]].map(|n| n as i64);
        let size = all / 3 / heads.max(1);
        let (dims, perm, turn): (_, &[i64], &[i64]) = if lay == Lay::Map {
            let w = shape[2] as i64;
            (vec![0, 3, heads, size, t, w], &[1, 0, 5, 2, 4, 3], &[0, 1, 2, 4, 3])
        } else {
            (vec![0, t, 3, heads, size], &[2, 0, 3, 1, 4], &[0, 1, 3, 2])
        };
        let dims = self.graph.ints(&dims);
        let parts = self.inner("Reshape", &[&x, &dims], out, "parts", &[]);
        let perm = [("perm", Attr::Ints(perm))];
        let parts = self.inner("Transpose", &[&parts], out, "heads", &perm);
        let [q, k, v] = [("q", 0), ("k", 1), ("v", 2)].map(|(step, which)| {
            let index = self.graph.int(which);
            self.inner("Gather", &[&parts, &index], out, step, &[("axis", Attr::Int(0))])
        });
        let perm = [("perm", Attr::Ints(turn))];
        [q, self.inner("Transpose", &[&k], out, "keys", &perm), v]
    }

    /// Queries (0), keys (1) or values (2) as [`Self::thirds`] has them, of a value of their own.
    fn part(
        &mut self,
        input: LayerId,
        which: usize,
        heads: i64,
        (lay, out): (Lay, &str),
    ) -> String {
        let shape: Vec<i64> = self.shape(input).iter().map(|n| *n as i64).collect();
        let vector = shape.len() == 1;
        // Keys and values of one token that asks lie as sequences.
        let lay = match lay {
            Lay::Vector if !vector && shape[2] == 1 => Lay::Sequence,
            Lay::Map | Lay::Sequence | Lay::Vector => lay,
        };
        let x = self.take(input, lay);
        let step = ["q", "k", "v"][which];
        let size = shape[0] / heads.max(1);
        let tokens = if vector { 1 } else { shape[1] };
        let (dims, perm): (_, &[i64]) = match (lay, which) {
            (Lay::Map, 1) => (vec![0, heads, size, tokens, shape[2]], &[0, 4, 1, 2, 3]),
            (Lay::Map, _) => (vec![0, heads, size, tokens, shape[2]], &[0, 4, 1, 3, 2]),
            (Lay::Sequence | Lay::Vector, 1) => (vec![0, tokens, heads, size], &[0, 2, 3, 1]),
            (Lay::Sequence | Lay::Vector, _) => (vec![0, tokens, heads, size], &[0, 2, 1, 3]),
        };
        let dims = self.graph.ints(&dims);
        let part = self.inner("Reshape", &[&x, &dims], out, &format!("{step}/heads"), &[]);
        self.inner("Transpose", &[&part], out, step, &[("perm", Attr::Ints(perm))])
    }

    /// Values mixed by the shares of queries and keys. The work is done here, by a node that is called
    /// like the layer.
    fn mixed(
        &mut self,
        layer: &Layer,
        [q, k, v]: [String; 3],
        width: usize,
        (position, columns): (Option<String>, bool),
        out: &str,
    ) -> Result<String, FormatError> {
        let talking = matches!(layer.op, Op::Attention { talking: true, .. });
        let factor = self.graph.float(1.0 / (width as f32).sqrt());
        let q = self.inner("Mul", &[&q, &factor], out, "scaled", &[]);
        let mut scores = self.inner("MatMul", &[&q, &k], out, "scores", &[]);
        if let Some(position) = position {
            scores = self.inner("Add", &[&scores, &position], out, "placed", &[]);
        }
        if talking {
            scores = self.talked(layer, "products", (&scores, columns), out)?;
        }
        let axis = [("axis", Attr::Int(-1))];
        let mut shares = self.inner("Softmax", &[&scores], out, "shares", &axis);
        if talking {
            shares = self.talked(layer, "shares", (&shares, columns), out)?;
        }
        let mixed = self.graph.fresh(&format!("{out}/mixed"));
        self.graph.named(out, "MatMul", &[&shares, &v], &mixed, &[]);
        Ok(mixed)
    }

    /// Heads mixed by a matrix: they go last for it.
    fn talked(
        &mut self,
        layer: &Layer,
        role: &str,
        (x, columns): (&str, bool),
        out: &str,
    ) -> Result<String, FormatError> {
        let heads = self.param_shape(layer, role)?[0] as i64;
        let all = self.param(layer, role, None)?;
        let axis = self.graph.ints(&[1]);
        let [zero, end, next] = [0, heads, heads + 1].map(|n| self.graph.ints(&[n]));
        let step = |what: &str| format!("{role}/{what}");
        let factors = self.inner("Slice", &[&all, &zero, &end, &axis], out, &step("factors"), &[]);
        let perm = [("perm", Attr::Ints(&[1, 0]))];
        let factors = self.inner("Transpose", &[&factors], out, &step("matrix"), &perm);
        let added = self.inner("Slice", &[&all, &end, &next, &axis], out, &step("offsets"), &[]);
        let added = self.inner("Squeeze", &[&added, &axis], out, &step("offset"), &[]);
        let (there, back): (&[i64], &[i64]) = if columns {
            (&[0, 1, 3, 4, 2], &[0, 1, 4, 2, 3])
        } else {
            (&[0, 2, 3, 1], &[0, 3, 1, 2])
        };
        let perm = [("perm", Attr::Ints(there))];
        let last = self.inner("Transpose", &[x], out, &step("last"), &perm);
        let product = self.inner("MatMul", &[&last, &factors], out, &step("product"), &[]);
        let sum = self.inner("Add", &[&product, &added], out, &step("sum"), &[]);
        Ok(self.inner("Transpose", &[&sum], out, &step("mixed"), &[("perm", Attr::Ints(back))]))
    }

    /// What is added to the products: `[heads, S, T]`, or `[W, heads, S, T]`.
    fn biases(
        &mut self,
        id: LayerId,
        layer: &Layer,
        [heads, biases]: [usize; 2],
    ) -> Result<String, FormatError> {
        let tokens = |shape: &[usize]| shape.get(1).copied().unwrap_or(1);
        let s = tokens(self.shape(id).dims());
        let t = tokens(self.shape(layer.inputs[layer.inputs.len() - 1]).dims());
        let columns = biases / heads.max(1);
        let dims = if columns == 1 { vec![heads, s, t] } else { vec![columns, heads, s, t] };
        self.param(layer, "position", Some(&dims))
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
