//! A split that keeps groups whole and class shares near to those wanted.

use std::collections::BTreeMap;

use crate::{DataError, Split, order};

/// What it costs that a class has nothing on one side: more than any deviation of shares.
const MISSING: f64 = 1e6;

/// Rounds over all groups; each lowers the cost or is the last.
const ROUNDS: usize = 50;

/// The largest groups, of which pairs are tried.
const PAIRS: usize = 300;

/// Gains below are rounding.
const LEAST: f64 = 1e-9;

/// Splits files into `Train` and `Test` so that no group is on both sides and of each class about
/// `share` is tested; at least one file of each class is on either side.
///
/// `labels` has the class of each file, `groups` a number for each, the same for files that belong
/// together ([`Groups::ids`](super::Groups::ids)). Large groups are placed first, each where it brings
/// the classes nearer to their shares, then single groups change sides as long as that helps: not the
/// best of all splits, but one found in a moment, a function of its arguments only.
///
/// # Errors
/// [`DataError::TestShare`], [`DataError::AuditLength`], [`DataError::ClassInOneGroup`] when all of a
/// class belongs together, [`DataError::NoGroupSplit`] when groups hang together so that some class
/// is always missing on one side.
pub fn split_by_groups(
    labels: &[usize],
    groups: &[usize],
    share: f64,
    seed: u64,
) -> Result<Vec<Split>, DataError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(DataError::TestShare { given: share });
    }
    crate::audit::check_length("groups", groups.len(), labels.len())?;
    let (members, numbers) = members(labels, groups);
    let mut sides = Sides::new(&members, share)?;
    let mut turn = order(seed, 0, members.len());
    // Stable: equal sizes stay in drawn order.
    turn.sort_by_key(|group| {
        std::cmp::Reverse(members[*group].iter().map(|(_, n)| n).sum::<usize>())
    });
    for group in &turn {
        if sides.comes_nearer(&members[*group]) {
            sides.turn(*group, &members);
        }
    }
    improve(&mut sides, &turn, &members);
    if let Some(class) = sides.missing() {
        return Err(DataError::NoGroupSplit { class });
    }
    let split = |number: &usize| if sides.tested[*number] { Split::Test } else { Split::Train };
    Ok(numbers.iter().map(split).collect())
}

/// Files of each class in a group: (class, how many).
type Members = Vec<(usize, usize)>;

/// The members of each group, groups numbered in the order of their numbers, and each file's group.
fn members(labels: &[usize], groups: &[usize]) -> (Vec<Members>, Vec<usize>) {
    let mut places: BTreeMap<usize, usize> = groups.iter().map(|group| (*group, 0)).collect();
    places.values_mut().enumerate().for_each(|(i, place)| *place = i);
    let numbers: Vec<usize> = groups.iter().map(|group| places[group]).collect();
    let mut counts: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); places.len()];
    for (number, label) in numbers.iter().zip(labels) {
        *counts[*number].entry(*label).or_default() += 1;
    }
    (counts.into_iter().map(|classes| classes.into_iter().collect()).collect(), numbers)
}

/// A class: its files, those wanted in the test, those there, and the groups on either side.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    files: f64,
    wanted: f64,
    tested: f64,
    groups: usize,
    tested_groups: usize,
}

impl Class {
    fn is_missing(&self) -> bool {
        self.groups > 0 && (self.tested_groups == 0 || self.tested_groups == self.groups)
    }

    fn cost(&self) -> f64 {
        let missing = if self.is_missing() { MISSING } else { 0.0 };
        self.deviation() + missing
    }

    fn deviation(&self) -> f64 {
        (self.tested - self.wanted).powi(2) / self.files.max(1.0)
    }

    /// With a group of `n` files moved into the test, or out of it.
    fn moved(mut self, n: usize, out: bool) -> Self {
        if out {
            self.tested -= n as f64;
            self.tested_groups -= 1;
        } else {
            self.tested += n as f64;
            self.tested_groups += 1;
        }
        self
    }
}

struct Sides {
    /// Of each group, whether it is tested.
    tested: Vec<bool>,
    classes: Vec<Class>,
}

impl Sides {
    /// All groups are trained on.
    fn new(members: &[Members], share: f64) -> Result<Self, DataError> {
        let last = members.iter().flatten().map(|(class, _)| *class).max();
        let mut classes = vec![Class::default(); last.map_or(0, |class| class + 1)];
        for (class, n) in members.iter().flatten() {
            classes[*class].files += *n as f64;
            classes[*class].groups += 1;
        }
        for (number, class) in classes.iter_mut().enumerate() {
            if class.groups == 1 {
                let files = class.files as usize;
                return Err(DataError::ClassInOneGroup { class: number, files });
            }
            let most = (class.files - 1.0).max(0.0);
            class.wanted = (share * class.files).round().clamp(1.0_f64.min(most), most);
        }
        Ok(Self { tested: vec![false; members.len()], classes })
    }

    /// What the cost falls by when a group changes sides.
    fn gain(&self, members: &Members, out: bool) -> f64 {
        let change = |(class, n): &(usize, usize)| {
            let class = self.classes[*class];
            class.cost() - class.moved(*n, out).cost()
        };
        members.iter().map(change).sum()
    }

    /// Whether the shares are nearer to those wanted with a group in the test.
    fn comes_nearer(&self, members: &Members) -> bool {
        let change = |(class, n): &(usize, usize)| {
            let class = self.classes[*class];
            class.deviation() - class.moved(*n, false).deviation()
        };
        members.iter().map(change).sum::<f64>() > LEAST
    }

    fn turn(&mut self, group: usize, members: &[Members]) {
        for (class, n) in &members[group] {
            self.classes[*class] = self.classes[*class].moved(*n, self.tested[group]);
        }
        self.tested[group] = !self.tested[group];
    }

    fn missing(&self) -> Option<usize> {
        self.classes.iter().position(Class::is_missing)
    }
}

/// Single groups change sides while that helps, then two at a time.
fn improve(sides: &mut Sides, turn: &[usize], members: &[Members]) {
    for _ in 0..ROUNDS {
        let mut changed = false;
        for group in turn {
            if sides.gain(&members[*group], sides.tested[*group]) > LEAST {
                sides.turn(*group, members);
                changed = true;
            }
        }
        if !changed {
            changed = two_at_a_time(sides, &turn[..turn.len().min(PAIRS)], members);
        }
        if !changed {
            return;
        }
    }
}

fn two_at_a_time(sides: &mut Sides, turn: &[usize], members: &[Members]) -> bool {
    for (at, first) in turn.iter().enumerate() {
        let before = sides.gain(&members[*first], sides.tested[*first]);
        sides.turn(*first, members);
        for second in &turn[at + 1..] {
            if before + sides.gain(&members[*second], sides.tested[*second]) > LEAST {
                sides.turn(*second, members);
                return true;
            }
        }
        sides.turn(*first, members);
    }
    false
}
