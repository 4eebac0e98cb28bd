//! A training under way, drawn at the foot of the terminal: how far it is, its loss and how many
//! held-out images are right, round by round.

use std::io::{self, IsTerminal, Stderr};
use std::time::{Duration, Instant};

use indicatif::HumanDuration;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LineGauge, Widget};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

/// Lines of the board.
const HEIGHT: u16 = 10;
/// The least terminal that has room for it, columns and lines.
const LEAST: (u16, u16) = (60, 16);

/// What one round gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round<'a> {
    pub(crate) part: &'a str,
    /// From 1.
    pub(crate) epoch: u64,
    pub(crate) of: u64,
    pub(crate) loss: f64,
    /// Share of held-out images right.
    pub(crate) top1: Option<f64>,
}

/// The rounds of one part so far.
#[derive(Debug, Default)]
struct Part {
    name: String,
    of: u64,
    /// Round and loss.
    losses: Vec<(f64, f64)>,
    /// Round and per cent right.
    right: Vec<(f64, f64)>,
    /// When the first round told of was done, and the last.
    times: Option<(Instant, Instant)>,
}

/// The board on a terminal.
pub(crate) struct Board<B: Backend = CrosstermBackend<Stderr>> {
    terminal: Terminal<B>,
    part: Part,
}

impl Board {
    /// A board below what is on the terminal; none where there is no terminal to draw on, or it is too
    /// small.
    pub(crate) fn open() -> Option<Self> {
        // Where the cursor is, is asked on stdout and answered on stdin.
        let all =
            [io::stderr().is_terminal(), io::stdout().is_terminal(), io::stdin().is_terminal()];
        if all.contains(&false) || std::env::var_os("TERM").is_none_or(|term| term == "dumb") {
            return None;
        }
        let backend = CrosstermBackend::new(io::stderr());
        let size = backend.size().ok()?;
        if size.width < LEAST.0 || size.height < LEAST.1 {
            return None;
        }
        Self::on(backend)
    }
}

impl<B: Backend> Board<B> {
    fn on(backend: B) -> Option<Self> {
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        let mut terminal = Terminal::with_options(backend, options).ok()?;
        // What a progress bar left there.
        terminal.clear().ok()?;
        Some(Self { terminal, part: Part::default() })
    }

    /// Draws what a round gave; a part that went before becomes a line above.
    pub(crate) fn round(&mut self, round: &Round<'_>) {
        if self.part.name != round.part {
            if let Some(line) = self.part.line() {
                self.say(&line);
            }
            self.part = Part { name: round.part.to_owned(), ..Part::default() };
        }
        self.part.add(round, Instant::now());
        let part = &self.part;
        // A terminal that went away takes nothing from the training.
        let _ = self.terminal.draw(|frame| part.draw(frame));
    }

    /// A line above the board.
    pub(crate) fn say(&mut self, text: &str) {
        let width = usize::from(self.terminal.size().map_or(LEAST.0, |size| size.width)).max(1);
        let lines: Vec<String> = text.lines().flat_map(|line| folded(line, width)).collect();
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let _ = self.terminal.insert_before(height, |buffer| {
            for (line, y) in lines.iter().zip(0..) {
                Line::raw(line.as_str()).render(Rect { y, height: 1, ..buffer.area }, buffer);
            }
        });
        // What was inserted pushed the board away.
        let part = &self.part;
        let _ = self.terminal.draw(|frame| part.draw(frame));
    }

    /// Takes the board away; the last part becomes a line.
    pub(crate) fn close(mut self) {
        if let Some(line) = self.part.line() {
            self.say(&line);
        }
        let _ = self.terminal.clear();
        let _ = self.terminal.show_cursor();
    }
}

/// A line in pieces of at most `width` characters.
fn folded(line: &str, width: usize) -> Vec<String> {
    let all: Vec<char> = line.chars().collect();
    match all.as_slice() {
        [] => vec![String::new()],
        all => all.chunks(width).map(|piece| piece.iter().collect()).collect(),
    }
}

impl Part {
    fn add(&mut self, round: &Round<'_>, now: Instant) {
        self.of = round.of;
        let at = round.epoch as f64;
        self.losses.push((at, round.loss));
        self.right.extend(round.top1.map(|top1| (at, 100.0 * top1)));
        self.times = Some((self.times.map_or(now, |(first, _)| first), now));
    }

    /// The part in a line, once it had a round.
    fn line(&self) -> Option<String> {
        let (at, loss) = self.losses.last()?;
        let right = self.right.last();
        let right = right.map_or_else(String::new, |(_, r)| format!(", {r:.1} % held out right"));
        Some(format!("  {}: {at} of {} rounds, loss {loss:.4}{right}", self.name, self.of))
    }

