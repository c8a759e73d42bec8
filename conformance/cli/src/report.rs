//! `portproof report`: the verdicts that test binaries wrote, against the catalogue.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use portproof::{Report, catalogue_ids};

use crate::{error::CliError, out::say, run::Timed, table::print_table};

/// Merges the verdicts of a run into one table; answers whether all is green.
pub(crate) fn report(folder: Option<PathBuf>) -> Result<bool, CliError> {
    let folder = match folder {
        Some(folder) => folder,
        None => latest_run(Path::new("target/portproof"))?,
    };
    let reports = Report::merge(&folder, &catalogue_ids()).map_err(|error| CliError::Verdicts {
        folder: folder.clone(),
        error,
    })?;
    if reports.is_empty() {
        let none = io::Error::new(io::ErrorKind::NotFound, "it holds no verdicts");
        return Err(CliError::Verdicts {
            folder,
            error: none,
        });
    }
    for outcome in reports.iter().flat_map(Report::broken) {
        say!("{}\n", outcome.failure.as_deref().unwrap_or_default());
    }
    let timed: Vec<Timed> = reports
        .into_iter()
        .map(|report| Timed {
            seconds: report
                .outcomes
                .iter()
                .map(|outcome| outcome.millis / 1_000.0)
                .sum(),
            report,
        })
        .collect();
    print_table(&timed);
    Ok(timed.iter().all(|timed| timed.report.is_green()))
}

/// The folder of the run that ended last.
fn latest_run(root: &Path) -> Result<PathBuf, CliError> {
    let unreadable = |error| CliError::Verdicts {
        folder: root.to_owned(),
        error,
    };
    let mut latest = None;
    for run in fs::read_dir(root).map_err(unreadable)? {
        let run = run.map_err(unreadable)?;
        let modified = run
            .metadata()
            .and_then(|data| data.modified())
            .map_err(unreadable)?;
        latest = latest.max(Some((modified, run.path())));
    }
    latest
        .map(|(_, path)| path)
        .ok_or_else(|| unreadable(io::Error::new(io::ErrorKind::NotFound, "it holds no run")))
}
