//! The fuzz targets on stable Rust, without libFuzzer: seeds from the test data, mutated at random
//! for a number of seconds: `cargo run --example fuzz -- TARGET SECONDS [SEED]`.
//!
//! No coverage guides it, so it finds less than `cargo fuzz`; it needs nothing but Rust.
//! The seed of the run is printed; an input that fails is written to `fuzz/artifacts`.

#![allow(
    clippy::exit,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a tool for developers: it prints, and what is wrong ends it"
)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The input that is running, since when.
type Running = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// How long a single input may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Pieces of the languages, thrown in at random places.
const PIECES: &[&str] = &[
    "${",
    "<<E\nx\nE\n",
    "<<-E\n",
    "r \"l\" {\n",
    "}\n",
    "\\\n",
    "!",
    "\\ud800",
    "a\\ b = c\n",
    "// c",
    "/* c */",
    "/*",
    ",\n",
    "\"a\": 1, ",
    "\n",
    "\r\n",
    "\r",
    "  ",
    "\t",
    "- ",
    "? ",
    ": ",
    ":",
    "#",
    " # c",
    "'",
    "\"",
    "\\",
    "|",
    ">",
    "|-\n  ",
    ">+2\n   ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "!t ",
    "!!str ",
    "!!binary ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "<<: ",
    "~",
    "null",
    "true",
    "0x1F",
    "1e3",
    "-0.0",
    "1_0",
    "2024-01-02",
    ".inf",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "😀",
    "\\u00e9",
    "a: b\n",
    "a = 1\n",
    "a.b = ",
    "[t]\n",
    "[[t.u]]\n",
    "\"\"\"",
    "'''\n",
    "07:32",
    " = ",
    "{a = ",
    "inf",
    "A=",
    "export ",
    "\\n",
    "\n\n",
    " \n",
    "`",
    "\"\"\"",
    "=",
    ";",
    " ; c",
    "\\\n",
    "[s]\n",
    "- = ",
    "#\n# a\n",
    "\u{a0}",
    "[DEFAULT]",
];

/// A small generator of random numbers (xorshift); the quality does not matter here.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, seconds, rest @ ..] = arguments.as_slice() else {
        println!("usage: fuzz TARGET SECONDS [SEED]");
        std::process::exit(2);
    };
    let target = targets::TARGETS.iter().find(|(known, _)| known == name);
    let (name, target) = *target.unwrap_or_else(|| panic!("no target {name}"));
    let seed = rest.first().map_or_else(
        || {
            std::time::SystemTime::UNIX_EPOCH
                .elapsed()
                .unwrap()
                .as_nanos() as u64
                | 1
        },
        |seed| seed.parse().unwrap(),
    );
    println!("{name} on stable Rust, seed {seed}");
    let seeds = seeds(name);
    let mut random = Random(seed);
    let deadline = Instant::now() + Duration::from_secs(seconds.parse().unwrap());
    let mut count = 0_u64;
    let running = Running::default();
    watch(name, Arc::clone(&running));
    while Instant::now() < deadline {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut input, &seeds, &mut random);
        }
        *running.lock().unwrap() = Some((Instant::now(), input.clone()));
        if std::panic::catch_unwind(|| target(&input)).is_err() {
            fail(name, "fails", &shrunk(input, target));
        }
        count += 1;
    }
    println!("{name}: {count} inputs, no failure");
}

/// The smallest input found, by leaving pieces out, that still breaks the promise.
fn shrunk(mut input: Vec<u8>, target: fn(&[u8])) -> Vec<u8> {
    std::panic::set_hook(Box::new(|_| ()));
    let deadline = Instant::now() + LONGEST / 2;
    let mut size = input.len().div_ceil(2);
    while size > 0 && Instant::now() < deadline {
        let mut at = 0;
        let before = input.len();
        while at < input.len() {
            let mut less = input.clone();
            less.drain(at..(at + size).min(input.len()));
            if std::panic::catch_unwind(|| target(&less)).is_err() {
                input = less;
            } else {
                at += size;
            }
        }
        if input.len() == before {
            size /= 2;
        }
    }
    input
}

/// Ends the run where one input takes too long: a text of this size is a matter of milliseconds.
fn watch(name: &'static str, running: Running) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            if let Some((since, input)) = &*running.lock().unwrap()
                && since.elapsed() > LONGEST
            {
                fail(name, "takes too long", input);
            }
        }
    });
}

/// Keeps an input that broke a promise, shows it, and ends the run.
fn fail(name: &str, what: &str, input: &[u8]) -> ! {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/artifacts");
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("stable-{}", std::process::id()));
    std::fs::write(&path, input).unwrap();
    println!("{what}: {}", path.display());
    println!("{:?}", String::from_utf8_lossy(input));
    std::process::exit(1);
}

/// The plain files of the test data that this target is about, cut to a size that runs fast.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"a: 1\n".to_vec(),
        b"a = 1\n".to_vec(),
        b"{\"a\": [1, true]}".to_vec(),
        b"[\"a\"][0].b".to_vec(),
        b"{\"a\": 1, // b\n/* c */ \"d\": [2,],}".to_vec(),
    ];
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let wanted = match target.split('_').next().unwrap() {
        "dotenv" => "env",
        other => other,
    };
    if wanted == "config" {
        let example = testdata.join("../.sops.yaml.example");
        seeds.push(std::fs::read(example).unwrap());
        seeds.push(std::fs::read(testdata.join("groups.sops.yaml")).unwrap());
    }
    for folder in ["plain", "beyond-sops", "own-formats", "sops-3.11"] {
        for entry in std::fs::read_dir(testdata.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            let is_wanted = match wanted {
                "metadata" => name.contains(".enc."),
                _ => path.extension().is_some_and(|end| end == wanted) && folder != "sops-3.11",
            };
            if is_wanted {
                seeds.push(std::fs::read(path).unwrap());
            }
        }
    }
    seeds
}

/// Changes an input in one of a few ways.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below(input.len() - at + 1).min(40);
    match random.below(7) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 if at < input.len() => input[at] = random.below(256) as u8,
        3 => {
            let copied = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copied);
        }
        4 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() - from + 1).min(60);
            input.splice(at..end, other[from..to].iter().copied());
        }
        5 => drop(input.drain(..at)),
        _ => {
            let piece = PIECES[random.below(PIECES.len())];
            input.splice(at..at, piece.bytes());
        }
    }
}
