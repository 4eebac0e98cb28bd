//! Constants times matrices, as queries that do not depend on the picture, and normed, as weights that are
//! standardised (Qiao et al. 2019, equation 7).

use super::{Fold, Trouble, wanted};
use crate::operators::consts::Const;

impl<'a> Fold<'_, 'a, '_, '_> {
    /// `MatMul` with a matrix on the right, and `Gemm`.
    pub(super) fn product(&mut self) -> Result<Const<'a>, Trouble> {
        let (x, y) = (self.input(0)?.clone(), self.input(1)?.clone());
        let turned = self.node.int("transB").unwrap_or(0) != 0;
        let (&[a, b], Some((&k, outer))) = (&y.dims[..], x.dims.split_last()) else {
            return Err(wanted("a matrix of 2 axes on the right"));
        };
        let n = if turned { a } else { b };
        if (if turned { b } else { a }) != k || self.node.int("transA").unwrap_or(0) != 0 {
            return Err(wanted("a last axis as long as the matrix is high"));
        }
        let dims = [outer, &[n]].concat();
        let len = self.room(&dims, 1)?;
        self.store.budget.steps(len.saturating_mul(k), "constants")?;
        let (x, y) = (x.floats(self.store)?, y.floats(self.store)?);
        let (down, across) = if turned { (1, k) } else { (n, 1) };
        let alpha = f64::from(self.node.float("alpha").unwrap_or(1.0));
        let mut values = Vec::with_capacity(len);
        for i in 0..len {
            let row = &x[i / n * k..][..k];
            let terms = row
                .iter()
                .enumerate()
                .map(|(j, x)| f64::from(*x) * f64::from(y[j * down + i % n * across]));
            values.push(alpha * terms.sum::<f64>());
        }
        if let Some(bias) = self.maybe(2).cloned() {
            let beta = f64::from(self.node.float("beta").unwrap_or(1.0));
            let bias = bias.floats(self.store)?;
            if bias.len() != n && bias.len() != 1 {
                return Err(wanted(format!("a bias of {n}")));
            }
            for (i, v) in values.iter_mut().enumerate() {
                *v += beta * f64::from(bias[i % n % bias.len()]);
            }
        }
        Ok(Const::floats_of(dims, values.into_iter().map(|v| v as f32).collect()))
    }

    /// `BatchNormalization` of constants: by their own means and variances, or by those given.
    pub(super) fn norm(&mut self) -> Result<Const<'a>, Trouble> {
        let x = self.input(0)?.clone();
        let &[n, c, ref rest @ ..] = &x.dims[..] else {
            return Err(wanted("at least two axes"));
        };
        let inner: usize = rest.iter().product();
        self.room(&x.dims, 1)?;
        self.room(&[c], 2)?;
        let mut given = Vec::with_capacity(4);
        for i in 1..5 {
            let values = self.input(i)?.clone().floats(self.store)?;
            if values.len() != c {
                return Err(wanted(format!("{c} numbers of each kind, one for each channel")));
            }
            given.push(values);
        }
        let eps = f64::from(self.node.float("epsilon").unwrap_or(1e-5));
        let own = self.node.int("training_mode").unwrap_or(0) != 0;
        let count = n.saturating_mul(inner);
        if own && count == 0 {
            return Err(wanted("at least one number for each channel"));
        }
        let mut values = x.clone().into_floats(self.store)?;
        for channel in 0..c {
            let places = (0..n).flat_map(|i| {
                let start = (i * c + channel) * inner;
                start..start + inner
            });
            let mut mean = f64::from(given[2][channel]);
            let mut var = f64::from(given[3][channel]);
            if own {
                let all = || places.clone().map(|at| f64::from(values[at]));
                mean = all().sum::<f64>() / count as f64;
                var = all().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
            }
            let factor = f64::from(given[0][channel]) / (var + eps).sqrt();
            let offset = f64::from(given[1][channel]);
            for at in places {
                values[at] = ((f64::from(values[at]) - mean) * factor + offset) as f32;
            }
        }
        Ok(Const::floats_of(x.dims.clone(), values).from(&x))
    }
}
