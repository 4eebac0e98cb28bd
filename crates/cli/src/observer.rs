//! What a person at the terminal sees while something runs.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use regraft::{Observer, Progress};

use crate::args::Common;
use crate::board::{Board, Round};
use crate::units::plural;

/// Set by Ctrl-C; asked for all the time.
static STOP: AtomicBool = AtomicBool::new(false);

/// What moves on the terminal.
enum Shown {
    /// A progress bar, and of what.
    Bar(&'static str, ProgressBar),
    /// A training's curves.
    Board(Box<Board>),
}

impl Shown {
    /// Takes it away.
    fn clear(self) {
        match self {
            Self::Bar(_, bar) => bar.finish_and_clear(),
            Self::Board(board) => board.close(),
        }
    }

    fn is_bar(&self, of: &str) -> bool {
        matches!(self, Self::Bar(what, _) if *what == of)
    }
}

/// One progress bar or board, and remarks, on stderr.
pub(crate) struct Terminal {
    started: Instant,
    quiet: bool,
    shown: Mutex<Option<Shown>>,
}

impl Terminal {
    /// Also takes over Ctrl-C: the first one asks the work to stop where nothing is lost, the second
    /// ends the program at once.
    pub(crate) fn new(common: &Common) -> Self {
        // Without a handler Ctrl-C ends the program at once, which loses no finished file either.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        Self { started: Instant::now(), quiet: common.quiet, shown: Mutex::new(None) }
    }

    /// Takes the bar or the board away.
    pub(crate) fn finish(&self) {
        if let Some(shown) = self.lock().take() {
            shown.clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Shown>> {
        self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn bar(&self, what: &'static str, at: u64, total: Option<u64>, bytes: bool) {
        if self.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let mut slot = self.lock();
        if slot.as_ref().is_none_or(|shown| !shown.is_bar(what)) {
            if let Some(old) = slot.take() {
                old.clear();
            }
            let template = match (bytes, total) {
                (true, Some(_)) => "{msg} {bar:30} {bytes}/{total_bytes}, {eta} left",
                (true, None) => "{msg} {spinner} {bytes}",
                (false, _) => "{msg} {bar:30} {pos}/{len}, {eta} left",
            };
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(total, target).with_style(style);
            bar.set_message(what);
            *slot = Some(Shown::Bar(what, bar));
        }
        if let Some(Shown::Bar(_, bar)) = slot.as_ref() {
            bar.set_position(at);
        }
    }

    fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        match self.lock().as_mut() {
            Some(Shown::Bar(_, bar)) => bar.println(text),
            Some(Shown::Board(board)) => board.say(text),
            None => {
                let _ = std::io::Write::write_fmt(
                    &mut std::io::stderr().lock(),
                    format_args!("{text}\n"),
                );
            }
        }
    }

    /// On the board, or as a line where there is none.
    fn round(&self, round: &Round<'_>) {
        if !self.quiet {
            let mut slot = self.lock();
            if !matches!(slot.as_ref(), Some(Shown::Board(_)))
                && let Some(board) = Board::open()
            {
                if let Some(old) = slot.take() {
                    old.clear();
                }
                *slot = Some(Shown::Board(Box::new(board)));
            }
            if let Some(Shown::Board(board)) = slot.as_mut() {
                board.round(round);
                return;
            }
        }
        let Round { part, epoch, of, loss, top1 } = round;
        let held =
            top1.map_or_else(String::new, |t| format!(", {:.1} % held out right", 100.0 * t));
        self.say(&format!("  {part}: round {epoch} of {of}, loss {loss:.4}{held}"));
    }

    fn data(
        &self,
        root: &str,
        ((one, many), classes): ((&str, &str), &[String]),
        images: &std::collections::BTreeMap<String, usize>,
        origin: &str,
    ) {
        let names: Vec<&str> = classes.iter().take(6).map(String::as_str).collect();
        let more = if classes.len() > 6 { ", …" } else { "" };
        let parts: Vec<String> = images.iter().rev().map(|(s, n)| format!("{n} {s}")).collect();
        self.say(&format!(
            "{root}: {} {} ({}{more}), images: {} (split {origin})",
            classes.len(),
            if classes.len() == 1 { one } else { many },
            names.join(", "),
            parts.join(", "),
        ));
    }
}

impl Observer for Terminal {
    fn tell(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Data { root, classes, labels, images, split_origin } => {
                let names = if *labels { ("label", "labels") } else { ("class", "classes") };
                self.data(root, (names, classes), images, split_origin);
            }
            Progress::Fetch { bytes, total, .. } => self.bar("fetching", *bytes, *total, true),
            Progress::Waiting { what } => {
                let mut slot = self.lock();
                if slot.as_ref().is_none_or(|shown| !shown.is_bar("waiting")) && !self.quiet {
                    let bar = ProgressBar::new_spinner()
                        .with_message(format!("another process is fetching {what}; waiting"));
                    bar.enable_steady_tick(Duration::from_millis(200));
                    *slot = Some(Shown::Bar("waiting", bar));
                }
            }
            Progress::Looking { done, total } => {
                self.bar("files", *done as u64, Some(*total as u64), false);
            }
            Progress::Features { done, total } => {
                self.bar("images", *done as u64, Some(*total as u64), false);
            }
            Progress::Steps { done, total } => {
                self.bar("steps", *done as u64, Some(*total as u64), false);
            }
            Progress::FeaturesDone { computed, cached, seconds } => {
                self.finish();
                let from =
                    if *cached > 0 { format!(", {cached} from the cache") } else { String::new() };
                self.say(&format!(
                    "features: {} through the network in {seconds:.1} s{from}",
                    plural(*computed, "image")
                ));
            }
            Progress::File { file, reason } => self.say(&format!("  {file}: {reason}")),
            Progress::Epoch { part, epoch, of, loss, top1 } => {
                let (epoch, of, loss, top1) = (*epoch, *of, *loss, *top1);
                self.round(&Round { part, epoch, of, loss, top1 });
            }
            Progress::Note(note) => self.say(&format!("note: {note}")),
            Progress::Head | Progress::Decided(_) => self.finish(),
            _ => {}
        }
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn wall(&self) -> f64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    }

    fn stop(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}
