//! What the user calls the recipients: for those who read what is printed. Behind the recipient
//! itself, never in its place, since whoever writes the configuration chooses the names.

use super::Context;
use super::configuration::{self, Found};
use std::collections::HashMap;
use std::path::Path;

/// The names of recipients by the ids of their keys.
#[derive(Default)]
pub struct Names(HashMap<String, Vec<String>>);

impl Names {
    /// The names in a configuration.
    pub fn of(found: Option<&Found>) -> Self {
        let mut names = Self::default();
        let named = found
            .into_iter()
            .flat_map(|found| found.config.names.named());
        for named in named.filter(|named| !named.is_group) {
            for id in named.keys.iter().map(configuration::rule_key_id) {
                names.0.entry(id).or_default().push(named.name.clone());
            }
        }
        names
    }

    /// The names in the configuration for `file`; none where it cannot be read.
    pub fn near(context: &Context, file: &Path) -> Self {
        Self::of(configuration::find_silently(context, Some(file)).as_ref())
    }

    /// What the key with this id is called.
    pub fn name(&self, id: &str) -> Option<String> {
        self.0.get(id).map(|names| names.join(", "))
    }

    /// The id, and behind it in parentheses the name.
    pub fn label(&self, id: &str) -> String {
        match self.name(id) {
            Some(name) => format!("{id} ({name})"),
            None => id.to_owned(),
        }
    }

    /// Labels of several keys in a sentence, of which it shows the first few.
    pub fn list<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> String {
        const SHOWN: usize = 5;
        let labels: Vec<String> = ids.into_iter().map(|id| self.label(id)).collect();
        match labels.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => {
                format!("{} and {more} more", labels[..SHOWN].join(", "))
            }
            _ => labels.join(", "),
        }
    }
}
