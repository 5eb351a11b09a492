//! Random trees: what one program encrypts the other decrypts to the same data, in every format.
//! Many trees stand in one file, so that starting programs does not take the time.
//!
//! `BULLA_TREES=10000 cargo nextest run trees::` runs that many for each format.

use crate::support::{Case, Sandbox, age_key, same_data, text};
use serde_json::{Map, Value};
use std::path::Path;

/// How many trees a format is tried with, where the environment does not say.
const TREES: usize = 200;
/// How many of them stand in one file.
const IN_A_FILE: usize = 50;

fn trees() -> usize {
    let given = std::env::var("BULLA_TREES").ok();
    given.map_or(TREES, |n| n.parse().expect("a number in BULLA_TREES"))
}

/// `SplitMix64`: the same trees for the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A text of some of these characters, often one that looks like something else.
    fn text(&mut self, alphabet: &[char]) -> String {
        let length = self.below(14);
        (0..length).map(|_| self.pick(alphabet)).collect()
    }

    fn string(&mut self) -> String {
        const WORDS: [&str; 20] = [
            "true",
            "null",
            "~",
            "12",
            "0x1f",
            "1e3",
            "-",
            "? a",
            "- a",
            "a: b",
            "a #b",
            "2024-01-02",
            "ENC[",
            ".inf",
            "yes",
            "<<",
            "\ttab\nline",
            "\n",
            " ",
            "&a",
        ];
        match self.below(4) {
            0 => self.pick(&WORDS).to_owned(),
            1 => self.text(
                &"abc 123 \t\n\"'\\:#,[]{}&*!|>%@`-?"
                    .chars()
                    .collect::<Vec<_>>(),
            ),
            2 => self.text(
                &"aé漢😀\u{a0}\u{2028}\u{feff}\u{1}\u{7f}\u{85}<>&"
                    .chars()
                    .collect::<Vec<_>>(),
            ),
            _ => self.text(&['a', 'b', 'c', ' ', '_']),
        }
    }

    fn number(&mut self) -> Value {
        let small = self.below(2_000_000) as i64 - 1_000_000;
        match self.below(4) {
            0 => Value::from(self.below(10)),
            1 => Value::from(small),
            2 => Value::from((self.roll() >> 12) as i64),
            // Neither -0.0, which breaks the MAC of sops, nor what JSON cannot write.
            _ => Value::from(small as f64 / 1024.0 + 0.000_1),
        }
    }

    fn tree(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 4 } else { 8 };
        match self.below(kinds) {
            0 | 1 => Value::from(self.string()),
            2 => self.number(),
            3 => [Value::Null, true.into(), false.into()][self.below(3)].clone(),
            4 | 5 => (0..self.below(5)).map(|_| self.tree(depth - 1)).collect(),
            _ => self.mapping(depth),
        }
    }

    fn mapping(&mut self, depth: usize) -> Value {
        let mut entries = Map::new();
        for _ in 0..self.below(5) {
            let key = self.string();
            // sops makes a merge of `<<`, and cannot read the keys of several lines that it writes
            // where they start with a blank.
            let is_lost = key == "<<" || key.contains('\n') && key.starts_with(['\t', '\n', ' ']);
            if !is_lost {
                entries.insert(key, self.tree(depth - 1));
            }
        }
        Value::Object(entries)
    }
}

/// A file of many trees.
fn forest(dice: &mut Dice) -> Value {
    let trees = (0..IN_A_FILE).map(|n| (format!("tree{n}"), dice.tree(4)));
    Value::Object(trees.collect())
}

/// A tree as YAML, its styles by chance.
fn yaml(value: &Value, indent: usize, dice: &mut Dice, out: &mut String) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(entries) if !entries.is_empty() && dice.below(8) > 0 => {
            for (key, value) in entries {
                out.push('\n');
                out.push_str(&blanks);
                out.push_str(&scalar(key, dice));
                out.push(':');
                yaml(value, indent + 1 + dice.below(4), dice, out);
            }
        }
        Value::Array(items) if !items.is_empty() && dice.below(8) > 0 => {
            for item in items {
                out.push('\n');
                out.push_str(&blanks);
                out.push('-');
                yaml(item, indent + 1 + dice.below(4), dice, out);
            }
        }
        Value::String(text) if is_block(text) && dice.below(2) == 0 => {
            out.push_str(" |-\n");
            let lines: Vec<String> = text.split('\n').map(|l| format!("{blanks}{l}")).collect();
            out.push_str(&lines.join("\n"));
        }
        Value::String(text) => {
            out.push(' ');
            out.push_str(&scalar(text, dice));
        }
        // Flow style is JSON.
        other => {
            out.push(' ');
            out.push_str(&json(other));
        }
    }
}

/// Whether a block scalar without indicators can hold a text as it is.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && text.split('\n').all(|line| {
            line.starts_with(|c: char| c.is_ascii_alphabetic())
                && line.bytes().all(|b| b.is_ascii_graphic())
        })
}

/// A string on one line of YAML: plain, in single or in double quotes.
fn scalar(text: &str, dice: &mut Dice) -> String {
    let is_simple = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let is_word = !text.is_empty() && text.bytes().all(|b| matches!(b, b'b' | b'c' | b'_'));
    match dice.below(3) {
        0 if is_word => text.to_owned(),
        1 if is_simple => format!("'{}'", text.replace('\'', "''")),
        _ => json(&Value::from(text)),
    }
}

