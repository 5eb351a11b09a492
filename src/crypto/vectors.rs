//! The vectors of `testdata/vectors`, made by other implementations. Tests only.

use super::{Cipher, DataKey, Nonces, OpenError, Random, RandomError, Sealer, Token, TokenType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const AEAD: &str = include_str!("../../testdata/vectors/aead.txt");
const DERIVE: &str = include_str!("../../testdata/vectors/derive.txt");
const WYCHEPROOF: &str = include_str!("../../testdata/vectors/wycheproof.txt");
const SOPS: &str = include_str!("../../testdata/vectors/sops.txt");

/// The words of every line that is no comment.
pub(super) fn lines(file: &str) -> Vec<Vec<&str>> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').collect()).collect()
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches('-').as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn key(hex: &str) -> DataKey {
    DataKey::from_bytes(&unhex(hex)).unwrap()
}

/// Gives the bytes it was given: a nonce that a test chooses.
struct Fixed(Vec<u8>);

impl Random for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        for (byte, given) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *given;
        }
        Ok(())
    }
}

fn seal(sealer: &Sealer, plaintext: &[u8], aad: &[u8], nonce: &[u8]) -> Vec<u8> {
    let mut random = Fixed(nonce.to_vec());
    let mut out = b"before ".to_vec();
    let mut nonces = Nonces::new(&mut random);
    sealer
        .seal(plaintext, TokenType::Str, aad, &mut nonces, &mut out)
        .unwrap();
    assert!(out.starts_with(b"before "));
    out.split_off(7)
}

fn open(sealer: &Sealer, token: &[u8], aad: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut out = Zeroizing::new(b"before ".to_vec());
    let opened = sealer.open(&Token::parse(token).unwrap(), aad, &mut out);
    assert!(out.starts_with(b"before "));
    assert!(opened.is_ok() || out.len() == 7, "nothing is left behind");
    opened.map(|()| out[7..].to_vec())
}

struct Vector {
    sealer: Sealer,
    iv: Vec<u8>,
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    /// The token that other implementations make of it; none where only a hash is known.
    ciphertext: Option<Vec<u8>>,
    hash: String,
    tag: Vec<u8>,
}

impl Vector {
    fn read(words: &[&str]) -> Self {
        let cipher = Cipher::from_name(words[0].as_bytes()).unwrap();
        let plaintext = match words[4].strip_prefix('=') {
            Some(len) => (0..len.parse::<u32>().unwrap())
                .map(|i| (i % 251) as u8)
                .collect(),
            None => unhex(words[4]),
        };
        let hash = words[5].strip_prefix("sha256=");
        Self {
            sealer: Sealer::new(&key(words[1]), cipher),
            iv: unhex(words[2]),
            aad: unhex(words[3]),
            plaintext,
            ciphertext: hash.is_none().then(|| unhex(words[5])),
            hash: hash.unwrap_or_default().to_owned(),
            tag: unhex(words[6]),
        }
    }

    /// True for the length of IV that is written; others are only read.
    fn is_written(&self) -> bool {
        let len = match self.sealer.cipher() {
            Cipher::Aes256Gcm => 32,
            Cipher::XChaCha20Poly1305 => 24,
        };
        self.iv.len() == len
    }

    fn token(&self, ciphertext: &[u8], iv: &[u8], tag: &[u8]) -> Vec<u8> {
        let [data, iv, tag] = [ciphertext, iv, tag].map(|bytes| STANDARD.encode(bytes));
        let name = self.sealer.cipher().name();
        format!("ENC[{name},data:{data},iv:{iv},tag:{tag},type:str]").into_bytes()
    }

    /// The ciphertext, made here where only its hash is given, and then compared with that.
    fn ciphertext(&self) -> Vec<u8> {
        if let Some(ciphertext) = &self.ciphertext {
            return ciphertext.clone();
        }
        assert!(
            self.is_written(),
            "of what is only read, the whole is given"
        );
        let sealed = seal(&self.sealer, &self.plaintext, &self.aad, &self.iv);
        let data = Token::parse(&sealed).unwrap().data;
        let ciphertext = STANDARD.decode(data).unwrap();
        let hash = Sha256::digest(&ciphertext);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, self.hash);
        ciphertext
    }
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<_> = lines(AEAD)
        .iter()
        .map(|words| Vector::read(words))
        .collect();
    assert!(vectors.len() > 140);
    vectors
}

