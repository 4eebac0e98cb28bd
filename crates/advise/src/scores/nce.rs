use crate::AdviseError;
use crate::scores::Outputs;

/// Negative conditional entropy `-H(Y|Z)`, in nats, at most 0, where `Z` is the source class that the
/// network says first (Tran, Nguyen, Hassner, Transferability and hardness of supervised
/// classification tasks, ICCV 2019).
pub fn nce(outputs: &Outputs<'_>) -> Result<f64, AdviseError> {
    let labels = outputs.labels.values();
    let (n, classes, sources) =
        (outputs.rows() as f64, outputs.labels.classes(), outputs.classes());
    let mut counts = vec![0_u32; classes * sources];
    outputs.table.every(|i, row| {
        let first = (1..sources).fold(0, |best, z| if row[z] > row[best] { z } else { best });
        counts[labels[i] * sources + first] += 1;
    })?;
    let mut total = 0.0;
    for z in 0..sources {
        let column = || counts.iter().skip(z).step_by(sources).map(|&k| f64::from(k));
        let all: f64 = column().sum();
        total += column().filter(|&k| k > 0.0).map(|k| k * (k / all).ln()).sum::<f64>();
    }
    // No -0 where every class says its label.
    Ok(if total == 0.0 { 0.0 } else { total / n })
}
