//! Boxes in rows, lines downward: the order in which boxes and bends stand in each row, after Sugiyama, Tagawa and
//! Toda 1981 ("Methods for visual understanding of hierarchical system structures").
//!
//! A library would give places only. The page needs rows: a box that opens pushes its row apart and the rows below
//! down, and lines that pass by go round it.

use super::places::{self, Kind};

/// Most bends of a drawing; lines over more than [`FAR`] rows have none where there would be more.
const MOST_BENDS: usize = 40_000;
const FAR: usize = 8;
/// Sweeps over the rows in search of few crossings.
const SWEEPS: usize = 12;

/// Boxes and lines to be laid out.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Width of each box, in an order in which lines go to later ones only.
    pub(super) widths: Vec<f64>,
    /// Boxes that stand in a row of their own above all others: the first so many.
    pub(super) first: usize,
    /// Boxes that stand in a row of their own below all others: the last so many.
    pub(super) last: usize,
    /// Lines, from and to.
    pub(super) lines: Vec<[usize; 2]>,
}

/// What stands at a place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// A box.
    Box(usize),
    /// A line that passes.
    Bend(usize),
}

/// A place of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub(super) stands: Stands,
    /// Its middle, in pixels.
    pub(super) x: f64,
}

/// The row of each box, and what stands in each row from left to right.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layered {
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A box or a bend while rows are put in order.
struct Node {
    stands: Stands,
    row: usize,
    up: Vec<usize>,
    down: Vec<usize>,
}

/// Lays out.
pub(super) fn layered(wanted: &Wanted) -> Layered {
    let row_of = rows_of(wanted);
    let mut nodes: Vec<Node> = row_of
        .iter()
        .enumerate()
        .map(|(i, row)| Node { stands: Stands::Box(i), row: *row, up: vec![], down: vec![] })
        .collect();
    let span = |[from, to]: [usize; 2]| row_of[to].saturating_sub(row_of[from] + 1);
    let many = wanted.lines.iter().map(|l| span(*l)).sum::<usize>() > MOST_BENDS;
    for (i, line) in wanted.lines.iter().enumerate() {
        let [from, to] = *line;
        if many && span(*line) > FAR {
            continue;
        }
        let mut above = from;
        for row in row_of[from] + 1..row_of[to] {
            let bend = nodes.len();
            nodes.push(Node { stands: Stands::Bend(i), row, up: vec![above], down: vec![] });
            nodes[above].down.push(bend);
            above = bend;
        }
        nodes[above].down.push(to);
        nodes[to].up.push(above);
    }
    let count = row_of.iter().max().map_or(0, |last| last + 1);
    let mut rows = vec![Vec::new(); count];
    // In the order of a walk along the lines, so that what hangs together starts together.
    for i in walk(&nodes) {
        rows[nodes[i].row].push(i);
    }
    order(&nodes, &mut rows);
    let kinds: Vec<Kind> = nodes
        .iter()
        .map(|node| match node.stands {
            Stands::Box(i) => Kind { width: wanted.widths[i], bend: false },
            Stands::Bend(_) => Kind { width: 0.0, bend: true },
        })
        .collect();
    let ends: Vec<[&[usize]; 2]> =
        nodes.iter().map(|n| [n.up.as_slice(), n.down.as_slice()]).collect();
    let x = places::places(&kinds, &ends, &rows);
    let cell = |i: &usize| Cell { stands: nodes[*i].stands, x: x[*i] };
    Layered { rows: rows.iter().map(|row| row.iter().map(cell).collect()).collect() }
}

/// The row of each box: below all that it hangs on, and near what hangs on it where that makes lines shorter.
fn rows_of(wanted: &Wanted) -> Vec<usize> {
    let count = wanted.widths.len();
    let least = usize::from(wanted.first > 0);
    let mut rows: Vec<usize> =
        (0..count).map(|i| if i < wanted.first { 0 } else { least }).collect();
    let (mut ins, mut outs) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for [from, to] in &wanted.lines {
        ins[*to].push(*from);
        outs[*from].push(*to);
    }
    for i in wanted.first..count {
        let below = ins[i].iter().map(|from| rows[*from] + 1).max();
        rows[i] = below.unwrap_or(least).max(rows[i]);
    }
    let last = count.saturating_sub(wanted.last);
    if wanted.last > 0 {
        let bottom = rows[..last].iter().max().map_or(0, |row| row + 1).max(least);
        rows[last..].fill(bottom);
    }
    for i in (wanted.first..last).rev() {
        let above = outs[i].iter().map(|to| rows[*to]).min();
        if let Some(above) = above
            && outs[i].len() > ins[i].len()
        {
            rows[i] = above - 1;
        }
    }
    rows
}

