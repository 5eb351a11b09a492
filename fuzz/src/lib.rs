//! What the fuzz targets do with their bytes: each function panics where bulla breaks a promise.
//!
//! They use the public library only, so `examples/fuzz.rs` runs the same ones without libFuzzer.

use bulla::config::{Config, Stores};
use bulla::crypto::{Cipher, DataKey, Nonces, Sealer, Stash, SystemRandom, Token, TokenType};
use bulla::decrypt::{DecryptOptions, decrypt};
use bulla::document::{Document, Path};
use bulla::encrypt::{EncryptError, Encryption, encrypt};
use bulla::keys::{AwsOptions, KeyGroups, Provider, Wrapper};
use bulla::metadata::{Metadata, Selection};
use bulla::store::{self, Layout, ParseOptions, Store};
use std::path::Path as FilePath;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// A target: its name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("yaml_identity", yaml_identity),
    ("json_identity", json_identity),
    ("dotenv_identity", dotenv_identity),
    ("ini_identity", ini_identity),
    ("binary_identity", binary_identity),
    ("toml_identity", toml_identity),
    ("jsonc_identity", jsonc_identity),
    ("properties_identity", properties_identity),
    ("hcl_identity", hcl_identity),
    ("metadata", metadata),
    ("config", config),
    ("token", token),
    ("path", path),
];

/// The recipient of `testdata/keys/alice.txt`; nothing is ever unwrapped here.
const RECIPIENT: &str = "age1phggxvfl964helvzu5we0rj4qnaewjujk7dtdnywfwr6sq7zdens82mv4c";

static KEY: LazyLock<DataKey> = LazyLock::new(|| DataKey::from_bytes(&[7; 32]).expect("32 bytes"));

/// Keys wrapped once: age would take most of the time.
static KEYS: LazyLock<KeyGroups> = LazyLock::new(|| {
    let provider = Provider::find("age").expect("age is built in");
    let mut keys = KeyGroups {
        groups: vec![
            provider
                .parse(RECIPIENT, &AwsOptions::default())
                .expect("a recipient"),
        ],
        threshold: 0,
    };
    keys.wrap_all(&KEY, &mut Wrapper::new(&mut SystemRandom))
        .expect("wrapped");
    keys
});

/// What YAML parses, encrypts and decrypts to the same bytes.
pub fn yaml_identity(bytes: &[u8]) {
    identity(
        store::by_name("yaml").expect("yaml is built in"),
        bytes,
        &Selection::default(),
    );
}

/// What JSON parses, encrypts and decrypts to the same bytes.
pub fn json_identity(bytes: &[u8]) {
    identity(
        store::by_name("json").expect("json is built in"),
        bytes,
        &Selection::default(),
    );
}

/// What dotenv parses, encrypts and decrypts to the same bytes.
pub fn dotenv_identity(bytes: &[u8]) {
    flat_identity(store::by_name("dotenv").expect("dotenv is built in"), bytes);
}

/// What INI parses, encrypts and decrypts to the same bytes.
pub fn ini_identity(bytes: &[u8]) {
    flat_identity(store::by_name("ini").expect("ini is built in"), bytes);
}

/// With everything encrypted, and with one value in clear beside another.
fn flat_identity(store: &'static dyn Store, bytes: &[u8]) {
    identity(store, bytes, &Selection::default());
    let fields = [("encrypted_regex", "[ac-eA]$")];
    let selection = Selection::from_fields(fields).expect("a pattern");
    identity(store, bytes, &selection.expect("a selection"));
}

/// Any bytes encrypt as a binary file and decrypt to the same bytes; and what looks like an
/// encrypted one is read without harm.
pub fn binary_identity(bytes: &[u8]) {
    let store = store::by_name("binary").expect("binary is built in");
    let read = parse(store, bytes);
    let is_sealed = read.is_none_or(|document| document.has_metadata());
    assert!(
        !is_sealed || store::is_envelope(bytes),
        "plain bytes are not taken as such"
    );
    let _ = store::by_content(bytes, ParseOptions::default());
    if !is_sealed {
        identity(store, bytes, &Selection::default());
    }
}

/// What TOML parses, encrypts and decrypts to the same bytes.
pub fn toml_identity(bytes: &[u8]) {
    let store = store::by_name("toml").expect("toml is built in");
    identity(store, bytes, &Selection::default());
}

/// What JSON with comments parses, encrypts and decrypts to the same bytes.
pub fn jsonc_identity(bytes: &[u8]) {
    let store = store::by_name("jsonc").expect("jsonc is built in");
    identity(store, bytes, &Selection::default());
}

/// What properties parse, encrypts and decrypts to the same bytes.
pub fn properties_identity(bytes: &[u8]) {
    let store = store::by_name("properties").expect("properties are built in");
    flat_identity(store, bytes);
}

