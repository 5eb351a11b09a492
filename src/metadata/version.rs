//! The version in the metadata: a semantic version, or anything of the 1.x line.

use super::{Metadata, MetadataError};

impl Metadata {
    /// Refuses a version that sops refuses; it does so for every command that opens a file.
    ///
    /// # Errors
    /// [`MetadataError::Version`].
    pub fn check_version(&self) -> Result<(), MetadataError> {
        check(&self.version).map_err(|problem| MetadataError::Version {
            version: self.version.clone(),
            problem,
        })
    }
}

impl Metadata {
    /// Makes the version at least `version`, as every editing of a file does.
    pub fn raise_version(&mut self, version: &str) {
        if numbers(&self.version) < numbers(version) {
            version.clone_into(&mut self.version);
        }
    }
}

/// Major, minor and patch; what is no number counts as 0.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    [0; 3].map(|_| parts.next().and_then(|part| part.parse().ok()).unwrap_or(0))
}

/// See <https://semver.org/spec/v2.0.0.html>; a leading `v` is allowed.
fn check(version: &str) -> Result<(), &'static str> {
    if version.starts_with("1.") {
        return Ok(());
    }
    let version = version.strip_prefix('v').unwrap_or(version);
    if version.is_empty() {
        return Err("Version string empty");
    }
    let mut parts = version.splitn(3, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("No Major.Minor.Patch elements found");
    };
    let (rest, build) = match rest.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (rest, None),
    };
    let (patch, pre) = match rest.split_once('-') {
        Some((patch, pre)) => (patch, Some(pre)),
        None => (rest, None),
    };
    for number in [major, minor, patch] {
        if number.parse::<u64>().is_err() || !is_numeric(number) {
            return Err("Invalid character(s) found in version number");
        }
        if has_leading_zero(number) {
            return Err("Version number must not contain leading zeroes");
        }
    }
    if !pre.is_none_or(|pre| identifiers(pre, true)) {
        return Err("Invalid prerelease version");
    }
    if !build.is_none_or(|build| identifiers(build, false)) {
        return Err("Invalid build meta data");
    }
    Ok(())
}

fn identifiers(text: &str, is_prerelease: bool) -> bool {
    text.split('.').all(|part| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let numbered = is_prerelease && is_numeric(part) && has_leading_zero(part);
        !part.is_empty() && part.bytes().all(allowed) && !numbered
    })
}

fn is_numeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn semantic_versions_and_the_old_line_are_accepted() {
        for right in [
            "3.13.2",
            "v3.8.0",
            "3.9.0-rc.1",
            "3.10.0+abc.007",
            "3.0.0-a-b",
            "1.0",
            "1.",
            "1.x",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn everything_else_is_refused_in_the_words_of_sops() {
        assert_eq!(check(""), Err("Version string empty"));
        for partial in ["3", "3.13", "main"] {
            assert_eq!(check(partial), Err("No Major.Minor.Patch elements found"));
        }
        for wrong in [
            "3.013.2",
            "3.x.2",
            "3.13.2-",
            "3.13.2-01",
            "3.13.2+",
            "3.13.2.1",
            "+3.1.1",
            "3..1",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
