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
        let name = match path.0.is_empty() {
            true => "the value".to_owned(),
            false => format!("the value at {path}"),
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
