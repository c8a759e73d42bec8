//! `portproof report`: the verdicts that test binaries wrote, against the catalogue.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use portproof::{Report, catalogue_ids};

use crate::{
    error::CliError,
    run::{Timed, print_reports},
};

/// Merges the verdicts of a run into one table; answers whether all is green.
pub(crate) fn report(folder: Option<PathBuf>) -> Result<bool, CliError> {
    let folder = match folder {
        Some(folder) => folder,
        None => latest_run(&verdict_root())?,
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
    print_reports(&timed)
}

/// Where test binaries that run here write their verdicts: `PORTPROOF_VERDICTS`, or `portproof` in
/// the target folder of Cargo, which is `CARGO_TARGET_DIR` or in a folder around this one.
fn verdict_root() -> PathBuf {
    if let Some(root) = env::var_os("PORTPROOF_VERDICTS") {
        return root.into();
    }
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        return Path::new(&target).join("portproof");
    }
    let here = env::current_dir().unwrap_or_default();
    let mut around = here
        .ancestors()
        .map(|folder| folder.join("target/portproof"));
    let found = around.find(|root| root.is_dir());
    found.unwrap_or_else(|| "target/portproof".into())
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
