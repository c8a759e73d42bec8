//! How a transcript is shown: as text, for the report of a broken rule.

use std::{fmt::Write as _, time::Duration};

use super::{End, Entry, Moment, Transcript};
use crate::difference::one_line;

/// The most calls that are shown, the last ones.
const MOST_SHOWN: usize = 60;
/// The most of them where one sentence says it all.
const SHORT: usize = 4;
/// A call that takes longer shows how long it took.
const SLOW: Duration = Duration::from_millis(100);
/// The most characters of a call or an answer that are shown.
const SHOWN: usize = 320;
/// The same of an answer that the failing check looked at: only what would fill the screen many
/// times over is cut.
const LONGEST: usize = 16_384;

/// Which calls of a transcript are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// All.
    Whole,
    /// Those of the case itself.
    Case,
    /// The last few, where one sentence says it all.
    Last,
}

impl Transcript {
    /// As text; with `whole`, also the calls that made the fixture.
    #[must_use]
    pub fn to_text(&self, whole: bool) -> String {
        self.shown(if whole { Shown::Whole } else { Shown::Case }, None)
    }

    /// As text. The answers that a failing check may have looked at are whole: the last, those of
    /// calls that overlapped with it, and any that has to do with what it `looked_at`.
    pub(crate) fn shown(&self, shown: Shown, looked_at: Option<&str>) -> String {
        let entries = self.entries();
        let (calls, begins) = (&entries.calls, entries.case_begins.unwrap_or(0));
        let mut text = String::new();
        let (mut from, most) = match shown {
            Shown::Whole => (0, usize::MAX),
            Shown::Case => (begins, MOST_SHOWN),
            Shown::Last => (begins, SHORT),
        };
        if from > 0 {
            let _ = writeln!(
                text,
                "  ({begins} calls made the fixture; PORTPROOF_TRANSCRIPT=whole shows them)"
            );
        }
        let left_out = (calls.len() - from).saturating_sub(most);
        if left_out > 0 {
            from += left_out;
            let _ = writeln!(
                text,
                "  ({left_out} more calls are left out before these; PORTPROOF_TRANSCRIPT=whole shows them)"
            );
        }
        let last = calls.iter().filter(|entry| entry.ended.is_some());
        let last = last.max_by_key(|entry| entry.ended.map(|ended| ended.step));
        for (number, entry) in calls.iter().enumerate().skip(from) {
            if entries.afterwards_begins == Some(number) {
                let _ = writeln!(text, "  -- afterwards, everything else:");
            }
            let call = format!("{:?}", entry.call);
            // The variant says what the method's name says.
            let arguments = call.split_once(' ').map_or("", |(_, arguments)| arguments);
            let (handle, port, method) = (&entry.handle, entry.port, entry.method);
            let is_last = last.is_some_and(|last| last.overlaps(entry));
            let arguments = shorten(arguments, SHOWN);
            let _ = writeln!(text, "  {number:>3} {handle}: {port}.{method} {arguments}");
            let answer = match &entry.end {
                End::NotYet => "never answered".to_owned(),
                End::Answered(answer) => {
                    let short = format!("{answer:?}");
                    let looked_at = looked_at.is_some_and(|seen| {
                        let answer = plain(&short);
                        seen.contains(answer) || answer.contains(seen)
                    });
                    if is_last || looked_at {
                        shorten(plain(&one_line(answer)), LONGEST)
                    } else {
                        shorten(plain(&short), SHOWN)
                    }
                }
                End::Dropped(1) => "dropped after 1 poll".to_owned(),
                End::Dropped(polls) => format!("dropped after {polls} polls"),
            };
            let _ = writeln!(
                text,
                "      -> {answer}{}{}",
                entry.slowness(),
                overlaps(calls, number)
            );
        }
        entries.without_noise(text)
    }
}