/// What HCL parses, encrypts and decrypts to the same bytes.
pub fn hcl_identity(bytes: &[u8]) {
    let store = store::by_name("hcl").expect("hcl is built in");
    identity(store, bytes, &Selection::default());
}

fn identity(store: &'static dyn Store, bytes: &[u8], selection: &Selection) {
    let Some(document) = parse(store, bytes) else {
        return;
    };
    if document.has_metadata() || document.branches.is_empty() {
        return;
    }
    let mut metadata = Metadata::new(KEYS.clone(), selection.clone(), false, "3.13.2");
    metadata.last_modified.push_str("2026-01-02T03:04:05Z");
    let how = Encryption {
        store,
        parsing: ParseOptions::default(),
        metadata,
        data_key: &KEY,
        cipher: Cipher::default(),
        stash: Stash::default(),
        random: &mut SystemRandom,
        layout: Layout::default(),
        allow_nested: false,
    };
    let encrypted = match encrypt(&document, how) {
        Ok(encrypted) => encrypted,
        Err(EncryptError::NestedToken(_) | EncryptError::CommentGuard(_)) => return,
        Err(error) => panic!("a text that parses does not encrypt: {error}"),
    };
    let sealed = parse(store, &encrypted.text).expect("the encrypted text parses");
    let block = store.metadata(&sealed).expect("metadata that is a tree");
    let block = block.expect("the encrypted text has metadata");
    let metadata = Metadata::from_data(&block).expect("metadata");
    let options = DecryptOptions::default();
    let plain = decrypt(&sealed, store, &metadata, &KEY, options, None).expect("it decrypts");
    assert!(plain.text.as_slice() == bytes, "other bytes came back");
}

/// A document, or nothing where the text is none; the place of the error lies in the text.
fn parse(store: &dyn Store, bytes: &[u8]) -> Option<Document> {
    match store.parse(Zeroizing::new(bytes.to_vec()), ParseOptions::default()) {
        Ok(document) => Some(document),
        Err(error) => {
            assert!(error.offset <= bytes.len(), "an error behind the text");
            None
        }
    }
}

/// Metadata in any state is read or refused, and what was read is read again once it is written;
/// nothing of it makes a file open.
pub fn metadata(bytes: &[u8]) {
    for store in store::STORES.iter().copied() {
        let Some(document) = parse(store, bytes) else {
            continue;
        };
        let Ok(Some(block)) = store.metadata(&document) else {
            continue;
        };
        let Ok(metadata) = Metadata::from_data(&block) else {
            continue;
        };
        Metadata::from_data(&metadata.to_data()).expect("our own metadata is read");
        let _ = decrypt(
            &document,
            store,
            &metadata,
            &KEY,
            DecryptOptions::default(),
            None,
        );
    }
}

/// A configuration in any state is read or refused.
pub fn config(bytes: &[u8]) {
    let yaml = store::by_name("yaml").expect("yaml is built in");
    let Some(document) = parse(yaml, bytes) else {
        return;
    };
    let Some(root) = document.branches.first().and_then(|branch| branch.root) else {
        return;
    };
    let (data, path) = (document.data(root), FilePath::new(".sops.yaml"));
    if let Ok(config) = Config::from_data(&data, path) {
        let _ = config.rule_for(FilePath::new("/a/secrets/b.yaml"), FilePath::new("/a"));
        Stores::from_data(&data, path).expect("a part of what was read");
    }
}

/// A token that was just made opens to what went in; any other bytes never open.
pub fn token(bytes: &[u8]) {
    let sealer = Sealer::new(&KEY, Cipher::default());
    let mut opened = Zeroizing::new(Vec::new());
    if let Ok(found) = Token::parse(bytes) {
        let opens = sealer.open(&found, b"fuzz:", &mut opened);
        assert!(opens.is_err() && opened.is_empty(), "a made-up token opens");
    }
    if bytes.is_empty() {
        return;
    }
    let mut random = SystemRandom;
    let mut made = Vec::new();
    sealer
        .seal(
            bytes,
            TokenType::Str,
            b"fuzz:",
            &mut Nonces::new(&mut random),
            &mut made,
        )
        .expect("sealed");
    let token = Token::parse(&made).expect("our own token parses");
    sealer
        .open(&token, b"fuzz:", &mut opened)
        .expect("our own token opens");
    assert!(opened.as_slice() == bytes, "other bytes came back");
    opened.clear();
    let elsewhere = sealer.open(&token, b"other:", &mut opened);
    assert!(
        elsewhere.is_err() && opened.is_empty(),
        "a token opens in another place"
    );
}

/// A path that parses is written so that it parses to itself.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(path) = Path::parse(text) else {
        return;
    };
    if let Ok(again) = Path::parse(&path.to_string()) {
        assert_eq!(path, again, "another path came back");
    }
}
