//! The committed baseline: the ratios of an earlier commit, which later ones must not fall behind.

use std::{env, fs, path::Path};

use portproof::Opened;

use crate::Ratios;

/// By how much a ratio may be worse than the committed one: what runs of one commit differ by.
const TOLERANCE: f64 = 0.25;

/// The ratios of lines `ratio <name> <value>`.
pub(crate) fn lines(text: &str) -> Opened<Ratios> {
    let mut ratios = Ratios::new();
    for line in text.lines() {
        if let ["ratio", name, value] = line.split_whitespace().collect::<Vec<_>>()[..] {
            ratios.insert(name.to_owned(), value.parse()?);
        }
    }
    if ratios.is_empty() {
        return Err("the file has no line `ratio <name> <value>`".into());
    }
    Ok(ratios)
}

/// Compares what was measured with the baseline, and prints what is worse; answers whether nothing
/// is. With `PORTPROOF_BLESS=1` it writes what was measured into the baseline instead.
pub(crate) fn compare(measured: &Ratios) -> Opened<bool> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bench-baseline.json");
    if env::var_os("PORTPROOF_BLESS").is_some_and(|bless| bless == "1") {
        // What was not measured this time stays.
        let mut baseline: Ratios = match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Ratios::new(),
        };
        let rounded = |value: &f64| (value * 1_000.0).round() / 1_000.0;
        baseline.extend(
            measured
                .iter()
                .map(|(name, value)| (name.clone(), rounded(value))),
        );
        fs::write(&file, serde_json::to_string_pretty(&baseline)? + "\n")?;
        return Ok(true);
    }
    let baseline: Ratios = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let worse = worse(&baseline, measured);
    for line in &worse {
        println!("{line}");
    }
    if worse.is_empty() {
        println!(
            "no ratio is worse than in {} by more than {:.0} %",
            file.display(),
            100.0 * TOLERANCE
        );
    }
    Ok(worse.is_empty())
}

/// What is worse than it was by more than the tolerance, and what the baseline does not know.
fn worse(baseline: &Ratios, measured: &Ratios) -> Vec<String> {
    let mut worse = Vec::new();
    for (name, now) in measured {
        let Some(before) = baseline.get(name) else {
            worse.push(format!(
                "{name} is {now:.2} and not in the baseline: PORTPROOF_BLESS=1 adds it"
            ));
            continue;
        };
        let fewer_is_better = name.ends_with(".overhead") || name.ends_with(".calls_a_rule");
        let change = if fewer_is_better {
            now / before
        } else {
            before / now
        };
        if change.is_nan() || change > 1.0 + TOLERANCE {
            worse.push(format!("{name} is {now:.2}, and was {before:.2}"));
        }
    }
    worse
}
