//! Loose reading of a mapping, as sops does it since 3.13: names in any case, numbers
//! and truth values as text, text as numbers, nothing where something is left out.

use super::MetadataError;
use crate::document::{Data, Type};

type Read<T> = Result<T, MetadataError>;

/// The entries of a mapping.
pub(super) struct Fields<'d>(pub(super) &'d [(Vec<u8>, Data)]);

impl<'d> Fields<'d> {
    /// The value of a field: under its exact name, else under its name in any case.
    /// A null is no value.
    pub(super) fn value(&self, name: &str) -> Option<&'d Data> {
        let find = |matches: &dyn Fn(&[u8]) -> bool| {
            let mut entries = self.0.iter();
            entries.find(|(key, value)| !matches!(value, Data::Comment(..)) && matches(key))
        };
        find(&|key| key == name.as_bytes())
            .or_else(|| find(&|key| key.eq_ignore_ascii_case(name.as_bytes())))
            .map(|(_, value)| value)
            .filter(|value| !matches!(value, Data::Scalar(Type::Null, _)))
    }

    /// A text; empty where there is none.
    pub(super) fn text(&self, name: &str) -> Read<&'d str> {
        match self.value(name) {
            None => Ok(""),
            Some(Data::List(items)) if items.is_empty() => Ok(""),
            Some(value) => value.text().ok_or_else(|| wrong(name, "a text")),
        }
    }

    /// A count: `2`, `"2"`, `0x2`, `2.0`, true.
    pub(super) fn count(&self, name: &str) -> Read<usize> {
        let text = self.text(name)?;
        count(text).ok_or_else(|| wrong(name, "a whole number that is not negative"))
    }

    /// A truth value: `true`, `"True"`, `1`, `"f"`.
    pub(super) fn truth(&self, name: &str) -> Read<bool> {
        match self.text(name)? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            text => text
                .parse::<f64>()
                .map(|number| number != 0.0)
                .map_err(|_| wrong(name, "true or false")),
        }
    }
}

/// The error of a field with a wrong value.
pub(super) fn wrong(field: &str, expected: &'static str) -> MetadataError {
    MetadataError::Field {
        field: field.to_owned(),
        expected,
    }
}

fn count(text: &str) -> Option<usize> {
    let digits = text.replace('_', "").to_ascii_lowercase();
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    let radix = |prefix, radix| {
        let digits: &str = digits.strip_prefix(prefix)?;
        usize::from_str_radix(digits, radix).ok()
    };
    match digits {
        "" | "false" => Some(0),
        "true" => Some(1),
        _ => radix("0x", 16)
            .or_else(|| radix("0b", 2))
            .or_else(|| radix("0o", 8))
            .or_else(|| radix("0", 8))
            .or_else(|| digits.parse().ok())
            .or_else(|| whole(digits)),
    }
}

/// A number whose fraction is zero: `2.000000`.
fn whole(number: &str) -> Option<usize> {
    let (whole, fraction) = number.split_once('.')?;
    let is_zero = fraction.bytes().all(|b| b == b'0');
    is_zero.then(|| whole.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_in_many_spellings() {
        for two in [
            "2", "+2", "0x2", "0b10", "0o2", "2.0", "2.000000", "02", "2.",
        ] {
            assert_eq!(count(two), Some(2), "{two}");
        }
        assert_eq!(
            (count(""), count("True"), count("1_0")),
            (Some(0), Some(1), Some(10))
        );
        for wrong in ["-1", "2.5", "two", "1e30", "NaN", "0x", "inf"] {
            assert_eq!(count(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_exact_name_comes_first() {
        let entries = [
            (b"MAC".to_vec(), Data::str("loud")),
            (b"mac".to_vec(), Data::str("exact")),
            (b"Version".to_vec(), Data::str("any case")),
            (b"age".to_vec(), Data::null()),
        ];
        let fields = Fields(&entries);
        assert_eq!(fields.text("mac"), Ok("exact"));
        assert_eq!(fields.text("version"), Ok("any case"));
        assert!(fields.value("age").is_none());
    }
}
