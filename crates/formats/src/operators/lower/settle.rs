//! Values made to lie as a layer wants them.

use std::rc::Rc;

use regraft_net::op::{Activation, Pad, Window};
use regraft_net::{Op, Role};

use super::window::tensor;
use super::{Live, Lower, Lowered, Value, wanted};
use crate::operators::build::Name;
use crate::operators::curve::{Binary, Curve};
use crate::operators::layout::{Atom, Layout, walk};

impl<'a> Lower<'_, 'a, '_> {
    /// A value as numbers in the output of a layer.
    pub(super) fn live(&mut self, value: Value<'a>) -> Lowered<Live> {
        match value {
            Value::Live(live) => Ok(live),
            Value::Tokens(tokens) => self.tokens(&tokens),
            Value::Const(_) => Err(wanted("a value that depends on the picture")),
            Value::Scores(_) => {
                Err(wanted("products of queries and keys to be scaled, then softmax, then values"))
            }
            Value::Stat(_) => Err(wanted("means over the channels as parts of a layer norm only")),
            Value::Unknown => Err(wanted("a value that is understood")),
        }
    }

    /// The same with nothing left to compute, whole: in the output of a layer that is all of it.
    pub(super) fn solid(&mut self, value: &Value<'a>) -> Lowered<Live> {
        let live = self.live(value.clone())?;
        let live = self.plain(&live)?;
        self.whole(&live)
    }

    /// A name for a layer that helps the node in hand.
    pub(super) fn helper(&self, what: &str) -> Name {
        let name = self.name(None);
        if self.ours && matches!(&*self.here().op, "Slice" | "Gather" | "Reshape" | "Flatten") {
            return name;
        }
        Name { text: format!("{}.{what}", name.text), own: false }
    }

    /// A layer of one input that works number by number; the layout stays.
    pub(super) fn pointwise(&mut self, live: &Live, name: Name, op: Op) -> Lowered<Live> {
        let layer = self.push(name, op, &[live.layer], vec![])?;
        Ok(Live::of(layer, live.layout.clone()))
    }

    /// What is made by `make` of a layer, once.
    pub(super) fn once(
        &mut self,
        layer: usize,
        key: String,
        make: impl FnOnce(&mut Self) -> Lowered<Live>,
    ) -> Lowered<Live> {
        if let Some(made) = self.made.get(&(layer, key.clone())) {
            return Ok(made.clone());
        }
        let made = make(self)?;
        self.made.insert((layer, key), made.clone());
        Ok(made)
    }

    /// The same with nothing left to compute.
    pub(super) fn plain(&mut self, live: &Live) -> Lowered<Live> {
        if live.curve.is_x() {
            return Ok(live.clone());
        }
        let live = self.whole(live)?;
        let curve = Rc::clone(&live.curve);
        let x = Live { curve: Rc::new(Curve::X), ..live };
        self.curved(&x, &curve)
    }

    /// A function of a plain value, as one layer or as several.
    fn curved(&mut self, x: &Live, curve: &Rc<Curve>) -> Lowered<Live> {
        if curve.is_x() {
            return Ok(x.clone());
        }
        // In a file of ours two layers that compute the same are two.
        let which = if self.ours { x.by } else { 0 };
        let key = format!("{which} {curve:?}");
        let made = self.once(x.layer, key, |lower| lower.curve_layers(x, curve))?;
        Ok(Live { layout: x.layout.clone(), ..made })
    }

