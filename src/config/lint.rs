//! Guesses whether a value that stays in clear is a secret. For warnings only: a miss is
//! possible, a false alarm is a nuisance, so names and addresses of secrets are let pass.

/// Why the value under `key` looks like a secret; `None` where it does not.
#[must_use]
pub fn secret_like(key: &[u8], value: &[u8]) -> Option<&'static str> {
    let (key, value) = (
        std::str::from_utf8(key).ok()?,
        std::str::from_utf8(value).ok()?,
    );
    let value = value.trim();
    if value.is_empty() || is_reference(value) {
        return None;
    }
    known_format(value)
        .or_else(|| named(key, value).then_some("is named like a secret"))
        .or_else(|| random(key, value).then_some("looks random"))
}

/// A template, a placeholder or a token: the secret itself stands elsewhere.
fn is_reference(value: &str) -> bool {
    const OPENINGS: [&str; 10] = [
        "${", "$(", "{{", "<", "ENC[", "ref+", "op://", "vault:", "*", "...",
    ];
    OPENINGS.iter().any(|opening| value.starts_with(opening)) || value.contains("{{")
}

/// Formats that only secrets have.
fn known_format(value: &str) -> Option<&'static str> {
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY") {
        return Some("is a private key");
    }
    if value.split_whitespace().any(has_password) {
        return Some("is an address with a password");
    }
    let mut words = value.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)));
    words.find_map(|word| {
        if is_json_web_token(word) {
            return Some("is a JSON web token");
        }
        let known = PREFIXES.iter().find(|(prefix, length, _)| {
            let rest = word.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.len() >= *length && rest.bytes().all(is_token_byte))
        });
        known.map(|(_, _, reason)| *reason)
    })
}

/// How secrets begin, the least that follows, and what they are.
const PREFIXES: [(&str, usize, &str); 27] = [
    ("AGE-SECRET-KEY-", 50, "is an age identity"),
    ("AKIA", 16, "is an AWS access key"),
    ("ASIA", 16, "is an AWS access key"),
    ("AIza", 35, "is a Google API key"),
    ("github_pat_", 22, "is a GitHub token"),
    ("ghp_", 36, "is a GitHub token"),
    ("gho_", 36, "is a GitHub token"),
    ("ghu_", 36, "is a GitHub token"),
    ("ghs_", 36, "is a GitHub token"),
    ("ghr_", 36, "is a GitHub token"),
    ("glpat-", 20, "is a GitLab token"),
    ("xoxa-", 10, "is a Slack token"),
    ("xoxb-", 10, "is a Slack token"),
    ("xoxp-", 10, "is a Slack token"),
    ("xoxr-", 10, "is a Slack token"),
    ("xoxs-", 10, "is a Slack token"),
    ("xapp-", 10, "is a Slack token"),
    ("sk_live_", 16, "is a Stripe key"),
    ("sk_test_", 16, "is a Stripe key"),
    ("rk_live_", 16, "is a Stripe key"),
    ("whsec_", 16, "is a Stripe key"),
    ("npm_", 36, "is an npm token"),
    ("pypi-", 50, "is a PyPI token"),
    ("hvs.", 20, "is a Vault token"),
    ("dop_v1_", 60, "is a DigitalOcean token"),
    ("SG.", 40, "is a SendGrid key"),
    ("sk-proj-", 20, "is an OpenAI key"),
];

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-.".contains(&b)
}

/// `header.claims.signature`, the first two the base64 of JSON objects.
fn is_json_web_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    matches!(parts[..], [head, claims, tail]
        if head.starts_with("eyJ") && claims.starts_with("eyJ") && head.len() > 10 && tail.len() > 10)
}

/// `scheme://user:password@host`.
fn has_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else {
        return false;
    };
    let password = user.split_once(':').map(|(_, password)| password);
    password.is_some_and(|password| !password.is_empty() && !is_reference(password))
}

/// Whether the key says that its value is a secret, and the value could be one.
fn named(key: &str, value: &str) -> bool {
    let words = words(key);
    let said = words
        .iter()
        .any(|word| SECRET_WORDS.contains(&word.as_str()))
        || words
            .windows(2)
            .any(|pair| pair[1] == "key" && KEY_KINDS.contains(&pair[0].as_str()));
    let about = words
        .last()
        .is_some_and(|last| ABOUT_A_SECRET.contains(&last.as_str()));
    said && !about && could_be_secret(value)
}

