//! The YAML test suite.
