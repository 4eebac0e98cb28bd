//! Stretches of a tape: units that are run again on the way back, so that what they made need not be
//! kept (Chen et al. 2016, "Training deep nets with sublinear memory cost").

use std::ops::Range;

use crate::unit::{Unit, Value};

/// Cuts the units into stretches. Each begins with what one unit before it made, and only the last
/// value of each is kept; which cuts are best for the peak is tried out.
pub(crate) fn stretches(units: &[Unit], values: &[Value]) -> Vec<Range<usize>> {
    let ends = ends(units);
    let size =
        |range: Range<usize>| range.map(|i| values[units[i].output].map.len()).sum::<usize>();
    let mut best: Option<(usize, Vec<Range<usize>>)> = None;
    // A stretch may be as large as the pieces from any cut to any later one.
    let mut limits: Vec<usize> = Vec::new();
    for (i, from) in ends.iter().enumerate() {
        limits.extend(ends[i + 1..].iter().map(|to| size(*from..*to)));
    }
    limits.sort_unstable();
    limits.dedup();
    for limit in limits {
        let (mut all, mut start) = (Vec::new(), 0);
        for (at, end) in ends.iter().enumerate() {
            // The input is a stretch of its own: it cannot be made again.
            let next = ends.get(at + 1);
            if at == 0 || next.is_none_or(|next| size(start..*next) > limit) {
                all.push(start..*end);
                start = *end;
            }
        }
        let kept: usize = all.iter().map(|s| size(s.end - 1..s.end)).sum();
        let widest = all.iter().map(|s| size(s.start..s.end - 1)).max().unwrap_or(0);
        let peak = kept + widest;
        if best.as_ref().is_none_or(|(least, _)| peak < *least) {
            best = Some((peak, all));
        }
    }
    best.map_or_else(|| std::iter::once(0..units.len()).collect(), |(_, all)| all)
}

/// Behind which units only the last one's value is read later, and the end.
fn ends(units: &[Unit]) -> Vec<usize> {
    let mut last_reader = vec![0; units.len()];
    for (i, unit) in units.iter().enumerate() {
        unit.inputs.iter().for_each(|input| last_reader[*input] = i);
    }
    let (mut ends, mut reach) = (Vec::new(), 0);
    for i in 0..units.len() {
        if reach <= i {
            ends.push(i + 1);
        }
        reach = reach.max(last_reader[units[i].output]);
    }
    ends.pop_if(|end| *end == units.len());
    ends.push(units.len());
    ends
}
