//! The map kept true: layers, a word at the head of every file, no test file forgotten.

use crate::support::repository;
use std::path::{Path, PathBuf};

/// The layers of the library, each of which may name only those before it.
const LAYERS: [&str; 13] = [
    "document",
    "store",
    "crypto",
    "keys",
    "metadata",
    "encrypt",
    "decrypt",
    "change",
    "variables",
    "export",
    "git",
    "config",
    "cli",
];

/// `encrypt`, `decrypt`, `change` and `variables` are one layer.
fn rank(module: &str) -> Option<usize> {
    let rank = LAYERS.iter().position(|layer| *layer == module)?;
    Some(match rank {
        5..=8 => 5,
        other => other,
    })
}

/// Every Rust file below a folder of the repository, sorted.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The module below `src` that a file belongs to: `store` for `src/store/yaml/mod.rs`.
fn module(path: &Path) -> String {
    let below = path.strip_prefix(repository("src")).unwrap();
    let first = below.components().next().unwrap();
    let first = Path::new(first.as_os_str());
    first.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The modules that a line of code names through `crate::`, outside of tests and comments.
fn named(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for (at, start) in code.match_indices("crate::") {
            let rest = &code[at + start.len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list
                    .split([',', '}'])
                    .map(|name| name.trim().split("::").next().unwrap_or_default())
                    .collect(),
                None => rest
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .take(1)
                    .collect(),
            };
            found.extend(names.into_iter().map(|name| (number + 1, name.to_owned())));
        }
    }
    found
}

#[test]
fn a_layer_names_only_layers_to_its_left() {
    let mut faults = Vec::new();
    for path in sources("src") {
        let Some(own) = rank(&module(&path)) else {
            continue;
        };
        let source = std::fs::read_to_string(&path).unwrap();
        for (line, name) in named(&source) {
            if rank(&name).is_some_and(|other| other > own) {
                faults.push(format!("{}:{line}: names {name}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_is_a_layer_or_known() {
    for path in sources("src") {
        let module = module(&path);
        let known = rank(&module).is_some() || ["lib", "main"].contains(&module.as_str());
        assert!(known, "{}: which layer is it?", path.display());
    }
}

#[test]
fn only_the_command_line_touches_disk_terminal_environment_and_clock() {
    const OUTSIDE: [&str; 8] = [
        "std::fs",
        "std::env",
        "std::process",
        "std::io::std",
        "SystemTime::now",
        "println!",
        "print!",
        "Instant::now",
    ];
    let mut faults = Vec::new();
    for path in sources("src") {
        let is_test = ["suite.rs", "vectors.rs", "fakes.rs"]
            .iter()
            .any(|name| path.ends_with(name));
        if is_test || ["cli", "main"].contains(&module(&path).as_str()) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for (number, line) in source.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in OUTSIDE.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        if !repository(folder).exists() {
            continue;
        }
        for path in sources(folder) {
            if path.components().any(|part| part.as_os_str() == "target") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let head = source.lines().find(|line| !line.starts_with("#!"));
            assert!(
                head.is_some_and(|line| line.starts_with("//! ")),
                "{}: no `//!` at its head",
                path.display()
            );
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let main = std::fs::read_to_string(repository("tests/it/main.rs")).unwrap();
    for path in sources("tests/it") {
        if path.parent().unwrap() != repository("tests/it") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            name == "main" || main.contains(&format!("mod {name};")),
            "tests/it/{name}.rs is in no module"
        );
    }
}

#[test]
fn the_last_line_of_defence_against_unsafe_stands() {
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}
