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

    /// Labels of several keys in a sentence, of which it shows the first few, and of a recipient
    /// of thousands of letters (a post-quantum one) both ends.
    pub fn list<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> String {
        const SHOWN: usize = 5;
        let label = |id| {
            self.name(id)
                .map_or_else(|| short(id), |name| format!("{} ({name})", short(id)))
        };
        let labels: Vec<String> = ids.into_iter().map(label).collect();
        match labels.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => {
                format!("{} and {more} more", labels[..SHOWN].join(", "))
            }
            _ => labels.join(", "),
        }
    }
}

fn short(id: &str) -> String {
    const LONGEST: usize = 120;
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= LONGEST {
        return id.to_owned();
    }
    let (head, tail) = (&letters[..24], &letters[letters.len() - 8..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recipients_are_shortened_in_a_sentence_and_many_are_counted() {
        let long = format!("age1pq1{}end", "q".repeat(2000));
        let names = Names(HashMap::from([(long.clone(), vec!["alice".to_owned()])]));
        let ids = [long.as_str(), "b", "c", "d", "e", "f", "g"];
        let list = names.list(ids);
        assert_eq!(
            list,
            "age1pq1qqqqqqqqqqqqqqqqq…qqqqqend (alice), b, c, d, e and 2 more"
        );
        assert_eq!(names.label("b"), "b");
        assert!(names.label(&long).ends_with("qend (alice)"));
    }
}
