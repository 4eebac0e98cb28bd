//! What the parts of a fit hand to each other.

use std::sync::{Mutex, PoisonError};

use regraft_run::Event;

use crate::Observer;

/// Which examples the head learns from and which test it, by their place in the data set.
pub(crate) struct Rows {
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// Events kept until the run folder is written, each with its time.
pub(crate) struct Log<'a> {
    pub(crate) observer: &'a dyn Observer,
    started: f64,
    events: Mutex<Vec<(f64, Event)>>,
}

impl<'a> Log<'a> {
    /// A log whose times count from now.
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, started: observer.now(), events: Mutex::new(Vec::new()) }
    }

    /// Seconds since the fit began.
    pub(crate) fn seconds(&self) -> f64 {
        self.observer.now() - self.started
    }

    pub(crate) fn event(&self, event: Event) {
        let at = self.seconds();
        // A thread that panicked while it held the lock left whole events behind.
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push((at, event));
    }

    pub(crate) fn take(&self) -> Vec<(f64, Event)> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut events)
    }
}
