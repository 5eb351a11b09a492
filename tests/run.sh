#!/usr/bin/env bash
# Runs all tests: installs the tools that bulla is compared with, then every unit, integration and
# documentation test, with cargo-nextest where there is one. Arguments go to the test runner.
set -euo pipefail

cd "$(dirname "$0")/.."
tests/peers.sh > /dev/null
if cargo nextest --version > /dev/null 2>&1; then
    cargo nextest run --locked "$@"
else
    cargo test --locked --all-targets "$@"
fi
cargo test --locked --doc