const SECRET_WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "passcode",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
    "secretkey",
    "privatekey",
    "accesskey",
    "authtoken",
];

/// What makes a key a secret when it stands before the word.
const KEY_KINDS: [&str; 9] = [
    "api",
    "private",
    "secret",
    "access",
    "auth",
    "encryption",
    "signing",
    "master",
    "license",
];

/// Last words of keys whose value is about a secret, not one.
const ABOUT_A_SECRET: [&str; 48] = [
    "name",
    "names",
    "file",
    "files",
    "path",
    "dir",
    "directory",
    "url",
    "uri",
    "endpoint",
    "host",
    "type",
    "kind",
    "ref",
    "refs",
    "reference",
    "length",
    "size",
    "min",
    "max",
    "ttl",
    "expiry",
    "expiration",
    "expires",
    "timeout",
    "lifetime",
    "age",
    "count",
    "limit",
    "enabled",
    "disabled",
    "required",
    "policy",
    "version",
    "format",
    "provider",
    "header",
    "algorithm",
    "prefix",
    "suffix",
    "regex",
    "namespace",
    "store",
    "backend",
    "mount",
    "user",
    "username",
    "issuer",
];

/// The words of a key in lower case: `dbPassword`, `DB_PASSWORD` and `db-password` are the same.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in key.chars() {
        let ends_word = !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase());
        if ends_word && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn could_be_secret(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let says_nothing = matches!(
        &*lower,
        "true"
            | "false"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "none"
            | "null"
            | "nil"
            | "optional"
            | "required"
    );
    let is_small_number = value.len() < 4 && value.bytes().all(|b| b.is_ascii_digit());
    !says_nothing && !is_small_number && !is_address(value)
}

/// A path or an address (one with a password in it has been found before).
fn is_address(value: &str) -> bool {
    value.contains("://")
        || value.starts_with(['/', '~'])
        || value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("arn:")
}

/// Whether the value is one long word that nobody would choose.
fn random(key: &str, value: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b);
    let long = (20..=512).contains(&value.len());
    long && value.bytes().all(is_word)
        && !is_address(value)
        && !is_public(value)
        && !words(key)
            .iter()
            .any(|word| DIGEST_WORDS.contains(&word.as_str()))
        && if value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            is_random_hex(value)
        } else {
            is_random_text(value)
        }
}

/// Recipients, public keys, checksums in the notation of subresource integrity.
fn is_public(value: &str) -> bool {
    const OPENINGS: [&str; 7] = [
        "age1",
        "sha256-",
        "sha384-",
        "sha512-",
        "AAAAB3Nza",
        "AAAAC3Nza",
        "AAAAE2Vj",
    ];
    OPENINGS.iter().any(|opening| value.starts_with(opening))
}

/// Words in keys of values that are random and public.
const DIGEST_WORDS: [&str; 17] = [
    "sha",
    "sha1",
    "sha256",
    "sha512",
    "md5",
    "hash",
    "digest",
    "checksum",
    "integrity",
    "commit",
    "rev",
    "revision",
    "fingerprint",
    "uuid",
    "public",
    "pubkey",
    "recipient",
];

/// Hexadecimal digits without the shape of a UUID and not as many as a commit has.
fn is_random_hex(value: &str) -> bool {
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    !value.contains('-') && value.len() != 40 && value.len() >= 32 && letters > 3 && digits > 3
}

/// Letters and digits change so often that it is no word, name or path, and few repeat.
fn is_random_text(value: &str) -> bool {
    let parts = value.split(['-', '_', '/']);
    let longest = parts.map(str::len).max().unwrap_or(0);
    // A capital before a small letter begins a word in any name.
    let changes = value
        .as_bytes()
        .windows(2)
        .map(|pair| (class(pair[0]), class(pair[1])))
        .filter(|(a, b)| a != b && (*a, *b) != (1, 0))
        .count();
    let has_digit = value.bytes().any(|b| b.is_ascii_digit());
    longest > 12 && has_digit && changes * 10 >= value.len() * 3 && entropy(value.as_bytes()) >= 3.5
}

