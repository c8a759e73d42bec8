//! What holds for the workspace as a whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, process::Command};

use serde_json::Value;

/// A version as numbers: `1.94` and `1.94.0` are one.
fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

/// Nothing that the workspace depends on needs a newer Rust than the one that it states. That its
/// own code needs none is what clippy's lint on the stated version sees to.
#[test]
fn no_dependency_needs_a_newer_rust() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let stated = packages
        .iter()
        .find(|package| package["name"] == "portproof-tests")
        .and_then(|package| package["rust_version"].as_str())
        .unwrap();
    for package in packages {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(
                version(needed) <= version(stated),
                "{} needs Rust {needed}, and {stated} is stated",
                package["name"]
            );
        }
    }
}
