//! Networks raced on the training images: cheap networks and few images first (successive halving; Jamieson
//! and Talwalkar 2016, algorithm 1).

use std::collections::BTreeMap;

use crate::Error;

/// Images of the first round, at least; and of each class.
const FIRST: [usize; 2] = [300, 8];
/// Each round has so many times the images of the one before.
const TIMES: usize = 3;
/// Most images a network sees: their accuracy is known to half a point then.
const MOST: usize = 10_000;

/// Images of each round, for `n` training images of `classes` classes: one round where they are few.
pub(super) fn rounds(n: usize, classes: usize) -> Vec<usize> {
    let first = FIRST[0].max(FIRST[1] * classes);
    let mut rounds = vec![n.min(MOST)];
    while rounds[0] / TIMES >= first {
        rounds.insert(0, rounds[0] / TIMES);
    }
    rounds
}

/// A network before the race.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entrant {
    pub(super) name: String,
    /// Multiply-adds for an image, where that is known.
    pub(super) macs: Option<u64>,
}

/// What a look at some images cost, and gave.
pub(super) struct Look<T> {
    pub(super) seen: T,
    /// Images that went through the network; the others were known.
    pub(super) computed: usize,
    /// Seconds they took.
    pub(super) seconds: f64,
    /// Seconds that it took to make figures of all of them.
    pub(super) after: f64,
}

/// A network that did not come to the end.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Dropped {
    /// Its name.
    pub network: String,
    /// Images that it saw.
    pub images: usize,
    /// Leave-one-out accuracy, or mean average precision, on these, where it saw any, 0..=1.
    pub expected_top1: Option<f64>,
    /// Why it was left behind.
    pub why: String,
}

/// How a race ended.
pub(super) struct Ended<T> {
    /// Those that saw as many images as any, by name.
    pub(super) seen: Vec<(String, T)>,
    /// How many images that was.
    pub(super) images: usize,
    pub(super) dropped: Vec<Dropped>,
}

/// Looks at so many images with a network, until a time; `None` when that came first.
type LookAt<'a, T> = dyn FnMut(&str, usize, f64) -> Result<Option<Look<T>>, Error> + 'a;
/// Places of those that were looked at, the best first.
type Order<'a, T> = dyn Fn(&[(String, T)]) -> Result<Vec<usize>, Error> + 'a;

/// What is known while a race runs.
pub(super) struct Race<'a, T> {
    /// Images of each round.
    pub(super) rounds: &'a [usize],
    /// Seconds that all of it may take; the cheapest network sees the first round in any case.
    pub(super) budget: f64,
    /// Seconds since the race began.
    pub(super) now: &'a dyn Fn() -> f64,
    pub(super) look: &'a mut LookAt<'a, T>,
    pub(super) order: &'a Order<'a, T>,
    /// Accuracy that is expected of one.
    pub(super) top1: &'a dyn Fn(&T) -> f64,
    /// What is asked when a network cannot be used: stop, or go on without it?
    pub(super) failed: &'a mut dyn FnMut(&str, Error) -> Result<(), Error>,
}

/// Seconds for an image, as far as they are known.
#[derive(Default)]
struct Pace {
    of: BTreeMap<String, f64>,
    /// What each image of a look costs, known or not.
    after: BTreeMap<String, f64>,
    /// Seconds and multiply-adds of all that was measured.
    all: [f64; 2],
}

impl Pace {
    fn learn<T>(&mut self, entrant: &Entrant, images: usize, look: &Look<T>) {
        self.after.insert(entrant.name.clone(), look.after / images.max(1) as f64);
        if look.computed == 0 {
            return;
        }
        self.of.insert(entrant.name.clone(), look.seconds / look.computed as f64);
        if let Some(macs) = entrant.macs {
            self.all[0] += look.seconds;
            self.all[1] += macs as f64 * look.computed as f64;
        }
    }

    /// Seconds for a look at `images` of which `fresh` are not known; 0 where nothing tells.
    fn seconds(&self, entrant: &Entrant, images: usize, fresh: usize) -> f64 {
        let by_macs = || Some(entrant.macs? as f64 * self.all[0] / self.all[1].max(1.0));
        let each = self.of.get(&entrant.name).copied().or_else(by_macs);
        let mean = || self.after.values().sum::<f64>() / self.after.len().max(1) as f64;
        let after = self.after.get(&entrant.name).copied().unwrap_or_else(mean);
        each.unwrap_or(0.0) * fresh as f64 + after * images as f64
    }
}

