/// Calls a function once for every index below a number, on any threads, and returns when all calls
/// are done.
pub type Each = dyn Fn(usize, &(dyn Fn(usize) + Sync)) + Sync;

/// Threads that share one step of one image.
///
/// A kernel cuts its work into parts that write different values, so results do not depend on who
/// runs them.
#[derive(Clone, Copy)]
pub struct Team<'a> {
    threads: usize,
    each: &'a Each,
}

impl<'a> Team<'a> {
    /// One thread: parts run one after the other.
    pub const ALONE: Team<'static> =
        Team { threads: 1, each: &|parts, run| (0..parts).for_each(run) };

    /// A team of so many threads, who share out parts by `each`.
    pub fn new(threads: usize, each: &'a Each) -> Self {
        Self { threads, each }
    }

    /// How many parts at once are worth making.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    pub(crate) fn run(&self, parts: usize, run: &(dyn Fn(usize) + Sync)) {
        if parts == 1 || self.threads == 1 {
            (0..parts).for_each(run);
        } else {
            (self.each)(parts, run);
        }
    }
}

impl std::fmt::Debug for Team<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// Numbers that the parts of a step write, each its own.
pub(crate) struct Out<T> {
    start: *mut T,
    len: usize,
}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Out<T> {}

// SAFETY: only addresses are handed out; who writes through them says why nobody else does.
unsafe impl<T: Send> Send for Out<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Out<T> {}

impl<T> Out<T> {
    pub(crate) fn new(data: &mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len() }
    }

    /// Address of a number, with `room` numbers from it on inside the slice.
    ///
    /// # Panics
    /// When there is less room.
    pub(crate) fn at(self, index: usize, room: usize) -> *mut T {
        assert!(index + room <= self.len, "room for what is written");
        // SAFETY: inside the slice, as just seen.
        unsafe { self.start.add(index) }
    }
}