    /// How long the rounds that are left will take, from those that were seen.
    fn left(&self) -> Option<Duration> {
        let (first, last) = self.times?;
        let seen = self.losses.len().checked_sub(1).filter(|n| *n > 0)?;
        let rounds = self.of as f64 - self.losses.last()?.0;
        Some((last - first).mul_f64(rounds.max(0.0) / seen as f64))
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let [top, below] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(4)]).areas(frame.area());
        let at = self.losses.last().map_or(0.0, |l| l.0);
        let left = self.left().map_or_else(String::new, |left| {
            format!(", {:#} left", HumanDuration(Duration::from_secs(left.as_secs())))
        });
        let gauge = LineGauge::default()
            .ratio((at / self.of.max(1) as f64).clamp(0.0, 1.0))
            .label(format!("{}: round {at} of {}{left}", self.name, self.of))
            .filled_style(Style::new().fg(Color::Green));
        frame.render_widget(gauge, top);
        let halves = Layout::horizontal([Constraint::Percentage(50); 2]).spacing(2);
        let [first, second] = halves.areas(below);
        let end = self.losses.last().map(|l| l.1).filter(|loss| loss.is_finite());
        let high = self.losses.iter().map(|l| l.1).filter(|l| l.is_finite()).fold(1e-6, f64::max);
        let title =
            format!("loss {}", end.map_or_else(|| "not finite".to_owned(), |l| format!("{l:.4}")));
        let losses = self.chart(&self.losses, title, ([0.0, high], 2), Color::Yellow);
        if self.right.is_empty() {
            frame.render_widget(losses, below);
            return;
        }
        frame.render_widget(losses, first);
        let end = self.right.last().map_or(0.0, |r| r.1);
        let low = self.right.iter().map(|r| r.1).fold(100.0, f64::min);
        let low = if low > 60.0 { 50.0 } else { 0.0 };
        let title = format!("held out right {end:.1} %");
        frame.render_widget(self.chart(&self.right, title, ([low, 100.0], 0), Color::Cyan), second);
    }

    fn chart<'a>(
        &self,
        points: &'a [(f64, f64)],
        title: String,
        (ends, digits): ([f64; 2], usize),
        color: Color,
    ) -> Chart<'a> {
        let data = Dataset::default()
            .data(points)
            .marker(Marker::Braille)
            .graph_type(if points.len() > 1 { GraphType::Line } else { GraphType::Scatter })
            .style(Style::new().fg(color));
        let rounds = [1.0, (self.of as f64).max(2.0)];
        Chart::new(vec![data])
            .block(Block::new().title(title))
            .x_axis(
                Axis::default().title("round").bounds(rounds).labels(rounds.map(|r| r.to_string())),
            )
            .y_axis(Axis::default().bounds(ends).labels(ends.map(|y| format!("{y:.digits$}"))))
            .legend_position(None)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;

    fn lines(board: &Board<TestBackend>) -> Vec<String> {
        let buffer = board.terminal.backend().buffer();
        let (width, height) = (buffer.area.width, buffer.area.height);
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(row).collect()
    }

    fn told(board: &mut Board<TestBackend>, part: &str, epoch: u64, loss: f64, top1: Option<f64>) {
        board.round(&Round { part, epoch, of: 10, loss, top1 });
    }

    #[test]
    fn shows_how_far_it_is_and_both_curves_and_keeps_what_was_as_lines() {
        let mut board = Board::on(TestBackend::new(80, 20)).unwrap();
        for (epoch, loss, top1) in [(1, 2.0, 0.5), (2, 1.0, 0.8), (3, 0.25, 0.912)] {
            told(&mut board, "held-out 1", epoch, loss, Some(top1));
        }
        let all = lines(&board).join("\n");
        for words in
            ["held-out 1: round 3 of 10, 0s left", "loss 0.2500", "held out right 91.2 %", "2.00"]
        {
            assert!(all.contains(words), "{words} in\n{all}");
        }
        let dots = all.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(dots > 8, "two curves in\n{all}");
        // The loss fell: its curve begins higher than it ends.
        let first = |y: &String| y.chars().take(40).any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        assert!(lines(&board).iter().filter(|y| first(y)).count() > 2, "{all}");
        board.say("note: something");
        told(&mut board, "all", 1, 0.5, None);
        let all = lines(&board).join("\n");
        assert!(
            all.contains("  held-out 1: 3 of 10 rounds, loss 0.2500, 91.2 % held out right"),
            "{all}"
        );
        assert!(all.contains("note: something") && all.contains("all: round 1 of 10"), "{all}");
        assert!(!all.contains("held out right 91.2 %\n"), "the second half is gone\n{all}");
    }

    #[test]
    fn long_lines_are_folded_and_a_loss_that_is_no_number_is_told() {
        let mut board = Board::on(TestBackend::new(60, 20)).unwrap();
        told(&mut board, "all", 1, f64::NAN, Some(f64::NAN));
        board.say(&"x".repeat(130));
        let all = lines(&board);
        assert_eq!(all.iter().map(|l| l.matches('x').count()).sum::<usize>(), 130, "{all:?}");
        assert!(all.join("\n").contains("loss not finite"), "{all:?}");
    }
}