fn class(b: u8) -> u8 {
    match b {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}

/// Shannon's entropy in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for b in bytes {
        counts[usize::from(*b)] += 1;
    }
    let total = f64::from(counts.iter().sum::<u32>());
    let shares = counts
        .iter()
        .filter(|n| **n > 0)
        .map(|n| f64::from(*n) / total);
    shares.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(key: &str, value: &str) -> Option<&'static str> {
        secret_like(key.as_bytes(), value.as_bytes())
    }

    #[test]
    fn the_name_gives_it_away() {
        for key in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "admin-pwd",
            "clientSecret",
            "api_key",
            "apiKey",
            "APIKEY",
            "auth.token",
            "AWS_SECRET_ACCESS_KEY",
            "private_key",
            "smtp_passphrase",
            "githubToken",
        ] {
            assert_eq!(
                reason(key, "hunter2"),
                Some("is named like a secret"),
                "{key}"
            );
        }
        assert!(reason("password", "1234").is_some());
    }

    #[test]
    fn what_is_about_a_secret_is_none() {
        for (key, value) in [
            ("secretName", "db-credentials"),
            ("password_file", "hunter2"),
            ("token_url", "somewhere"),
            ("max_tokens", "4096"),
            ("tokenExpiry", "3600"),
            ("password_min_length", "12"),
            ("secretKeyRef", "db"),
            ("password", ""),
            ("password", "true"),
            ("token", "5"),
            ("secret", "/run/secrets/db"),
            ("token", "https://example.com/token"),
            ("password", "${DB_PASSWORD}"),
            ("password", "{{ .Values.pw }}"),
            ("password", "<your password>"),
            ("password", "ENC[AES256_GCM,data:x]"),
            ("key", "name"),
            ("public_key", "abc"),
            ("keyboard", "qwerty"),
            ("secretary", "Ann"),
            ("tokenizer", "bpe"),
            ("compass", "north"),
            ("passwordless", "maybe"),
            ("pin", "GPIO4"),
        ] {
            assert_eq!(reason(key, value), None, "{key}: {value}");
        }
    }

    #[test]
    fn known_formats_are_found_whatever_the_key() {
        let token = "0123456789abcdefghijABCDEFGHIJ0123456789";
        for (value, found) in [
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n".to_owned(),
                "is a private key",
            ),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), "is a private key"),
            ("id=AKIAIOSFODNN7EXAMPLE".to_owned(), "is an AWS access key"),
            (format!("ghp_{token}"), "is a GitHub token"),
            (format!("github_pat_{token}"), "is a GitHub token"),
            (
                "xoxb-123456789012-abcdefghij".to_owned(),
                "is a Slack token",
            ),
            (format!("sk_live_{token}"), "is a Stripe key"),
            (
                "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N".to_owned(),
                "is a JSON web token",
            ),
            (
                "postgres://app:hunter2@db:5432/app".to_owned(),
                "is an address with a password",
            ),
            (
                format!("AGE-SECRET-KEY-1{}", "Q".repeat(58)),
                "is an age identity",
            ),
        ] {
            assert_eq!(reason("x", &value), Some(found), "{value}");
        }
    }

    #[test]
    fn random_words_are_found() {
        for value in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "3f786850e387550fdab836ed7e6dc881",
            "k3j9x0a8q7z2m5n1b4v6",
            "pQ7vX2mK9sLw4TzR8yNc",
            "cGFzc3dvcmQxMjM0NTY3OA==",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(reason("x", value), Some("looks random"), "{value}");
        }
    }

    #[test]
    fn ordinary_values_pass() {
        for value in [
            "hello",
            "a whole sentence with many words in it, and 42 numbers",
            "internationalization",
            "550e8400-e29b-41d4-a716-446655440000",
            "https://example.com/a/b?c=d",
            "git@github.com:getsops/sops.git",
            "registry.example.com/team/app:v1.2.3",
            "nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "/var/lib/postgresql/data/pgdata",
            "charts/MyApplication2/templates",
            "my-long-service-name-v2-production",
            "frontend-7d9f8c6b5d-x2v9k",
            "getUserByIdFromDatabase2",
            "2026-11-21T09:12:28Z",
            "123456789012345678901234",
            "us-east-1",
            "AKIAshort",
            "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab",
            "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu",
            "85D77543B3D624B63CEA9E6DBC17301B491B3F21",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ user@host",
            "kubernetes.io/service-account-token",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "http://user@example.com/",
            "0 0 * * *",
            "application/vnd.api+json",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "AES256_GCM_WITH_SHA384_TLS13",
            "ThisIsACamelCasedIdentifierName",
            "v1.28.3-eks-4f4795d",
        ] {
            assert_eq!(reason("x", value), None, "{value}");
        }
        assert_eq!(
            reason(
                "sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            ),
            None
        );
    }
}
