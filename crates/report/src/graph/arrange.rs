//! Where everything is while some groups are open and others closed. `graph.js` has the same rules, for a page whose
//! groups open and close.

use regraft_net::groups::Item;

use super::layered::{Cell, Stands};
use super::scene::{End, Inside, Line, Scene};

/// Room inside a group at its sides, above for its name, between rows, and below the last row, in pixels.
pub(super) const SIDE: f64 = 18.0;
pub(super) const HEAD: f64 = 30.0;
pub(super) const GAP: f64 = 30.0;
pub(super) const FOOT: f64 = 20.0;
/// Room between a box and its neighbour in a row.
pub(super) const NEXT: f64 = 14.0;

/// A box on the paper, in pixels from the upper left corner of the group it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A group that is open.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Opened {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) children: Vec<Spot>,
    /// The course of each line: where it goes straight down, `[x, from, to]`.
    pub(super) courses: Vec<Vec<[f64; 3]>>,
    ins: Vec<f64>,
    outs: Vec<f64>,
}

/// Places all open groups of a scene, inner ones first; closed ones have none.
pub(super) fn arrange(scene: &Scene, open: &[bool]) -> Vec<Option<Opened>> {
    let mut placed: Vec<Option<Opened>> = vec![None; scene.insides.len()];
    for (g, inside) in scene.insides.iter().enumerate().rev() {
        if g == 0 || open.get(g) == Some(&true) {
            placed[g] = Some(opened(scene, inside, g, &placed));
        }
    }
    placed
}

fn opened(scene: &Scene, inside: &Inside, g: usize, placed: &[Option<Opened>]) -> Opened {
    let within = |item: &Item| match item {
        Item::Layer(_) => None,
        Item::Group(g) => placed.get(*g).and_then(Option::as_ref),
    };
    let size = |i: usize| {
        let item = inside.items[i];
        let closed = scene.block(item);
        within(&item).map_or([closed.width, closed.height], |o| [o.width, o.height])
    };
    let base = |i: usize| scene.block(inside.items[i]).width;
    let child = |cell: &Cell| match cell.stands {
        Stands::Box(node) => match inside.end(node) {
            End::Child(i) => Some(i),
            End::In(_) | End::Out(_) => None,
        },
        Stands::Bend(_) => None,
    };
    let mut rows: Vec<Vec<f64>> = inside
        .rows
        .rows
        .iter()
        .map(|row| {
            let widths: Vec<[f64; 2]> = row
                .iter()
                .map(|cell| child(cell).map_or([0.0; 2], |i| [base(i), size(i)[0]]))
                .collect();
            apart(row, &widths)
        })
        .collect();
    let edges = inside.rows.rows.iter().zip(&rows).flat_map(|(row, xs)| {
        row.iter().zip(xs).map(|(cell, x)| {
            let half = child(cell).map_or(0.0, |i| size(i)[0] / 2.0);
            [x - half, x + half]
        })
    });
    let [left, right] =
        edges.fold([f64::INFINITY, f64::NEG_INFINITY], |[l, r], [a, b]| [l.min(a), r.max(b)]);
    let width = if left < right { right - left } else { 0.0 };
    // The name of an open group is as wide as when it is closed.
    let needed = scene.groups.get(g).filter(|_| g > 0).map_or(0.0, |block| block.width);
    let spare = ((needed - width - 2.0 * SIDE) / 2.0).max(0.0);
    let shift = SIDE + spare - if left.is_finite() { left } else { 0.0 };
    rows.iter_mut().flatten().for_each(|x| *x += shift);

    let mut out = Opened {
        width: (width + 2.0 * (SIDE + spare)).round(),
        children: vec![Spot::default(); inside.items.len()],
        ins: vec![0.0; inside.ins.len()],
        outs: vec![0.0; inside.outs.len()],
        ..Opened::default()
    };
    // Top and bottom of each row.
    let mut bands = Vec::with_capacity(rows.len());
    let mut y = if g == 0 { FOOT } else { HEAD };
    for (r, (row, xs)) in inside.rows.rows.iter().zip(&rows).enumerate() {
        let top = !inside.ins.is_empty() && r == 0;
        let bottom = !inside.outs.is_empty() && r + 1 == rows.len();
        let height = row.iter().filter_map(child).map(|i| size(i)[1]).fold(0.0, f64::max);
        let band = if top { [0.0, HEAD] } else { [y, y + height] };
        let band = if bottom { [y - GAP + FOOT; 2] } else { band };
        for (cell, x) in row.iter().zip(xs) {
            if let Stands::Box(node) = cell.stands {
                match inside.end(node) {
                    End::In(i) => out.ins[i] = *x,
                    End::Out(i) => out.outs[i] = *x,
                    End::Child(i) => {
                        let [width, own] = size(i);
                        let y = band[0] + (height - own) / 2.0;
                        out.children[i] = Spot { x: x - width / 2.0, y, width, height: own };
                    }
                }
            }
        }
        y = if top { HEAD + GAP / 2.0 } else { band[1] + GAP };
        bands.push(band);
        out.height = band[1];
    }
    if inside.outs.is_empty() {
        out.height += FOOT;
    }
    out.courses = courses(inside, &rows, &bands, &out, &within);
    out
}

