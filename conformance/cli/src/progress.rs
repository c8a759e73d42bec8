//! Progress: a bar on a terminal, and a line now and then where the error output is none.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no bar.
const EVERY: Duration = Duration::from_secs(5);

/// How far a run is; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    counts: Arc<Counts>,
    _lines: Option<Repeated>,
}

/// What is counted, and in which words.
#[derive(Debug)]
struct Counts {
    /// Whose they are: `memory`.
    of: &'static str,
    /// What is done: `rules`.
    what: &'static str,
    /// What some of them are: `broken`.
    failed_is: &'static str,
    all: usize,
    done: AtomicUsize,
    failed: AtomicUsize,
}

impl Counts {
    fn line(&self) -> String {
        let Self {
            of,
            what,
            failed_is,
            all,
            ..
        } = self;
        // The kit's own checks are no rules of the catalogue.
        let done = self.done.load(Ordering::Relaxed).min(*all);
        let failed = self.failed.load(Ordering::Relaxed);
        format!("{of}: {done} of {all} {what} done, {failed} {failed_is} so far")
    }
}

impl Progress {
    /// Begins to count up to `all`: `of` memory, the rules (`what`) done, and those that are broken
    /// (`failed_is`).
    pub(crate) fn new(
        of: &'static str,
        what: &'static str,
        failed_is: &'static str,
        all: usize,
    ) -> Self {
        // Draws nothing where the error output is not a terminal.
        let bar = ProgressBar::new(all as u64);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>9} {bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(of);
        let counts = Arc::new(Counts {
            of,
            what,
            failed_is,
            all,
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        });
        let shown = Arc::clone(&counts);
        let line = move || {
            // A closed error output is no reason to stop.
            let _ = writeln!(io::stderr(), "{}", shown.line());
        };
        let lines = (!io::stderr().is_terminal()).then(|| Repeated::every(EVERY, line));
        Self {
            bar,
            counts,
            // Without a thread for it the run goes on in silence.
            _lines: lines.and_then(Result::ok),
        }
    }

    /// The same without a bar: for a terminal that shows the results as they come.
    pub(crate) fn without_bar(mut self) -> Self {
        self.bar = ProgressBar::hidden();
        self
    }

    /// One more is done.
    pub(crate) fn done(&self, failed: bool) {
        self.counts.done.fetch_add(1, Ordering::Relaxed);
        self.bar.inc(1);
        if failed {
            let failed = 1 + self.counts.failed.fetch_add(1, Ordering::Relaxed);
            let message = format!("{failed} {}", self.counts.failed_is);
            self.bar.set_message(message);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What is done again and again until this is dropped, on a thread of its own, which no adapter keeps
/// busy.
#[derive(Debug)]
struct Repeated(Option<(Sender<()>, JoinHandle<()>)>);

impl Repeated {
    fn every(pause: Duration, mut does: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let (running, ends) = mpsc::channel();
        let thread = thread::Builder::new().name("progress".to_owned());
        let thread = thread.spawn(move || {
            while ends.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                does();
            }
        })?;
        Ok(Self(Some((running, thread))))
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        if let Some((running, thread)) = self.0.take() {
            drop(running);
            // It has nothing more to do, however it ended.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress::new("memory", "rules", "broken", 2);
        let line = || progress.counts.line();
        assert_eq!(line(), "memory: 0 of 2 rules done, 0 broken so far");
        progress.done(true);
        assert_eq!(line(), "memory: 1 of 2 rules done, 1 broken so far");
        for _ in 0..3 {
            progress.done(false);
        }
        assert_eq!(line(), "memory: 2 of 2 rules done, 1 broken so far");
    }

    #[test]
    fn lines_come_until_the_end() {
        let (said, says) = mpsc::channel();
        let pause = Duration::from_millis(1);
        let lines = Repeated::every(pause, move || said.send(()).unwrap()).unwrap();
        for _ in 0..3 {
            says.recv().unwrap();
        }
        drop(lines);
        // Those that were on their way, and then the other side is gone.
        while says.recv().is_ok() {}
    }
}
