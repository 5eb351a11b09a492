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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_comes_first() {
        let entries = [
            (b"MAC".to_vec(), Data::str("loud")),
            (b"mac".to_vec(), Data::str("exact")),
            (b"Version".to_vec(), Data::str("any case")),
            (b"age".to_vec(), Data::null()),
        ];
        let fields = Fields(&entries);
        assert_eq!(fields.text("mac").ok(), Some("exact"));
        assert_eq!(fields.text("version").ok(), Some("any case"));
        assert!(fields.value("age").is_none());
    }
}
