//! Data to text: entries first, then tables under headers.

use super::spell::{self, Quotes};
use crate::document::{Data, Path, Step, Type, Value};
use crate::store::json::append;
use crate::store::{EmitError, Layout, MAX_DEPTH};
use zeroize::Zeroizing;

/// Columns that a list on one line may take.
const SHORT: usize = 72;

/// Text that is being written.
pub(super) struct Writer {
    out: Zeroizing<Vec<u8>>,
    line_end: &'static [u8],
    /// The indentation of items on lines of their own.
    indent: usize,
    /// Where the value at hand is, for errors and headers.
    path: Vec<Step>,
}

type Entries = [(Vec<u8>, Data)];

impl Writer {
    /// A writer of what stands at `path`.
    pub(super) fn new(path: Vec<Step>, line_end: &'static [u8], layout: Layout) -> Self {
        Self {
            out: Zeroizing::default(),
            line_end,
            indent: layout.indent.unwrap_or(4),
            path,
        }
    }

    /// What was written.
    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.out
    }

    fn put(&mut self, text: &[u8]) {
        append(&mut self.out, text);
    }

    fn end_line(&mut self) {
        append(&mut self.out, self.line_end);
    }

    fn error<T>(&self, problem: &str) -> Result<T, EmitError> {
        let path = Path(self.path.clone());
        let name = if path.0.is_empty() {
            "the value".to_owned()
        } else {
            format!("the value at {path}")
        };
        Err(EmitError {
            problem: format!("{name} {problem}"),
        })
    }

    /// Enters a step down; refuses what no text could nest.
    fn enter(&mut self, step: Step) -> Result<(), EmitError> {
        self.path.push(step);
        if self.path.len() > MAX_DEPTH {
            return Err(EmitError {
                problem: format!("data nested deeper than {MAX_DEPTH} levels"),
            });
        }
        Ok(())
    }

    /// Writes the entries of a table, then the tables in it under their headers.
    ///
    /// # Errors
    /// [`EmitError`] for null, bytes that are no text and numbers that TOML does not have.
    pub(super) fn table(&mut self, entries: &Entries) -> Result<(), EmitError> {
        let mut comments = Vec::new();
        for (key, data) in entries {
            if let Data::Comment(text, inline) = data {
                comments.push((text, *inline));
                continue;
            }
            let before = std::mem::take(&mut comments);
            if is_section(data) {
                continue;
            }
            self.comments(&before);
            self.enter(Step::Key(key.clone()))?;
            self.key(key)?;
            self.put(b" = ");
            self.value(data, 0)?;
            self.path.pop();
            self.inline_comments(&before);
        }
        // Those behind the last entry. Their place is before the headers.
        for (text, _) in comments {
            self.comment_line(text);
        }
        self.sections(entries)
    }

    fn sections(&mut self, entries: &Entries) -> Result<(), EmitError> {
        let mut comments = Vec::new();
        for (key, data) in entries {
            if let Data::Comment(text, inline) = data {
                comments.push((text, *inline));
                continue;
            }
            let before = std::mem::take(&mut comments);
            if is_section(data) {
                self.enter(Step::Key(key.clone()))?;
                self.section(data, &before)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// Writes a table, or a list of tables, under its headers.
    ///
    /// # Errors
    /// As [`Writer::table`].
    pub(super) fn section(
        &mut self,
        data: &Data,
        before: &[(&Zeroizing<Vec<u8>>, bool)],
    ) -> Result<(), EmitError> {
        match data {
            Data::Map(entries) => {
                let is_way = !entries.is_empty() && entries.iter().all(|e| is_section(&e.1));
                if !is_way || !before.is_empty() {
                    self.header(before, "[", "]")?;
                }
                self.table(entries)
            }
            Data::List(items) => self.items(items, before),
            _ => self.value(data, 0),
        }
    }

    fn items(
        &mut self,
        items: &[Data],
        before: &[(&Zeroizing<Vec<u8>>, bool)],
    ) -> Result<(), EmitError> {
        let mut comments = before.to_vec();
        let mut index = 0;
        for item in items {
            match item {
                Data::Comment(text, inline) => comments.push((text, *inline)),
                Data::Map(entries) => {
                    self.header(&std::mem::take(&mut comments), "[[", "]]")?;
                    self.enter(Step::Index(index))?;
                    self.table(entries)?;
                    self.path.pop();
                    index += 1;
                }
                // `is_section` has looked.
                _ => {}
            }
        }
        for (text, _) in comments {
            self.comment_line(text);
        }
        Ok(())
    }

    fn header(
        &mut self,
        comments: &[(&Zeroizing<Vec<u8>>, bool)],
        open: &str,
        close: &str,
    ) -> Result<(), EmitError> {
        if !self.out.is_empty() {
            self.end_line();
        }
        self.comments(comments);
        self.put(open.as_bytes());
        let path = std::mem::take(&mut self.path);
        let keys = path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_slice()),
            Step::Index(_) => None,
        });
        let is_text = keys.clone().all(|key| std::str::from_utf8(key).is_ok());
        spell::keys(keys, &mut self.out);
        self.path = path;
        self.put(close.as_bytes());
        if !is_text {
            return self.error("has a key that is no text");
        }
        self.inline_comments(comments);
        Ok(())
    }

    fn comments(&mut self, comments: &[(&Zeroizing<Vec<u8>>, bool)]) {
        for (text, _) in comments.iter().filter(|(_, inline)| !inline) {
            self.comment_line(text);
        }
    }

    fn comment_line(&mut self, text: &[u8]) {
        spell::comment(text, &mut self.out);
        self.end_line();
    }

    /// Ends the line of an entry, behind the comments that stand on it.
    fn inline_comments(&mut self, comments: &[(&Zeroizing<Vec<u8>>, bool)]) {
        for (text, _) in comments.iter().filter(|(_, inline)| *inline) {
            self.put(b" ");
            spell::comment(text, &mut self.out);
        }
        self.end_line();
    }

    /// Writes a key.
    ///
    /// # Errors
    /// Where it is no text.
    pub(super) fn key(&mut self, key: &[u8]) -> Result<(), EmitError> {
        if std::str::from_utf8(key).is_err() {
            return self.error("has a key that is no text");
        }
        spell::key(key, &mut self.out);
        Ok(())
    }

    /// Writes a value where it stands: lists and tables in brackets. `level` is the number of
    /// lists on lines of their own around it.
    ///
    /// # Errors
    /// As [`Writer::table`].
    pub(super) fn value(&mut self, data: &Data, level: usize) -> Result<(), EmitError> {
        match data {
            Data::Scalar(ty, text) => self.scalar(*ty, text, Quotes::BASIC),
            Data::Comment(..) => self.error("is a comment alone"),
            Data::List(items) => self.list(items, level),
            Data::Map(entries) => self.inline_table(entries, level),
        }
    }

    /// Writes a scalar, a string in `quotes`; one of several lines in three of them.
    ///
    /// # Errors
    /// As [`Writer::table`].
    pub(super) fn scalar(
        &mut self,
        ty: Type,
        text: &[u8],
        quotes: Quotes,
    ) -> Result<(), EmitError> {
        if ty == Type::Null {
            return self.error("is null, which TOML does not have");
        }
        if let Some(literal) = spell::literal(Value { ty, text }) {
            self.put(literal.as_bytes());
            return Ok(());
        }
        if !matches!(ty, Type::Str | Type::Time) {
            return self.error("is a number that TOML cannot write");
        }
        if std::str::from_utf8(text).is_err() {
            return self.error("is not text, which TOML cannot write");
        }
        let is_lines = quotes == Quotes::BASIC && text.contains(&b'\n');
        let quotes = if is_lines {
            Quotes::lines(self.line_end)
        } else {
            quotes
        };
        spell::string(text, quotes, &mut self.out);
        Ok(())
    }

    fn list(&mut self, items: &[Data], level: usize) -> Result<(), EmitError> {
        let mut room = SHORT;
        let is_short = items.iter().all(|item| takes(item, &mut room));
        self.put(b"[");
        let mut index = 0;
        let mut inline: Option<&Zeroizing<Vec<u8>>> = None;
        for item in items {
            if let Data::Comment(text, true) = item {
                inline = Some(text);
                continue;
            }
            if !is_short {
                self.break_line(level + 1);
            } else if index > 0 {
                self.put(b", ");
            }
            if let Data::Comment(text, _) = item {
                spell::comment(text, &mut self.out);
                continue;
            }
            self.enter(Step::Index(index))?;
            self.value(item, level + usize::from(!is_short))?;
            self.path.pop();
            index += 1;
            if !is_short {
                self.put(b",");
            }
            if let Some(text) = inline.take() {
                self.put(b" ");
                spell::comment(text, &mut self.out);
            }
        }
        if !is_short {
            self.break_line(level);
        }
        self.put(b"]");
        Ok(())
    }

    fn break_line(&mut self, level: usize) {
        self.end_line();
        for _ in 0..level * self.indent {
            append(&mut self.out, b" ");
        }
    }

    /// Writes a table on one line, without comments: TOML 1.0 has no room for them.
    fn inline_table(&mut self, entries: &Entries, level: usize) -> Result<(), EmitError> {
        let mut entries = entries.iter().filter(|e| !matches!(e.1, Data::Comment(..)));
        let Some((key, data)) = entries.next() else {
            self.put(b"{}");
            return Ok(());
        };
        self.put(b"{ ");
        self.member(key, data, level)?;
        for (key, data) in entries {
            self.put(b", ");
            self.member(key, data, level)?;
        }
        self.put(b" }");
        Ok(())
    }

    /// Writes an entry of an inline table.
    ///
    /// # Errors
    /// As [`Writer::table`].
    pub(super) fn member(
        &mut self,
        key: &[u8],
        data: &Data,
        level: usize,
    ) -> Result<(), EmitError> {
        self.enter(Step::Key(key.to_vec()))?;
        self.key(key)?;
        self.put(b" = ");
        self.value(data, level)?;
        self.path.pop();
        Ok(())
    }
}