impl Entry {
    /// Whether there was a time when both ran.
    fn overlaps(&self, other: &Self) -> bool {
        let ends_after =
            |one: &Self, began: Moment| one.ended.is_none_or(|ended| ended.step > began.step);
        ends_after(self, other.began) && ends_after(other, self.began)
    }

    /// How long it took, when that is long.
    fn slowness(&self) -> String {
        let took = self.ended.map(|ended| ended.at - self.began.at);
        match took.filter(|took| *took > SLOW) {
            Some(took) => format!(" (after {} ms)", took.as_millis()),
            None => String::new(),
        }
    }
}

/// `Session { … }` of `Ok(Get(Session { … }))`; an error as it is.
fn plain(answer: &str) -> &str {
    answer
        .strip_prefix("Ok(")
        .and_then(|answer| answer.strip_suffix("))"))
        .and_then(|answer| answer.split_once('('))
        .map_or(answer, |(_, answer)| answer)
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which calls overlapped with this one: ` (beside 11, 13 to 18)`; nothing where none did.
fn overlaps(calls: &[Entry], number: usize) -> String {
    let beside = |place: &usize| *place != number && calls[*place].overlaps(&calls[number]);
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for place in (0..calls.len()).filter(beside) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == place => *last = place,
            _ => runs.push((place, place)),
        }
    }
    if runs.is_empty() {
        return String::new();
    }
    let runs = runs.iter().map(|(first, last)| match last - first {
        0 => format!("{first}"),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    });
    format!(" (beside {})", runs.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::{super::Nothing, *};

    /// Begins a call that answers this much later, in text of this length.
    fn call(transcript: &Transcript) -> usize {
        transcript.begin_any(&"a".into(), "toy", "look", Box::new(Nothing {}))
    }

    fn answer(transcript: &Transcript, number: usize, text: &str) {
        transcript.end(number, End::Answered(Box::new(text.to_owned())));
    }

    fn lines(transcript: &Transcript, looked_at: Option<&str>) -> Vec<String> {
        let text = transcript.shown(Shown::Case, looked_at);
        let answers = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("-> "));
        answers.map(str::to_owned).collect()
    }

    #[test]
    fn the_last_answer_and_what_was_looked_at_are_whole() {
        let transcript = Transcript::default();
        let [first, second, third] = ["x", "y", "z"].map(|letter| letter.repeat(400));
        for text in [&first, &second, &third] {
            let number = call(&transcript);
            answer(&transcript, number, text);
        }
        let is_whole = |lines: Vec<String>| -> Vec<bool> {
            lines.iter().map(|line| !line.ends_with('…')).collect()
        };
        assert_eq!(is_whole(lines(&transcript, None)), [false, false, true]);
        let seen = format!("Some({second:?})");
        let shown = lines(&transcript, Some(&seen));
        assert_eq!(is_whole(shown), [false, true, true]);
    }

    #[test]
    fn calls_that_overlapped_name_each_other() {
        let transcript = Transcript::default();
        let alone = call(&transcript);
        answer(&transcript, alone, "alone");
        let racers: Vec<usize> = (0..4).map(|_| call(&transcript)).collect();
        answer(&transcript, racers[0], "first");
        // It began when the first had ended.
        let late = call(&transcript);
        for racer in [racers[1], racers[2], racers[3], late] {
            answer(&transcript, racer, "later");
        }
        assert_eq!(
            lines(&transcript, None),
            [
                "\"alone\"",
                "\"first\" (beside 2 to 4)",
                "\"later\" (beside 1, 3 to 5)",
                "\"later\" (beside 1, 2, 4, 5)",
                "\"later\" (beside 1 to 3, 5)",
                "\"later\" (beside 2 to 4)",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_shows_how_long_it_took() {
        let transcript = Transcript::default();
        for millis in [100, 250] {
            let number = call(&transcript);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            answer(&transcript, number, "x");
        }
        assert_eq!(lines(&transcript, None), ["\"x\"", "\"x\" (after 250 ms)"]);
    }
}