#[test]
fn sealing_gives_the_bytes_that_others_give() {
    for vector in vectors().iter().filter(|vector| vector.is_written()) {
        let token = vector.token(&vector.ciphertext(), &vector.iv, &vector.tag);
        let sealed = seal(&vector.sealer, &vector.plaintext, &vector.aad, &vector.iv);
        assert_eq!(sealed, token);
    }
}

#[test]
fn opening_takes_the_bytes_that_others_give() {
    for vector in vectors() {
        let token = vector.token(&vector.ciphertext(), &vector.iv, &vector.tag);
        assert_eq!(
            open(&vector.sealer, &token, &vector.aad),
            Ok(vector.plaintext)
        );
    }
}

#[test]
fn what_wycheproof_calls_valid_opens_and_nothing_else() {
    let tests = lines(WYCHEPROOF);
    assert_eq!(tests.len(), 379);
    for words in tests {
        let [vector @ .., result, number] = &words[..] else {
            panic!("an empty line")
        };
        let vector = Vector::read(vector);
        let ciphertext = vector.ciphertext();
        let token = vector.token(&ciphertext, &vector.iv, &vector.tag);
        let opened = Token::parse(&token).map(|_| open(&vector.sealer, &token, &vector.aad));
        let expected = (*result == "valid").then(|| vector.plaintext.clone());
        assert_eq!(opened.ok().and_then(Result::ok), expected, "{number}");
        if expected.is_some() && vector.is_written() {
            let sealed = seal(&vector.sealer, &vector.plaintext, &vector.aad, &vector.iv);
            assert_eq!(sealed, token, "{number}");
        }
    }
}

#[test]
fn whatever_is_changed_is_refused() {
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x40;
        bytes
    };
    for vector in vectors() {
        let (iv, tag, ciphertext) = (&vector.iv, &vector.tag, vector.ciphertext());
        let refused = |token: Vec<u8>, aad: &[u8]| {
            assert_eq!(open(&vector.sealer, &token, aad), Err(OpenError::Forged));
        };
        for at in [0, ciphertext.len() - 1] {
            refused(
                vector.token(&flipped(&ciphertext, at), iv, tag),
                &vector.aad,
            );
        }
        for at in [0, 15] {
            refused(
                vector.token(&ciphertext, iv, &flipped(tag, at)),
                &vector.aad,
            );
        }
        refused(
            vector.token(&ciphertext, &flipped(iv, iv.len() - 1), tag),
            &vector.aad,
        );
        let token = vector.token(&ciphertext, iv, tag);
        refused(token.clone(), &[&vector.aad[..], b":"].concat());
        let other = Sealer::new(&key(&"00".repeat(32)), vector.sealer.cipher());
        assert_eq!(open(&other, &token, &vector.aad), Err(OpenError::Forged));
    }
}

#[test]
fn an_iv_is_bound_with_its_length() {
    // A GHASH that forgot the length could not tell these.
    let sealer = Sealer::new(&key(&"07".repeat(32)), Cipher::Aes256Gcm);
    let token = seal(&sealer, b"value", b"a:", &[0; 32]);
    let parsed = Token::parse(&token).unwrap();
    for len in [1, 12, 16, 31, 33, 48, 1000] {
        let iv = STANDARD.encode(vec![0; len]);
        let changed = Token {
            iv: iv.as_bytes(),
            ..parsed
        };
        let mut out = Zeroizing::new(Vec::new());
        assert_eq!(
            sealer.open(&changed, b"a:", &mut out),
            Err(OpenError::Forged)
        );
    }
}

#[test]
fn tokens_of_sops_are_opened() {
    for words in lines(SOPS) {
        let [data_key, aad, plaintext, token] = words[..] else {
            panic!("four words");
        };
        let sealer = Sealer::new(&key(data_key), Cipher::Aes256Gcm);
        let opened = open(&sealer, token.as_bytes(), &unhex(aad));
        assert_eq!(opened, Ok(unhex(plaintext)));
        let parsed = Token::parse(token.as_bytes()).unwrap();
        let iv = STANDARD.decode(parsed.iv).unwrap();
        if parsed.ty == TokenType::Str {
            let again = seal(&sealer, &unhex(plaintext), &unhex(aad), &iv);
            assert_eq!(again, token.as_bytes());
        }
    }
}

#[test]
fn derived_keys_are_those_of_hkdf_expand() {
    for words in lines(DERIVE) {
        assert_eq!(key(words[0]).derive(&unhex(words[1])), key(words[2]));
    }
}