    fn curve_layers(&mut self, x: &Live, curve: &Rc<Curve>) -> Lowered<Live> {
        if let Some(op) = curve.layer() {
            let name = self.name_at(x.by);
            return self.pointwise(x, name, op);
        }
        if let Some(line) = curve.line() {
            return self.line(x, line);
        }
        let (inner, line) = curve.peeled();
        if inner != *curve {
            let inner = self.curved(x, &inner)?;
            return self.line(&inner, line);
        }
        if let Some([min, max]) = curve.limits() {
            let op = Op::Activate(Activation::Clip { min: min as f32, max: max as f32 });
            let name = self.name(None);
            return self.pointwise(x, name, op);
        }
        match &**curve {
            Curve::Unary(f, a) if !a.is_x() => {
                let inner = self.curved(x, a)?;
                self.curved(&inner, &Rc::new(Curve::Unary(*f, Rc::new(Curve::X))))
            }
            Curve::Binary(Binary::Pow, a, b) if matches!(**b, Curve::Constant(2.0)) => {
                // A square is a product with itself.
                let a = self.curved(x, a)?;
                let name = self.name_at(x.by);
                let layer = self.push(name, Op::Mul, &[a.layer, a.layer], vec![])?;
                Ok(Live { layer, ..x.clone() })
            }
            Curve::Binary(f, a, b) if matches!(**b, Curve::Constant(_)) && !a.is_x() => {
                let inner = self.curved(x, a)?;
                let outer = Curve::Binary(*f, Rc::new(Curve::X), Rc::clone(b));
                self.curved(&inner, &Rc::new(outer))
            }
            Curve::Binary(f, a, b) if matches!(**a, Curve::Constant(_)) && !b.is_x() => {
                let inner = self.curved(x, b)?;
                let outer = Curve::Binary(*f, Rc::clone(a), Rc::new(Curve::X));
                self.curved(&inner, &Rc::new(outer))
            }
            Curve::Binary(f @ (Binary::Add | Binary::Mul), a, b)
                if !matches!((&**a, &**b), (Curve::Constant(_), _) | (_, Curve::Constant(_))) =>
            {
                let (left, right) = (self.curved(x, a)?, self.curved(x, b)?);
                let op = if *f == Binary::Add { Op::Add } else { Op::Mul };
                let name = self.name_at(x.by);
                let layer = self.push(name, op, &[left.layer, right.layer], vec![])?;
                Ok(Live { layer, ..x.clone() })
            }
            Curve::X | Curve::Constant(_) | Curve::Unary(..) | Curve::Binary(..) => Err(wanted(
                "an activation that there is a layer for: relu, sigmoid, hard sigmoid, hard swish, \
                 silu, gelu, tanh, leaky relu",
            )),
        }
    }

    /// A factor and an offset for all.
    fn line(&mut self, x: &Live, [factor, offset]: [f64; 2]) -> Lowered<Live> {
        let c = self.shape(x.layer)[0];
        self.store.budget.numbers(4 * c, "layers")?;
        let (scale, shift) = (vec![factor as f32; c], vec![offset as f32; c]);
        let name = self.name_at(x.by);
        self.pointwise(x, name, Op::Affine { scale, shift })
    }

    /// The same in the output of a layer that is all of it: parts are cut out.
    pub(super) fn whole(&mut self, live: &Live) -> Lowered<Live> {
        if live.layout.covers(self.shape(live.layer)) {
            return Ok(live.clone());
        }
        let curve = Rc::clone(&live.curve);
        let which = if self.ours { self.node } else { 0 };
        let key = format!("{which} {:?}", live.layout);
        let made = self.once(live.layer, key, |l| l.cut_out(live))?;
        Ok(Live { curve, ..made })
    }

    fn cut_out(&mut self, live: &Live) -> Lowered<Live> {
        let mut live = Live { curve: Rc::new(Curve::X), ..live.clone() };
        if Run::of(&live.layout, 0).is_none() {
            live = self.some_channels(&live)?;
        }
        if Run::of(&live.layout, 1).is_none()
            && let Some(rows) = self.as_rows(&live)?
        {
            live = rows;
        }
        let shape = self.shape(live.layer).to_vec();
        let runs: Vec<Run> = (0..shape.len())
            .map(|dim| Run::of(&live.layout, dim))
            .collect::<Option<_>>()
            .ok_or_else(|| wanted("parts that lie evenly apart"))?;
        if let (&[_, _, 1], [_, run, _]) = (&shape[..], &runs[..])
            && run.count == 1
            && shape[1] > 1
        {
            let name = self.helper("token");
            live.layer = self.push(name, Op::Token { index: run.start }, &[live.layer], vec![])?;
            live.layout.offset[1] = 0;
            return self.whole(&live);
        }
        if let [_, rows, columns] = &runs[..] {
            self.cut_map(&mut live, [rows, columns])?;
        }
        let (run, all) = (&runs[0], self.shape(live.layer)[0]);
        if run.count < all {
            if run.step != 1 {
                return Err(wanted("channels that lie together"));
            }
            let name = self.helper("slice");
            let op = Op::Slice { from: run.start, to: run.start + run.count };
            live.layer = self.push(name, op, &[live.layer], vec![])?;
            live.layout.offset[0] = 0;
        }
        if !live.layout.covers(self.shape(live.layer)) {
            return Err(wanted("parts that lie evenly apart"));
        }
        Ok(live)
    }