/// JSON in which all but ASCII is escaped where YAML 1.1 could not hold it raw.
fn json(value: &Value) -> String {
    let odd = ['\u{2028}', '\u{feff}', '\u{7f}', '\u{85}'];
    let mut text = value.to_string();
    for c in odd {
        text = text.replace(c, &format!("\\u{:04x}", c as u32));
    }
    text
}

/// Encrypts by the one program and decrypts by the other, both ways; what comes out in the format
/// `to` must satisfy `check`.
fn both_ways(name: &str, plain: &[u8], to: &str, check: &dyn Fn(&[u8]) -> Result<(), String>) {
    let alice = age_key("alice").recipient;
    let programs = [crate::support::bulla(), crate::support::sops()];
    for (writer, reader) in [(programs[0], programs[1]), (programs[1], programs[0])] {
        let sandbox = Sandbox::new();
        sandbox.file(name, plain);
        let run = |program: &Path, args: &[&str]| {
            let output = Case::within(&sandbox, program).args(args).output();
            let said = text(&output.stderr);
            assert!(
                output.status.success(),
                "{}: {said}\n--- plain\n{}\n--- file\n{}",
                program.display(),
                text(plain),
                text(&sandbox.read(name))
            );
            output.stdout
        };
        run(writer, &["encrypt", "-i", "--age", &alice, name]);
        let got = run(reader, &["decrypt", "--output-type", to, name]);
        if let Err(place) = check(&got) {
            panic!(
                "{} wrote, {} read: differs at {place}\n--- plain\n{}\n--- got\n{}",
                writer.display(),
                reader.display(),
                text(plain),
                text(&got)
            );
        }
    }
}

fn files() -> impl Iterator<Item = Dice> {
    (0..trees().div_ceil(IN_A_FILE)).map(|n| Dice(n as u64))
}

#[test]
fn json_trees() {
    for mut dice in files() {
        let forest = forest(&mut dice);
        let plain = forest.to_string();
        both_ways("f.json", plain.as_bytes(), "json", &|got| {
            same_data(got, plain.as_bytes())
        });
    }
}

#[test]
fn yaml_trees() {
    for mut dice in files() {
        let Value::Object(trees) = forest(&mut dice) else {
            unreachable!("a forest is an object");
        };
        let mut plain = String::new();
        for (name, tree) in &trees {
            plain.push_str(name);
            plain.push(':');
            yaml(tree, 1 + dice.below(4), &mut dice, &mut plain);
            plain.push('\n');
        }
        let expected = Value::Object(trees).to_string();
        both_ways("f.yaml", plain.as_bytes(), "json", &|got| {
            same_data(got, expected.as_bytes())
        });
    }
}

#[test]
fn dotenv_files() {
    const ALPHABET: &str = "abc 12 =#\"'$\\:;,{}[]é漢😀";
    let alphabet: Vec<char> = ALPHABET.chars().collect();
    for mut dice in files() {
        let (mut plain, mut expected) = (String::new(), Map::new());
        for n in 0..5 * IN_A_FILE {
            let value = dice.text(&alphabet);
            plain += &format!("KEY_{n}={value}\n");
            expected.insert(format!("KEY_{n}"), Value::from(value.replace("\\n", "\n")));
        }
        let expected = Value::Object(expected).to_string();
        both_ways("f.env", plain.as_bytes(), "json", &|got| {
            same_data(got, expected.as_bytes())
        });
    }
}

#[test]
fn ini_files() {
    // Nothing that the reader of sops cuts off, takes away or joins.
    const ALPHABET: &str = "abc12$:,{}[]=éo漢😀!?";
    let alphabet: Vec<char> = ALPHABET.chars().collect();
    for mut dice in files() {
        let (mut plain, mut expected) = (String::new(), Map::new());
        for section in 0..IN_A_FILE {
            plain += &format!("[section{section}]\n");
            let mut entries = Map::new();
            for n in 0..=dice.below(6) {
                let value = dice.text(&alphabet);
                let sign = dice.pick(&["=", " = ", " : ", ":  "]);
                plain += &format!("key{n}{sign}{value}\n");
                entries.insert(format!("key{n}"), Value::from(value));
            }
            expected.insert(format!("section{section}"), Value::Object(entries));
        }
        let expected = Value::Object(expected).to_string();
        // The section of keys without one is there, and empty.
        let check = |got: &[u8]| {
            let mut got: Map<String, Value> = serde_json::from_slice(got).unwrap();
            got.remove("DEFAULT");
            same_data(
                Value::Object(got).to_string().as_bytes(),
                expected.as_bytes(),
            )
        };
        both_ways("f.ini", plain.as_bytes(), "json", &check);
    }
}

#[test]
fn binary_files() {
    // One value fills a file: as many programs start as there are values, so they are fewer.
    for n in 0..trees().div_ceil(IN_A_FILE) {
        let mut dice = Dice(n as u64);
        let length = dice.below(5_000);
        let plain: Vec<u8> = (0..length).map(|_| dice.roll() as u8).collect();
        both_ways("f.bin", &plain, "binary", &|got| {
            (got == plain)
                .then_some(())
                .ok_or_else(|| "a byte".to_owned())
        });
    }
}
