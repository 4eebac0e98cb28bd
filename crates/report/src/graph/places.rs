//! Where boxes and bends stand from left to right: each as near to what it hangs on as its neighbours allow.

/// Room between two boxes, and beside a line, in pixels.
const BETWEEN: f64 = 26.0;
const BESIDE: f64 = 16.0;
/// Sweeps over the rows.
const SWEEPS: usize = 17;
/// How much a line that passes wants to be straight, and one from box to box, against the ends of a line that passes.
const STRAIGHT: f64 = 8.0;
const DIRECT: f64 = 3.0;

/// A box or a bend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Its width in pixels.
    pub(super) width: f64,
    /// Whether it is a line that passes.
    pub(super) bend: bool,
}

/// Least distance of the middles of two neighbours.
fn distance(a: Kind, b: Kind) -> f64 {
    f64::midpoint(a.width, b.width) + if a.bend || b.bend { BESIDE } else { BETWEEN }
}

/// The middle of each node, in pixels, the leftmost edge at 0. `ends` are the nodes above and below that a node hangs
/// together with, `rows` the order of nodes in each row.
pub(super) fn places(kinds: &[Kind], ends: &[[&[usize]; 2]], rows: &[Vec<usize>]) -> Vec<f64> {
    let mut x = vec![0.0; kinds.len()];
    for row in rows {
        let mut at = 0.0;
        for pair in row.windows(2) {
            at += distance(kinds[pair[0]], kinds[pair[1]]);
            x[pair[1]] = at;
        }
        // Rows begin about one middle.
        for i in row {
            x[*i] -= at / 2.0;
        }
    }
    for sweep in 0..SWEEPS {
        // Before the last sweeps look both ways; the last goes down, so that chains end straight.
        let sides: &[usize] = match sweep {
            s if s + 1 < SWEEPS && s + 5 > SWEEPS => &[0, 1],
            s if s % 2 == 0 => &[0],
            _ => &[1],
        };
        for step in 0..rows.len() {
            let at = if sweep % 2 == 0 { step } else { rows.len() - 1 - step };
            settle(&rows[at], kinds, ends, sides, &mut x);
        }
    }
    let left = (0..kinds.len()).map(|i| x[i] - kinds[i].width / 2.0).fold(f64::INFINITY, f64::min);
    if left.is_finite() {
        for x in &mut x {
            *x -= left;
        }
    }
    x
}

/// Moves a row to where its nodes want to be, least squares under the distances: pools of nodes that push one another
/// move as one (isotonic regression, Barlow et al. 1972).
fn settle(row: &[usize], kinds: &[Kind], ends: &[[&[usize]; 2]], sides: &[usize], x: &mut [f64]) {
    struct Pool {
        wish: f64,
        weight: f64,
        count: usize,
    }
    let mut pools: Vec<Pool> = Vec::new();
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(row.len());
    for (at, i) in row.iter().enumerate() {
        if at > 0 {
            offset += distance(kinds[row[at - 1]], kinds[*i]);
        }
        offsets.push(offset);
        let (mut sum, mut all) = (0.0, 0.0);
        for end in sides.iter().flat_map(|side| ends[*i][*side]) {
            let weight = match (kinds[*i].bend, kinds[*end].bend) {
                (true, true) => STRAIGHT,
                (false, false) => DIRECT,
                (true, false) | (false, true) => 1.0,
            };
            sum += weight * x[*end];
            all += weight;
        }
        // What hangs on nothing stays, but gives way.
        let (wish, weight) = if all > 0.0 { (sum / all, all) } else { (x[*i], 1e-3) };
        let mut pool = Pool { wish: wish - offset, weight, count: 1 };
        while let Some(before) = pools.pop_if(|before| before.wish > pool.wish) {
            let weight = before.weight + pool.weight;
            let wish = (before.wish * before.weight + pool.wish * pool.weight) / weight;
            pool = Pool { wish, weight, count: before.count + pool.count };
        }
        pools.push(pool);
    }
    let wishes = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.wish, pool.count));
    for ((i, offset), wish) in row.iter().zip(offsets).zip(wishes) {
        x[*i] = wish + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_keep_their_distance_and_a_lone_child_stands_under_its_parent() {
        let kinds = vec![Kind { width: 40.0, bend: false }; 4];
        let (all, none): ([usize; 3], [usize; 0]) = ([1, 2, 3], []);
        let top = [0usize];
        let ends = [[&none[..], &all[..]], [&top[..], &none[..]], [&top, &none], [&top, &none]];
        let x = places(&kinds, &ends, &[vec![0], vec![1, 2, 3]]);
        assert!((x[0] - x[2]).abs() < 1e-9, "{x:?}");
        assert!((x[2] - x[1] - 66.0).abs() < 1e-9 && (x[3] - x[2] - 66.0).abs() < 1e-9, "{x:?}");
        assert!((x[1] - 20.0).abs() < 1e-9, "the leftmost edge is at 0: {x:?}");
    }
}