/// Whether data is written under headers.
pub(super) fn is_section(data: &Data) -> bool {
    match data {
        Data::Map(_) => true,
        Data::List(items) => {
            let mut values = items.iter().filter(|i| !matches!(i, Data::Comment(..)));
            let is_map = |item: &Data| matches!(item, Data::Map(_));
            values.next().is_some_and(is_map) && values.all(is_map)
        }
        _ => false,
    }
}

/// Whether `data` fits on the line, which then has less room. Looks no further than that.
fn takes(data: &Data, room: &mut usize) -> bool {
    let need = match data {
        Data::Scalar(_, text) if text.contains(&b'\n') => return false,
        Data::Scalar(_, text) => text.len() + 4,
        Data::Comment(..) => return false,
        Data::List(_) | Data::Map(_) => 4,
    };
    let Some(left) = room.checked_sub(need) else {
        return false;
    };
    *room = left;
    match data {
        Data::List(items) => items.iter().all(|item| takes(item, room)),
        Data::Map(entries) => entries.iter().all(|(key, data)| {
            let left = room.checked_sub(key.len() + 3);
            *room = left.unwrap_or_default();
            left.is_some() && (matches!(data, Data::Comment(..)) || takes(data, room))
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Data)]) -> Data {
        let entry = |(key, data): &(&str, Data)| (key.as_bytes().to_vec(), data.clone());
        Data::Map(entries.iter().map(entry).collect())
    }

    fn comment(text: &str, inline: bool) -> Data {
        Data::Comment(Zeroizing::new(text.as_bytes().to_vec()), inline)
    }

    fn emitted(data: &Data) -> Result<String, String> {
        let mut writer = Writer::new(Vec::new(), b"\n", Layout::default());
        let Data::Map(entries) = data else { panic!() };
        writer.table(entries).map_err(|error| error.problem)?;
        Ok(String::from_utf8(writer.finish().to_vec()).unwrap())
    }

    #[test]
    fn entries_come_before_tables_and_comments_with_what_they_are_about() {
        let data = map(&[
            ("", comment(" of t", false)),
            ("", comment(" on t", true)),
            ("t", map(&[("k y", Data::str("a\nb")), ("u", map(&[]))])),
            ("", comment(" of a", false)),
            ("", comment(" on a", true)),
            ("a", Data::int(1)),
            ("way", map(&[("in", map(&[("", Data::str(""))]))])),
            (
                "l",
                Data::List(vec![
                    comment(" item", false),
                    map(&[("x", Data::bool(true))]),
                    map(&[]),
                ]),
            ),
            (
                "m",
                Data::List(vec![Data::int(1), map(&[("x", Data::List(vec![]))])]),
            ),
            ("", comment(" last", false)),
        ]);
        assert_eq!(
            emitted(&data).unwrap(),
            "# of a\na = 1 # on a\nm = [1, { x = [] }]\n# last\n\n\
             # of t\n[t] # on t\n\"k y\" = \"\"\"\na\nb\"\"\"\n\n[t.u]\n\n\
             [way.in]\n\"\" = \"\"\n\n# item\n[[l]]\nx = true\n\n[[l]]\n"
        );
    }

    #[test]
    fn a_long_list_has_a_line_for_each_item() {
        let text = Data::str("x".repeat(40));
        let inner = Data::List(vec![Data::int(1), text.clone(), text.clone()]);
        let list = Data::List(vec![comment(" c", false), comment(" d", true), text, inner]);
        let x = "x".repeat(40);
        assert_eq!(
            emitted(&map(&[("l", list)])).unwrap(),
            format!(
                "l = [\n    # c\n    \"{x}\", # d\n    [\n        1,\n        \"{x}\",\n        \"{x}\",\n    ],\n]\n"
            )
        );
    }

    #[test]
    fn what_toml_cannot_hold_is_named_by_its_path() {
        let scalar = |ty, text: &[u8]| Data::Scalar(ty, Zeroizing::new(text.to_vec()));
        for (data, problem) in [
            (
                Data::null(),
                "the value at a[1].b is null, which TOML does not have",
            ),
            (
                scalar(Type::Int, b"99999999999999999999"),
                "the value at a[1].b is a number that TOML cannot write",
            ),
            (
                scalar(Type::Str, b"\xff"),
                "the value at a[1].b is not text, which TOML cannot write",
            ),
        ] {
            let list = Data::List(vec![Data::int(0), map(&[("b", data)])]);
            assert_eq!(emitted(&map(&[("a", list)])).unwrap_err(), problem);
        }
        let odd = Data::Map(vec![(b"\xff".to_vec(), map(&[]))]);
        assert!(emitted(&odd).unwrap_err().contains("a key that is no text"));
        let mut deep = Data::int(1);
        for _ in 0..=MAX_DEPTH {
            deep = map(&[("a", deep)]);
        }
        assert!(emitted(&deep).unwrap_err().contains("nested deeper"));
    }
}