/// Moves the places of a row apart, from the box that has grown most.
fn apart(row: &[Cell], widths: &[[f64; 2]]) -> Vec<f64> {
    let mut xs: Vec<f64> = row.iter().map(|cell| cell.x).collect();
    let grown = |i: usize| widths[i][1] - widths[i][0];
    let most = (0..xs.len()).max_by(|a, b| grown(*a).total_cmp(&grown(*b)).then(b.cmp(a)));
    let Some(most) = most.filter(|i| grown(*i) > 0.0) else { return xs };
    let distance = |a: usize, b: usize| f64::midpoint(widths[a][1], widths[b][1]) + NEXT;
    for i in most + 1..xs.len() {
        xs[i] = xs[i].max(xs[i - 1] + distance(i - 1, i));
    }
    for i in (0..most).rev() {
        xs[i] = xs[i].min(xs[i + 1] - distance(i, i + 1));
    }
    xs
}

/// Where each line goes straight down: from its box to the foot of its row, through each row it passes, and from the
/// head of the last row to its box.
fn courses<'a>(
    inside: &'a Inside,
    rows: &[Vec<f64>],
    bands: &[[f64; 2]],
    out: &Opened,
    within: &impl Fn(&Item) -> Option<&'a Opened>,
) -> Vec<Vec<[f64; 3]>> {
    let mut row_of = vec![0; inside.items.len()];
    let mut bends: Vec<Vec<[f64; 3]>> = vec![Vec::new(); inside.lines.len()];
    for (r, row) in inside.rows.rows.iter().enumerate() {
        for (cell, x) in row.iter().zip(&rows[r]) {
            match cell.stands {
                Stands::Box(node) => {
                    if let End::Child(i) = inside.end(node) {
                        row_of[i] = r;
                    }
                }
                Stands::Bend(route) => bends[route].push([*x, bands[r][0], bands[r][1]]),
            }
        }
    }
    // At a group that is open, a line begins and ends where it does inside.
    let at = |i: usize, port: Option<usize>, below: bool| {
        let spot = out.children[i];
        let ports = within(&inside.items[i]).map(|o| if below { &o.outs } else { &o.ins });
        let port = ports.zip(port).and_then(|(ports, port)| ports.get(port));
        spot.x + port.copied().unwrap_or(spot.width / 2.0)
    };
    let course = |line: &Line, route: usize, ports: [Option<usize>; 2]| {
        let mut course = Vec::new();
        match line.from {
            End::In(i) => course.push([out.ins[i], 0.0, HEAD]),
            End::Child(i) => {
                let foot = out.children[i].y + out.children[i].height;
                course.push([at(i, ports[0], true), foot, bands[row_of[i]][1]]);
            }
            End::Out(_) => {}
        }
        course.extend(&bends[route]);
        match line.to {
            End::Out(i) => course.push([out.outs[i], out.height, out.height]),
            End::Child(i) => {
                let top = out.children[i].y;
                course.push([at(i, ports[1], false), bands[row_of[i]][0], top]);
            }
            End::In(_) => {}
        }
        course
    };
    let lines = inside.lines.iter().zip(&inside.routes).zip(&inside.ports);
    lines.map(|((line, route), ports)| course(line, *route, *ports)).collect()
}