    /// Channels that lie in several runs, one run behind the other: a matrix of ones and zeros.
    fn some_channels(&mut self, live: &Live) -> Lowered<Live> {
        let of = |a: &&Atom| a.dim == 0;
        let mut atoms: Vec<Atom> = live.layout.atoms().filter(of).copied().collect();
        atoms.sort_by_key(|a| std::cmp::Reverse(a.stride));
        let c = self.shape(live.layer)[0];
        let count = atoms.iter().fold(1usize, |n, a| n.saturating_mul(a.size));
        if count > c {
            return Err(wanted("channels each once"));
        }
        self.room(c.saturating_mul(count), 1)?;
        let mut values = vec![0.0; c * count];
        for (row, at) in walk(&atoms, |_| Some(1)).into_iter().enumerate() {
            values[row * c + at + live.layout.offset[0]] = 1.0;
        }
        let mut layout = live.layout.clone();
        layout.offset[0] = 0;
        let mut inner = count;
        for atom in &atoms {
            inner /= atom.size;
            let same = |a: &&mut Atom| a.dim == 0 && a.stride == atom.stride && a.size == atom.size;
            if let Some(own) = layout.axes.iter_mut().flatten().find(same) {
                // Marked until all are found: no two have one step.
                *own = Atom { dim: 3, stride: inner, ..*own };
            }
        }
        for atom in layout.axes.iter_mut().flatten().filter(|a| a.dim == 3) {
            atom.dim = 0;
        }
        let name = self.helper("channels");
        let params = vec![tensor(Role::Weight, [count, c], values)?];
        let op = Op::Linear { out: count, bias: false };
        let layer = self.push(name, op, &[live.layer], params)?;
        Ok(Live::of(layer, Layout::new(layout.axes.clone()).with_offset(layout.offset)))
    }

    /// The layer that a crop reads, and the border put around it before: in a file of ours both may be
    /// one layer, of which the border is called `LAYER/pad`.
    fn bordered(&self, layer: usize) -> (usize, Pad) {
        let draft = self.drafts.at(layer);
        if let Op::Pad { pad, crop } = draft.op
            && crop == Pad::all(0)
            && self.ours
            && draft.name.text.strip_suffix("/pad") == Some(&*self.name(None).text)
        {
            return (draft.inputs[0], pad);
        }
        (layer, Pad::all(0))
    }

    /// Rows and columns cut out of a map.
    fn cut_map(&mut self, live: &mut Live, runs: [&Run; 2]) -> Lowered<()> {
        let [_, h, w] = self.shape(live.layer) else { return Ok(()) };
        let sizes = [*h, *w];
        let after = |i: usize| sizes[i].saturating_sub(runs[i].end());
        let crop =
            Pad { top: runs[0].start, left: runs[1].start, bottom: after(0), right: after(1) };
        if crop != Pad::all(0) {
            let (from, pad) = self.bordered(live.layer);
            let name = self.helper("crop");
            live.layer = self.push(name, Op::Pad { pad, crop }, &[from], vec![])?;
            live.layout.offset[1..].fill(0);
        }
        let stride = [runs[0].step, runs[1].step];
        if stride != [1, 1] {
            let window = Window { stride, ..Window::new(1, 1, 0) };
            let name = self.helper("skip");
            live.layer = self.push(name, Op::MaxPool(window), &[live.layer], vec![])?;
            for atom in live.layout.axes.iter_mut().flatten().filter(|a| a.dim > 0) {
                atom.stride /= stride[atom.dim - 1];
            }
        }
        Ok(())
    }