#[test]
fn base64_is_read_as_go_reads_it() {
    let sealer = Sealer::new(&key(&"66".repeat(32)), Cipher::Aes256Gcm);
    let token = |data: &str, tag: &str| {
        let iv = "MyIDYbT718JRr11QtBkcj3Dwm4k1aCGZBVeZf0EyV8o=";
        let token = format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]");
        open(&sealer, token.as_bytes(), b"bar:")
    };
    let tag = "t5z2Z023Up0kxwCgw1gNxg==";
    let opened = Ok(b"foo".to_vec());
    assert_eq!(token("oYyi", tag), opened);
    assert_eq!(token("o\rYy\ri\r", tag), opened);
    assert_eq!(
        token("oYyi", "t5z2Z023Up0kxwCgw1gNxh=="),
        opened,
        "unused bits"
    );
    assert_eq!(
        token("oYyit5z2", "Z023Up0kxwCgw1gNxg=="),
        opened,
        "a moved border"
    );
    assert_eq!(token("oYyi", "t5z2Z023Up0kxwCgw1gNxg=\r="), opened);
    let bad = |part| Err(OpenError::Base64(part));
    assert_eq!(
        token("oYyi", "t5z2Z023Up0kxwCgw1gNxg"),
        bad(super::Part::Tag)
    );
    assert_eq!(token("oYyi=", tag), bad(super::Part::Data));
    assert_eq!(token("oY i", tag), bad(super::Part::Data));
    assert_eq!(token("oY_i", tag), bad(super::Part::Data));
    assert_eq!(
        token("oYyi", "AAAA"),
        Err(OpenError::Length(super::Part::Tag))
    );
}

#[test]
fn impossible_tokens_and_values_are_refused() {
    let data_key = key(&"07".repeat(32));
    let [aes, chacha] = Cipher::ALL.map(|cipher| Sealer::new(&data_key, cipher));
    let token = seal(&aes, b"value", b"a:", &[1; 32]);
    assert_eq!(
        open(&chacha, &token, b"a:"),
        Err(OpenError::Cipher {
            expected: Cipher::XChaCha20Poly1305,
            found: Cipher::Aes256Gcm,
        })
    );
    let no_iv = |cipher: Cipher| {
        let name = cipher.name();
        format!("ENC[{name},data:AAAA,iv:\r,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]").into_bytes()
    };
    let length = Err(OpenError::Length(super::Part::Iv));
    assert_eq!(open(&aes, &no_iv(aes.cipher()), b""), length);
    assert_eq!(open(&chacha, &no_iv(chacha.cipher()), b""), length);
    let mut random = Fixed(vec![1]);
    let mut nonces = Nonces::new(&mut random);
    let mut out = Vec::new();
    let empty = aes.seal(b"", TokenType::Str, b"a:", &mut nonces, &mut out);
    assert_eq!((empty, out), (Err(super::SealError::Empty), Vec::new()));
}

#[test]
fn nothing_shows_the_key() {
    let sealer = Sealer::new(&key(&"61".repeat(32)), Cipher::Aes256Gcm);
    assert_eq!(format!("{sealer:?}"), "Sealer(AES256_GCM)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_sealed_opens_again(
        bytes: [u8; 32],
        plaintext in prop::collection::vec(any::<u8>(), 1..400),
        aad in prop::collection::vec(any::<u8>(), 0..80),
        nonce: [u8; 32],
    ) {
        for cipher in Cipher::ALL {
            let sealer = Sealer::new(&DataKey::from_bytes(&bytes).unwrap(), cipher);
            let token = seal(&sealer, &plaintext, &aad, &nonce);
            prop_assert_eq!(open(&sealer, &token, &aad), Ok(plaintext.clone()));
        }
    }

    #[test]
    fn a_changed_byte_never_gives_another_value(at in 0usize..110, byte: u8) {
        let sealer = Sealer::new(&key(&"07".repeat(32)), Cipher::Aes256Gcm);
        let mut token = seal(&sealer, b"value", b"a:", &[3; 32]);
        let Some(place) = token.get_mut(at) else { return Ok(()) };
        *place = byte;
        let mut out = Zeroizing::new(Vec::new());
        if let Ok(token) = Token::parse(&token)
            && sealer.open(&token, b"a:", &mut out).is_ok()
        {
            prop_assert_eq!(&out[..], b"value");
        } else {
            prop_assert!(out.is_empty());
        }
    }
}
