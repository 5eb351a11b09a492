//! A small reader of YAML for tests of what needs data, not a document.

use crate::document::Data;
use granit_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// `text` as data. Aliases work; of the scalars only the commonest are anything but strings.
pub(crate) fn read(text: &str) -> Data {
    let mut anchors = HashMap::new();
    // Open collections: anchor, whether a mapping, the values so far.
    let mut open: Vec<(usize, bool, Vec<Data>)> = vec![(0, false, Vec::new())];
    for event in Parser::new_from_str(text) {
        let (anchor, done) = match event.unwrap().0 {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::Alias(anchor) => (0, Data::clone(&anchors[&anchor])),
            Event::SequenceStart(_, anchor, _) => {
                open.push((anchor, false, Vec::new()));
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                open.push((anchor, true, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, is_map, values) = open.pop().unwrap();
                (
                    anchor,
                    if is_map {
                        map(values)
                    } else {
                        Data::List(values)
                    },
                )
            }
            _ => continue,
        };
        anchors.insert(anchor, done.clone());
        open.last_mut().unwrap().2.push(done);
    }
    open.remove(0).2.pop().unwrap_or_else(Data::null)
}

fn map(values: Vec<Data>) -> Data {
    let mut values = values.into_iter();
    let mut entries = Vec::new();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        entries.push((key.text().unwrap().as_bytes().to_vec(), value));
    }
    Data::Map(entries)
}

fn scalar(text: &str, style: ScalarStyle) -> Data {
    use crate::document::Type;
    match text {
        _ if style != ScalarStyle::Plain => Data::str(text),
        "" | "null" | "~" => Data::null(),
        "true" | "false" => Data::bool(text == "true"),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Data::int(number),
            (_, Ok(number)) => Data::Scalar(Type::Float, number.to_string().into_bytes().into()),
            _ => Data::str(text),
        },
    }
}
