//! The program: see `bulla::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bulla::cli::run()
}
