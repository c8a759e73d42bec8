//! Where a machine keeps its Postgres binaries.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs that a server of ours needs, all in one directory.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "psql"];

/// Directories where packagers put them, one `*` for a version.
const USUAL: [&str; 15] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/usr/local/pgsql*/bin",
    "/run/current-system/sw/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/usr/bin",
];

/// The directory to use: the given one, or that of the newest server found.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(bin) = given {
        return match missing(bin) {
            None => Ok(bin.into()),
            Some(program) => Err(format!(
                "PORTPROOF_POSTGRES_BIN is {}, and there is no {program} in it: \
                 point it at the directory that holds {}",
                bin.display(),
                PROGRAMS.join(", ")
            )),
        };
    }
    let mut found: Vec<(Vec<u32>, PathBuf)> = Vec::new();
    for bin in candidates() {
        // Several names may lead to one directory.
        let Ok(bin) = bin.canonicalize() else {
            continue;
        };
        if missing(&bin).is_some() || found.iter().any(|(_, known)| *known == bin) {
            continue;
        }
        if let Some(version) = version(&bin) {
            found.push((version, bin));
        }
    }
    // The first of equals: PATH comes before the usual places.
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.into_iter().next().map(|(_, bin)| bin).ok_or_else(|| {
        format!(
            "{} are not together in any directory of PATH, in that of pg_config, or in the usual places",
            PROGRAMS.join(", ")
        )
    })
}

fn missing(bin: &Path) -> Option<&'static str> {
    PROGRAMS
        .into_iter()
        .find(|program| !bin.join(program).is_file())
}

fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .collect();
    all.extend(output("pg_config".as_ref(), "--bindir").map(|line| PathBuf::from(line.trim())));
    all.extend(USUAL.iter().flat_map(|pattern| expand(pattern)));
    all
}

/// The directories that a pattern with at most one `*` in one component matches.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![pattern.into()];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect()
}

/// The numbers in "postgres (PostgreSQL) 15.18 (Debian …)".
fn version(bin: &Path) -> Option<Vec<u32>> {
    let line = output(&bin.join("postgres"), "--version")?;
    let word = line.split_whitespace().nth(2)?;
    // "18beta1" counts as 18.
    let numbers: Vec<u32> = word
        .split('.')
        .map_while(|part| {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            part[..digits].parse().ok()
        })
        .collect();
    if numbers.is_empty() {
        None
    } else {
        Some(numbers)
    }
}

fn output(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
