//! The integration tests: the program as its users meet it, on the command line, beside real sops.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and writes its own files"
)]

mod support;

mod age;
mod agent;
mod architecture;
mod audit;
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod binary;
mod completion;
mod config;
mod conformance;
mod conversions;
mod decrypt;
mod detection;
mod dotenv;
mod edit;
mod encrypt;
mod exec_env;
mod exec_file;
mod explain;
mod export;
mod filestatus;
#[cfg(feature = "gcp")]
mod gcp;
mod goldens;
mod gpg_agent;
mod groups;
mod hcl;
#[cfg(feature = "huawei")]
mod huawei;
mod ini;
mod init;
mod jsonc;
mod keyservice;
mod large;
mod legacy;
mod lossless;
mod merge;
mod peers;
mod pgp;
mod plugins;
mod properties;
mod publish;
mod publish_clouds;
mod readme;
mod rotate;
mod schema;
mod secrets;
mod section7;
mod set;
mod toml;
mod trees;
mod unset;
mod updatekeys;
mod vault;
mod why;
