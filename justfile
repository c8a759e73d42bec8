# What a person and the continuous integration run: the same commands.

# Lists the recipes.
default:
    @just --list

# Builds everything.
build:
    cargo build --workspace --all-targets

# Runs the suites on every adapter that can be had, and prints the table.
run *arguments:
    cargo run -- {{ arguments }}

# Runs all tests.
test *arguments:
    cargo test --workspace {{ arguments }}

# Runs all tests, a process each.
nextest *arguments:
    cargo nextest run --workspace {{ arguments }}

# Checks format, lints, documentation and dependencies.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check bans licenses sources

# Runs what takes too long for every change: every environment, busy machines, all mutants.
matrix:
    .ci/matrix

# Builds and opens the documentation.
docs:
    cargo doc --workspace --no-deps --open

# Runs the mutants and prints which rules notice each.
mutants *arguments:
    cargo run --release -- mutants {{ arguments }}

# Plays many made-up calls on an adapter, another seed's each time: `just sequences memory 1000 7`.
sequences adapter="memory" count="300" seed="0":
    PORTPROOF_SEQUENCES={{ count }} PORTPROOF_SEED={{ seed }} cargo run -- run --adapter {{ adapter }} \
        --rule identity::random --rule session::random --rule credentials::random --rule keystore::random \
        --rule policies::random --rule assignments::random --rule codes::random \
        --rule refresh_tokens::random --rule entities::random --rule events::random \
        --rule relationships::random --rule organizations::random --rule outbox::random \
        --rule tenants::random

# Runs the cargo-mutants tool: `just cargo-mutants adapter outbox`, `just cargo-mutants suites all --shard 1/100`.
cargo-mutants what port *arguments:
    tests/mutants/cargo-mutants.sh {{ what }} {{ port }} {{ arguments }}

# Measures the adapters and the suites, and compares ratios with the committed baseline, which `PORTPROOF_BLESS=1 just bench` writes anew.
bench *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    ratios=$(mktemp)
    trap 'rm -f "$ratios"' EXIT
    cargo bench -p portproof-tests --bench adapter > "$ratios"
    # The suites as adapter authors run them: without optimization.
    cargo bench --profile dev -p portproof-tests --bench catalogue -- --ratios "$ratios" {{ arguments }}

# Measures how calls take longer with the number of rows: `just bench-scale --rows 1000,10000`.
bench-scale *arguments:
    cargo bench -p portproof-tests --bench scale -- {{ arguments }}

# Runs the suites on every adapter beside two busy loops per core.
busy:
    cargo test -p portproof-tests --test busy

# Builds a Postgres image from Debian packages, for machines that reach no image registry.
image tag="portproof-postgres:15":
    fixtures/postgres-image/build.sh {{ tag }}

# Writes the committed catalogue anew after a rule was added.
catalogue:
    PORTPROOF_BLESS=1 cargo test -p portproof --test catalogue
