//! The integration tests: the program as its users meet it, on the command line, beside real sops.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and writes its own files"
)]

mod support;

mod architecture;
mod completion;
mod config;
mod decrypt;
mod edit;
mod encrypt;
mod explain;
mod filestatus;
mod goldens;
mod hcl;
mod init;
mod jsonc;
mod legacy;
mod lossless;
mod peers;
mod properties;
mod readme;
mod rotate;
mod secrets;
mod section7;
mod set;
mod unset;
mod updatekeys;
