use crate::AdviseError;
use crate::scores::Outputs;

/// Log expected empirical prediction, in nats, at most 0 (Nguyen, Hassner, Seeger, Archambeau, LEEP,
/// ICML 2020, equations 1 and 2).
///
/// `P(y, z)` is the mean over images of the probability of source class `z`, split by label `y`;
/// `LEEP = 1/n Σ ln Σ_z P(y_i|z) θ(x_i)_z`. A source class that no image has any probability of takes
/// no part (the authors' program divides by 0).
pub fn leep(outputs: &Outputs<'_>) -> Result<f64, AdviseError> {
    let labels = outputs.labels.values();
    let sources = outputs.classes();
    let mut given = vec![0.0; outputs.labels.classes() * sources];
    outputs.table.every(|i, row| {
        let sums = &mut given[labels[i] * sources..][..sources];
        sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    })?;
    for z in 0..sources {
        let all: f64 = given.iter().skip(z).step_by(sources).sum();
        if all > 0.0 {
            given.iter_mut().skip(z).step_by(sources).for_each(|v| *v /= all);
        }
    }
    let mut total = 0.0;
    outputs.table.every(|i, row| {
        let given = &given[labels[i] * sources..][..sources];
        let whole: f64 = row.iter().sum();
        let expected: f64 = given.iter().zip(row).map(|(p, v)| p * v).sum();
        // The row's own share is in the table, so it is never 0. Rows of half precision do not add up
        // to 1.
        total += (expected / whole).min(1.0).ln();
    })?;
    Ok(total / outputs.rows() as f64)
}