impl<T> Race<'_, T> {
    /// Runs the race. All that are left see each round's images, or the better half of them where the time
    /// would not do for all; a round that not all of these could finish does not count.
    pub(super) fn run(mut self, mut entrants: Vec<Entrant>) -> Result<Ended<T>, Error> {
        entrants.sort_by_key(|e| (e.macs.unwrap_or(u64::MAX), e.name.clone()));
        let mut pace = Pace::default();
        let mut ended = Ended { seen: Vec::new(), images: 0, dropped: Vec::new() };
        let mut before = 0;
        for &images in self.rounds {
            let fresh = images - before;
            let mut fallen = Vec::new();
            if before > 0 {
                let Some(keep) = self.affordable(&entrants, &ended, &pace, [images, fresh])? else {
                    break;
                };
                fallen = keep;
                entrants.retain(|e| !fallen.iter().any(|d: &Dropped| d.network == e.name));
            }
            let Some(seen) = self.round(&entrants, images, fresh, &mut pace, &mut ended)? else {
                break;
            };
            entrants.retain(|e| seen.iter().any(|(name, _)| *name == e.name));
            ended.dropped.extend(fallen);
            (ended.seen, ended.images, before) = (seen, images, images);
        }
        Ok(ended)
    }

    /// One round; `None` when the time was over before all had finished it.
    fn round(
        &mut self,
        entrants: &[Entrant],
        images: usize,
        fresh: usize,
        pace: &mut Pace,
        ended: &mut Ended<T>,
    ) -> Result<Option<Vec<(String, T)>>, Error> {
        let first = ended.images == 0;
        let mut seen: Vec<(String, T)> = Vec::new();
        for entrant in entrants {
            let must = first && seen.is_empty();
            let late = (self.now)() + pace.seconds(entrant, images, fresh) > self.budget;
            let until = if must { f64::INFINITY } else { self.budget };
            let look = if late && !must {
                None
            } else {
                match (self.look)(&entrant.name, images, until) {
                    Ok(look) => look,
                    Err(error) => {
                        (self.failed)(&entrant.name, error)?;
                        continue;
                    }
                }
            };
            match look {
                Some(look) => {
                    pace.learn(entrant, images, &look);
                    seen.push((entrant.name.clone(), look.seen));
                }
                None if first => ended.dropped.push(Dropped {
                    network: entrant.name.clone(),
                    images: 0,
                    expected_top1: None,
                    why: format!("no time was left for {images} images"),
                }),
                None => return Ok(None),
            }
        }
        Ok(Some(seen))
    }

    /// Who falls out, the worse half as long as the time left does not do for the others, down to two; `None`
    /// when it does not do for these either.
    fn affordable(
        &self,
        entrants: &[Entrant],
        ended: &Ended<T>,
        pace: &Pace,
        [images, fresh]: [usize; 2],
    ) -> Result<Option<Vec<Dropped>>, Error> {
        let left = self.budget - (self.now)();
        let order = (self.order)(&ended.seen)?;
        let mut keep = order.len();
        let wanted = |keep: usize| -> f64 {
            let stays = |e: &&Entrant| order[..keep].iter().any(|p| ended.seen[*p].0 == e.name);
            entrants.iter().filter(stays).map(|e| pace.seconds(e, images, fresh)).sum()
        };
        while keep > 2 && wanted(keep) > left {
            keep = keep.div_ceil(2).max(2);
        }
        if wanted(keep) > left {
            return Ok(None);
        }
        let fall = order[keep..].iter().map(|place| {
            let (name, seen) = &ended.seen[*place];
            Dropped {
                network: name.clone(),
                images: ended.images,
                expected_top1: Some((self.top1)(seen)),
                why: format!("not among the best {keep} after {} images", ended.images),
            }
        });
        Ok(Some(fall.collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// [`raced_on`] where figures cost nothing.
    fn raced(budget: f64, rounds: &[usize], fails: &str) -> (Ended<f64>, Vec<(String, usize)>) {
        raced_on(budget, rounds, fails, 0.0)
    }

    /// Races networks that cost their number in seconds a hundred images, and are the better the dearer; the
    /// figures of each cost `after` seconds a hundred images.
    fn raced_on(
        budget: f64,
        rounds: &[usize],
        fails: &str,
        after: f64,
    ) -> (Ended<f64>, Vec<(String, usize)>) {
        let clock = Cell::new(0.0);
        let looks = RefCell::new(Vec::new());
        let known = RefCell::new(BTreeMap::<String, usize>::new());
        let mut look = |name: &str, images: usize, until: f64| {
            if name == fails {
                return Err(Error::NoNetworks { left_out: vec![] });
            }
            let cost: f64 = name.trim_start_matches('n').parse().unwrap();
            let computed = images - known.borrow().get(name).copied().unwrap_or(0);
            let seconds = cost * computed as f64 / 100.0;
            if clock.get() + seconds > until {
                clock.set(until);
                return Ok(None);
            }
            let after = after * images as f64 / 100.0;
            clock.set(clock.get() + seconds + after);
            known.borrow_mut().insert(name.to_owned(), images);
            looks.borrow_mut().push((name.to_owned(), images));
            Ok(Some(Look { seen: cost, computed, seconds, after }))
        };
        let order = |seen: &[(String, f64)]| {
            let mut places: Vec<usize> = (0..seen.len()).collect();
            places.sort_by(|a, b| seen[*b].1.total_cmp(&seen[*a].1));
            Ok(places)
        };
        let race = Race {
            rounds,
            budget,
            now: &|| clock.get(),
            look: &mut look,
            order: &order,
            top1: &|cost| cost / 10.0,
            failed: &mut |_, _| Ok(()),
        };
        let entrants = [4, 1, 3, 2].map(|n| Entrant { name: format!("n{n}"), macs: Some(n) });
        let ended = race.run(entrants.to_vec()).unwrap();
        assert!(clock.get() <= budget.max(rounds[0] as f64 / 100.0), "{} s", clock.get());
        (ended, looks.into_inner())
    }

    fn names(ended: &Ended<f64>) -> Vec<&str> {
        ended.seen.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn rounds_grow_to_all_images_and_few_are_one_round() {
        assert_eq!(rounds(244, 2), [244]);
        assert_eq!(rounds(3000, 2), [333, 1000, 3000]);
        assert_eq!(rounds(50_000, 10), [370, 1111, 3333, 10_000]);
        assert_eq!(rounds(3000, 100), [1000, 3000]);
    }

    #[test]
    fn with_time_all_networks_see_all_images_the_cheapest_first() {
        let (ended, looks) = raced(1000.0, &[100, 300], "");
        assert_eq!(names(&ended), ["n1", "n2", "n3", "n4"]);
        assert_eq!((ended.images, ended.dropped.len(), looks.len()), (300, 0, 8));
    }

    #[test]
    fn where_time_is_short_the_better_half_goes_on() {
        // 10 seconds for the first round; 20 for the second of all, 14 of the better half.
        let (ended, looks) = raced(25.0, &[100, 300], "");
        assert_eq!(names(&ended), ["n3", "n4"]);
        assert_eq!(ended.images, 300);
        assert_eq!(looks.len(), 6);
        let dropped: Vec<(&str, usize)> =
            ended.dropped.iter().map(|d| (d.network.as_str(), d.images)).collect();
        assert_eq!(dropped, [("n2", 100), ("n1", 100)]);
        assert!(ended.dropped[0].why.contains("best 2"), "{:?}", ended.dropped);
    }

    #[test]
    fn what_figures_cost_is_in_the_budget() {
        // 10 and 8 seconds for the first round; 20 and 24 for the second, 14 and 12 of the better half.
        let (ended, _) = raced_on(40.0, &[100, 300], "", 2.0);
        assert_eq!((ended.images, ended.seen.len()), (100, 4));
        let (ended, _) = raced_on(45.0, &[100, 300], "", 2.0);
        assert_eq!((ended.images, names(&ended)), (300, vec!["n3", "n4"]));
    }

    #[test]
    fn a_round_for_which_no_time_is_left_does_not_begin() {
        let (ended, looks) = raced(12.0, &[100, 300], "");
        assert_eq!(ended.images, 100, "and all four are compared on the first round's images");
        assert_eq!((ended.seen.len(), ended.dropped.len(), looks.len()), (4, 0, 4));
    }

    #[test]
    fn the_cheapest_network_is_looked_at_however_little_time_there_is() {
        let (ended, _) = raced(0.5, &[100], "");
        assert_eq!(names(&ended), ["n1"]);
        assert_eq!(ended.dropped.len(), 3);
        assert!(ended.dropped.iter().all(|d| d.why.contains("no time")), "{:?}", ended.dropped);
    }

    #[test]
    fn a_network_that_cannot_be_used_does_not_end_the_race() {
        let (ended, _) = raced(1000.0, &[100, 300], "n1");
        assert_eq!(names(&ended), ["n2", "n3", "n4"]);
    }
}