/// Nodes from those nothing hangs above, along the lines, depth first.
fn walk(nodes: &[Node]) -> Vec<usize> {
    let mut seen = vec![false; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    for start in (0..nodes.len()).filter(|i| nodes[*i].up.is_empty()) {
        let mut waiting = vec![start];
        while let Some(i) = waiting.pop() {
            if std::mem::replace(&mut seen[i], true) {
                continue;
            }
            order.push(i);
            waiting.extend(nodes[i].down.iter().rev());
        }
    }
    order
}

/// Puts each row into the order of what its places hang on, row by row, down and up in turn, and keeps the best.
fn order(nodes: &[Node], rows: &mut Vec<Vec<usize>>) {
    if rows.iter().all(|row| row.len() < 2) {
        return;
    }
    let mut place = vec![0; nodes.len()];
    let number = |rows: &[Vec<usize>], place: &mut [usize]| {
        for row in rows {
            row.iter().enumerate().for_each(|(at, i)| place[*i] = at);
        }
    };
    number(rows, &mut place);
    let (mut best, mut fewest) = (rows.clone(), crossings(nodes, rows, &place));
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let down = sweep % 2 == 0;
        for step in 1..rows.len() {
            let at = if down { step } else { rows.len() - 1 - step };
            let mean = |i: usize| {
                let ends = if down { &nodes[i].up } else { &nodes[i].down };
                let sum: usize = ends.iter().map(|e| place[*e]).sum();
                // What hangs on nothing stays where it is.
                if ends.is_empty() { place[i] as f64 } else { sum as f64 / ends.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = rows[at].iter().map(|i| (mean(*i), *i)).collect();
            // Ties the other way round in every second pair of sweeps.
            if sweep % 4 >= 2 {
                keyed.reverse();
            }
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[at] = keyed.into_iter().map(|(_, i)| i).collect();
            rows[at].iter().enumerate().for_each(|(at, i)| place[*i] = at);
        }
        let now = crossings(nodes, rows, &place);
        if now < fewest {
            (best, fewest) = (rows.clone(), now);
        }
    }
    *rows = best;
}

/// How often lines cross between neighbouring rows.
fn crossings(nodes: &[Node], rows: &[Vec<usize>], place: &[usize]) -> usize {
    let mut total = 0;
    for pair in rows.windows(2) {
        let mut ends = Vec::new();
        for i in &pair[0] {
            let mut own: Vec<usize> = nodes[*i].down.iter().map(|e| place[*e]).collect();
            own.sort_unstable();
            ends.extend(own);
        }
        total += inversions(&ends, pair[1].len());
    }
    total
}

/// Pairs that stand the wrong way round; a tree of counts (Barth, Jünger and Mutzel 2002).
fn inversions(values: &[usize], bound: usize) -> usize {
    let mut tree = vec![0usize; bound + 1];
    let mut total = 0;
    for (before, value) in values.iter().enumerate() {
        // How many of those before are not greater.
        let (mut at, mut not_greater) = (value + 1, 0);
        while at > 0 {
            not_greater += tree[at];
            at &= at - 1;
        }
        total += before - not_greater;
        at = value + 1;
        while at <= bound {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(layered: &Layered) -> Vec<String> {
        let name = |cell: &Cell| match cell.stands {
            Stands::Box(i) => i.to_string(),
            Stands::Bend(i) => format!("-{i}"),
        };
        layered.rows.iter().map(|row| row.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn boxes_stand_below_what_they_hang_on_and_long_lines_bend() {
        let lines = vec![[0, 1], [1, 2], [2, 3], [0, 3]];
        let wanted = Wanted { widths: vec![50.0; 4], lines, ..Wanted::default() };
        let layered = layered(&wanted);
        assert_eq!(names(&layered), ["0", "1 -3", "2 -3", "3"]);
        for row in &layered.rows {
            assert!(row.windows(2).all(|pair| pair[0].x < pair[1].x), "{row:?}");
        }
        // The chain and the line beside it are both straight.
        assert!((layered.rows[1][1].x - layered.rows[2][1].x).abs() < 1e-6, "{layered:?}");
        assert!((layered.rows[1][0].x - layered.rows[2][0].x).abs() < 1e-6, "{layered:?}");
    }

    #[test]
    fn lines_that_need_not_cross_do_not() {
        let lines = vec![[0, 3], [1, 2], [0, 4], [1, 5], [2, 6], [3, 7]];
        let wanted = Wanted { widths: vec![30.0; 8], lines, ..Wanted::default() };
        let nodes = layered(&wanted);
        let place = |row: usize, i: usize| {
            nodes.rows[row].iter().position(|c| c.stands == Stands::Box(i)).unwrap_or(9)
        };
        assert_eq!(place(0, 0) < place(0, 1), place(1, 3) < place(1, 2));
        assert_eq!(inversions(&[0, 2, 1, 0, 2], 3), 3);
    }

    #[test]
    fn ends_of_a_group_have_rows_of_their_own() {
        let wanted = Wanted {
            widths: vec![0.0, 50.0, 50.0, 0.0],
            first: 1,
            last: 1,
            lines: vec![[0, 2], [2, 3]],
        };
        assert_eq!(names(&layered(&wanted)), ["0", "2 1", "3"]);
        assert!(layered(&Wanted::default()).rows.is_empty());
    }

    #[test]
    fn too_many_bends_are_left_out() {
        // A chain of 600 boxes, each of which also feeds the last: 179 700 bends would be wanted.
        let mut lines: Vec<[usize; 2]> = (1..600).map(|i| [i - 1, i]).collect();
        lines.extend((0..598).map(|i| [i, 599]));
        let wanted = Wanted { widths: vec![40.0; 600], lines, ..Wanted::default() };
        let cells: usize = layered(&wanted).rows.iter().map(Vec::len).sum();
        assert!(cells < 700, "{cells}");
    }
}