/// The course of a line as the `d` of a path: straight down in each row, curved between.
pub(super) fn path(course: &[[f64; 3]]) -> String {
    use std::fmt::Write as _;

    let mut d = String::new();
    let mut before: Option<[f64; 2]> = None;
    for [x, from, to] in course {
        // Writing to a String cannot fail.
        let _ = match before {
            None => write!(d, "M{} {}", tenth(*x), tenth(*from)),
            Some([px, _]) if (px - x).abs() < 0.5 => write!(d, "L{} {}", tenth(*x), tenth(*from)),
            Some([px, py]) => {
                let middle = tenth(f64::midpoint(py, *from));
                let [px, x, from] = [px, *x, *from].map(tenth);
                write!(d, "C{px} {middle} {x} {middle} {x} {from}")
            }
        };
        if to > from {
            let _ = write!(d, "V{}", tenth(*to));
        }
        before = Some([*x, *to]);
    }
    d
}

/// A tenth of a pixel is fine enough.
pub(super) fn tenth(value: f64) -> f64 {
    let value = if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 };
    value + 0.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
    #![allow(clippy::format_push_string, reason = "the graph is short")]

    use regraft_net::facts::facts;
    use regraft_net::groups::Groups;
    use regraft_net::notation;

    use super::*;

    /// Cells with branches, each of which reads the two before it.
    fn cells(count: usize) -> (Scene, usize) {
        let mut text = "x = input 4x8x8\nc.0 = relu x\nc.1 = relu c.0\n".to_owned();
        for i in 2..count {
            let (a, b) = (format!("c.{}", i - 1), format!("c.{}", i - 2));
            text += &format!(
                "c.{i}.left.a = relu {a}\nc.{i}.left.b = relu c.{i}.left.a\nc.{i}.right.a = relu {b}\n\
                 c.{i}.right.b = relu c.{i}.right.a\nc.{i}.deep.a = add c.{i}.left.b {b}\n\
                 c.{i}.deep.b = relu c.{i}.deep.a\nc.{i} = add c.{i}.deep.b c.{i}.right.b {a}\n"
            );
        }
        let graph = notation::parse(&format!("{text}-> c.{}", count - 1)).unwrap();
        let ends: Vec<String> = (0..count).map(|i| format!("c.{i}")).collect();
        let groups = Groups::new(&graph, &ends);
        (Scene::new(&graph, &facts(&graph).unwrap(), &groups), groups.all().len())
    }

    #[test]
    fn whatever_is_open_boxes_lie_inside_their_group_and_beside_one_another() {
        let (scene, groups) = cells(9);
        assert!(groups > 25, "{groups}");
        for pattern in 0..40usize {
            // All, none, and some.
            let open: Vec<bool> = (0..groups)
                .map(|g| pattern == 0 || pattern > 1 && (g * 7 + pattern * g / 3) % 5 < pattern % 5)
                .collect();
            let placed = arrange(&scene, &open);
            for (opened, inside) in placed.iter().zip(&scene.insides) {
                let Some(o) = opened else { continue };
                for (i, a) in o.children.iter().enumerate() {
                    assert!(a.x >= 0.0 && a.y >= 0.0, "{a:?}");
                    assert!(a.x + a.width <= o.width + 1.0 && a.y + a.height <= o.height, "{a:?}");
                    for b in &o.children[..i] {
                        let beside = a.x >= b.x + b.width || b.x >= a.x + a.width;
                        assert!(beside || a.y >= b.y + b.height || b.y >= a.y + a.height);
                    }
                }
                for (line, course) in inside.lines.iter().zip(&o.courses) {
                    assert!(course.len() >= 2, "{line:?}");
                    // Downward all the way, and never through a box of another row.
                    for pair in course.windows(2) {
                        assert!(pair[0][2] <= pair[1][1] + 1e-9, "{line:?} {course:?}");
                    }
                    for [x, from, to] in &course[1..course.len() - 1] {
                        let hit = o.children.iter().any(|s| {
                            s.x < *x && *x < s.x + s.width && s.y < *to && *from < s.y + s.height
                        });
                        assert!(!hit, "{line:?} goes through a box: {course:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_line_is_a_path_of_straight_and_curved_parts() {
        let course = [[10.0, 0.0, 5.0], [10.2, 20.0, 30.0], [40.0, 50.0, 50.0]];
        assert_eq!(path(&course), "M10 0V5L10.2 20V30C10.2 40 40 40 40 50");
        assert_eq!(path(&[]), "");
    }
}
