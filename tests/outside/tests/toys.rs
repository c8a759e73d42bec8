//! A target of a custom suite that is wrong on purpose, in the way that `PORTPROOF_TOY` names: what
//! the kit says of it is compared with a model, under both runners.

#[path = "../../../conformance/tests/toys/mod.rs"]
#[expect(dead_code, reason = "the model is for who runs this")]
mod toys;

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::var("PORTPROOF_TOY").unwrap_or_else(|_| "right".to_owned());
    if name == "liar" {
        return portproof::run_suites(toys::Liar);
    }
    match toys::model().into_iter().find(|known| known.name == name) {
        Some(known) => portproof::run_custom_suites(known.toy, toys::suites()),
        None => {
            eprintln!("Error: there is no toy {name:?}");
            ExitCode::FAILURE
        }
    }
}