    /// The same with the channels of an axis in the order of the layer: shuffled where they are two
    /// runs in turn.
    pub(super) fn ordered(&mut self, live: &Live, axis: usize) -> Lowered<Live> {
        let live = self.whole(live)?;
        let all = self.shape(live.layer)[0];
        let Some(atoms) = live.layout.axes.get(axis) else {
            return Err(wanted(format!("at least {} axes", axis + 1)));
        };
        if *atoms == Layout::whole(0, all) {
            return Ok(live);
        }
        let [outer, inner] = atoms[..] else { return self.with_channels(&live, &[axis]) };
        let turned = outer.dim == 0
            && inner.dim == 0
            && outer.stride == 1
            && inner.stride == outer.size
            && outer.size * inner.size == all;
        if !turned {
            return self.with_channels(&live, &[axis]);
        }
        let key = format!("shuffle {}", inner.size);
        let made = self.once(live.layer, key, |lower| {
            let plain = lower.plain(&live)?;
            let (name, op) = (lower.helper("shuffle"), Op::Shuffle { groups: inner.size });
            let layer = lower.push(name, op, &[plain.layer], vec![])?;
            Ok(Live { layer, ..plain })
        })?;
        let mut layout = live.layout.clone();
        layout.axes[axis] = Layout::whole(0, all);
        Ok(Live { layout, ..made })
    }

    /// A map `[1, C, H, W]`, or a vector as `[1, C, 1, 1]`.
    pub(super) fn map(&mut self, value: &Value<'a>) -> Lowered<Live> {
        let live = self.solid(value)?;
        if live.layout.axes.len() != 4 {
            return Err(wanted("a map of 4 axes: batch, channels, rows, columns"));
        }
        let live = self.ordered(&live, 1)?;
        let natural = match self.shape(live.layer) {
            [_, h, w] => [Layout::whole(1, *h), Layout::whole(2, *w)],
            _ => [vec![], vec![]],
        };
        if live.layout.axes[2..] == natural {
            return Ok(live);
        }
        if !live.layout.axes[0].is_empty() {
            return Err(wanted("a map with its axes in the order batch, channels, rows, columns"));
        }
        self.laid(&live, [&[1], &[2], &[3]])
    }

    /// The same as a vector; its layout must be one axis in the order of the layer, or any order that
    /// the caller makes good.
    pub(super) fn flat(&mut self, live: &Live) -> Lowered<Live> {
        let live = self.plain(live)?;
        let live = self.whole(&live)?;
        let shape = self.shape(live.layer).to_vec();
        let &[_, h, w] = &shape[..] else { return Ok(live) };
        let made = self.once(live.layer, "flatten".to_owned(), |lower| {
            let name = lower.name(None);
            let name = if lower.here().op == "Flatten" { name } else { lower.helper("flatten") };
            lower.pointwise(&live, name, Op::Flatten)
        })?;
        let mut layout = live.layout.clone();
        let weights = [h * w, w, 1];
        for atom in layout.axes.iter_mut().flatten() {
            *atom = Atom { dim: 0, stride: atom.stride * weights[atom.dim], ..*atom };
        }
        let mut layout = Layout::new(layout.axes);
        layout.offset = [0; 3];
        Ok(Live::of(made.layer, layout))
    }
}

/// A run of steps along a dimension.
struct Run {
    start: usize,
    count: usize,
    step: usize,
}

impl Run {
    /// The steps that a layout takes along a dimension; `None` when they are not evenly apart.
    fn of(layout: &Layout, dim: usize) -> Option<Self> {
        let mut atoms: Vec<Atom> = layout.atoms().filter(|a| a.dim == dim).copied().collect();
        atoms.sort_by_key(|a| a.stride);
        let step = atoms.first().map_or(1, |a| a.stride);
        let mut count = 1;
        for atom in atoms {
            if atom.stride != step * count {
                return None;
            }
            count *= atom.size;
        }
        Some(Self { start: layout.offset[dim], count, step })
    }

    /// The index behind the last step.
    fn end(&self) -> usize {
        self.start + (self.count - 1) * self.step + 1
    }
}
