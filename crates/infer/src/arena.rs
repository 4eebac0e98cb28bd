//! Places for values in one piece of memory.

use std::ops::Range;

/// When a value is made and when it is last read, in steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) made: usize,
    pub(crate) last_read: usize,
    /// Words of 32 bits.
    pub(crate) words: usize,
}

/// Gives each value a range such that values alive at the same step do not overlap; lowest free
/// place first. Returns the ranges and the length of the whole.
pub(crate) fn plan(lives: &[Life]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|i| lives[*i].made);
    let mut places = vec![0..0; lives.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for i in order {
        let life = lives[i];
        let mut taken: Vec<Range<usize>> = placed
            .iter()
            .filter(|j| lives[**j].made <= life.last_read && life.made <= lives[**j].last_read)
            .map(|j| places[*j].clone())
            .collect();
        taken.sort_by_key(|r| r.start);
        let mut start = 0;
        for range in taken {
            if start + life.words <= range.start {
                break;
            }
            start = start.max(range.end.next_multiple_of(16));
        }
        places[i] = start..start + life.words;
        total = total.max(start + life.words);
        placed.push(i);
    }
    (places, total)
}

/// An arena seen from one step: the value it writes, and the others to read.
pub(crate) struct Others<'a> {
    before: &'a [f32],
    after: &'a [f32],
    after_start: usize,
}

impl Others<'_> {
    /// A value that does not overlap the one being written.
    pub(crate) fn get(&self, range: &Range<usize>) -> &[f32] {
        if range.end <= self.before.len() {
            &self.before[range.clone()]
        } else {
            &self.after[range.start - self.after_start..range.end - self.after_start]
        }
    }
}

/// Splits the arena into the value to write and the rest.
pub(crate) fn split<'a>(data: &'a mut [f32], out: &Range<usize>) -> (&'a mut [f32], Others<'a>) {
    let (before, rest) = data.split_at_mut(out.start);
    let (value, after) = rest.split_at_mut(out.len());
    (value, Others { before, after, after_start: out.end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_alive_together_never_overlap_and_dead_places_are_used_again() {
        let life = |made, last_read, words| Life { made, last_read, words };
        let lives = [life(0, 1, 100), life(1, 3, 50), life(2, 3, 60), life(3, 4, 100)];
        let (places, total) = plan(&lives);
        for (i, a) in lives.iter().enumerate() {
            for (j, b) in lives.iter().enumerate().skip(i + 1) {
                if a.made <= b.last_read && b.made <= a.last_read {
                    let (p, q) = (&places[i], &places[j]);
                    assert!(p.end <= q.start || q.end <= p.start, "{i} and {j}: {p:?} {q:?}");
                }
            }
        }
        assert_eq!(places[2].start, 0, "value 0 is dead when value 2 is made");
        assert!(total < 100 + 50 + 60 + 100);
    }
}
