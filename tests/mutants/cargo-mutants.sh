#!/usr/bin/env bash
# Runs the cargo-mutants tool over the reference adapter or over the suites, as they are committed.
#
#     cargo-mutants.sh adapter|suites PORT|all [what else the tool is to be told]
#
# A mutant of the adapter is run against the rules of its port, one of the suites against the
# project's own mutants of that port, which have to be killed as before. What came of it lies in
# target/cargo-mutants/adapter and target/cargo-mutants/suites.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    sed -n 's/^# \{0,1\}//; 2,8p' "$0" >&2
    exit 2
}
[ $# -ge 2 ] || usage
what=$1 port=$2
shift 2
command -v cargo-mutants >/dev/null || {
    echo "cargo-mutants is not installed: cargo install --locked cargo-mutants" >&2
    exit 2
}

# In a copy, which the tool may change in place; what is built of it is kept for the next time.
out=$PWD/target/cargo-mutants
export CARGO_TARGET_DIR=$out/build
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$out/$what"
git archive HEAD | tar -x -C "$copy"
cd "$copy"

# The tool has to see that functions answer results: behind another name it does not.
case $what in
adapter)
    # The kit compares with the reference, which has to stay right: what is changed is a copy of it.
    cp -r adapters/memory adapters/mutated
    sed -i 's/portproof-memory/portproof-mutated/' adapters/mutated/Cargo.toml
    sed -i 's|    "adapters/memory",|&\n    "adapters/mutated",|' Cargo.toml
    mkdir adapters/mutated/tests/target
    sed 's/portproof_memory/portproof_mutated/' tests/src/memory.rs \
        >adapters/mutated/tests/target/mod.rs
    sed -i 's|use portproof_tests::Memory;|mod target;\nuse target::Memory;|' \
        adapters/mutated/tests/conformance.rs
    sed -i 's/\bPortResult\b/Result/g' adapters/mutated/src/*.rs
    sed -i 's/, PortResult};/, PortResult, PortResult as Result};/' adapters/ports/src/lib.rs
    files=(--package portproof-mutated --test-package portproof-mutated)
    tests=(--test conformance)
    if [ "$port" != all ]; then
        files+=(--file "adapters/mutated/src/$port.rs")
        tests+=(-- "$port::")
    fi
    ;;
suites)
    find conformance/suites -name '*.rs' -exec \
        sed -i 's/-> Checked\b/-> std::result::Result<(), crate::Failure>/' {} +
    files=(--test-package portproof-mutants)
    for suites in core oauth directory audit; do
        files+=(--package "portproof-suites-$suites")
    done
    tests=(--test kills)
    if [ "$port" = all ]; then
        files+=(--file 'conformance/suites/**')
    else
        files+=(--file "conformance/suites/*/src/$port/**")
        export PORTPROOF_MUTANTS=$port
    fi
    # Before it changes anything, the tool tries the tests of the package that it changes, in place of
    # those that it is told to run. So they are tried here.
    cargo test --package portproof-mutants "${tests[@]}"
    files+=(--baseline skip --timeout 900)
    ;;
*) usage ;;
esac
cargo mutants --in-place --output "$out/$what" "${files[@]}" "$@" -- "${tests[@]}"
