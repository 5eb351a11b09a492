//! Keys of Google Cloud KMS, against servers that follow its documentation with real keys behind
//! them: over gRPC and REST, with every kind of credentials, and whatever may go wrong.

mod accounts;
mod grpc;
mod kms;
mod rest;
mod tls;

use crate::support::http::HttpServer;
use crate::support::{Case, Running, Sandbox, age_key, strip_metadata};
use accounts::{
    CLIENT_SECRET, IMPERSONATE, REFRESH_TOKEN, ROBOT, SUBJECT_TOKEN, TARGET, TOKEN, robot, tokens,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kms::{
    Asked, Kms, Mishap, USE_TO_DECRYPT, USE_TO_ENCRYPT, exhausted, key, refusal, service_disabled,
    unauthenticated, unavailable,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PLAIN: &str = "# kept\na: 1\nb: two\n";

/// A service that is asked in one of the two ways.
struct Fake {
    kms: Arc<Kms>,
    kind: &'static str,
    endpoint: String,
    _server: Option<HttpServer>,
}

impl Fake {
    fn start(kind: &'static str, keys: &[&str]) -> Self {
        let kms = Kms::new(keys);
        let (endpoint, server) = if kind == "rest" {
            let server = rest::start(&kms);
            (format!("{}/base", server.url()), Some(server))
        } else {
            (format!("http://{}", grpc::start(&kms, None)), None)
        };
        Self {
            kms,
            kind,
            endpoint,
            _server: server,
        }
    }

    /// A command that asks this service, without a key of this machine and without credentials.
    fn anonymous(&self, case: Case) -> Case {
        case.no_identity()
            .env("SOPS_GCP_KMS_ENDPOINT", &self.endpoint)
            .env("SOPS_GCP_KMS_CLIENT_TYPE", self.kind)
            // nothing of a test may ask the network
            .env("GCE_METADATA_HOST", "127.0.0.1:1")
    }

    /// The same with a token.
    fn case(&self, case: Case) -> Case {
        self.anonymous(case)
            .env("GOOGLE_OAUTH_ACCESS_TOKEN", TOKEN)
            .never_says(TOKEN)
    }

    /// A file that is encrypted for these keys.
    fn encrypted(&self, sandbox: &Sandbox, keys: &[&str]) {
        let ids: Vec<String> = keys.iter().map(|name| key(name)).collect();
        sandbox.file("f.yaml", PLAIN);
        self.case(sandbox.bulla(["encrypt", "-i", "--gcp-kms", &ids.join(","), "f.yaml"]))
            .run();
        self.kms.asked();
    }

    fn verbs(&self) -> Vec<(&'static str, String)> {
        let asked = self.kms.asked().into_iter();
        asked.map(|asked| (asked.verb, asked.name)).collect()
    }
}

const KINDS: [&str; 2] = ["grpc", "rest"];

/// Runs a command that fails, and looks for texts in what it says; the report as it is without the
/// breaks of its lines.
fn refused(case: Case, status: i32, said: &[&str]) -> String {
    let report = case.any_stderr().status(status).run().stderr;
    let report = report.replace("\n      | ", " ");
    for text in said {
        assert!(report.contains(text), "{text:?} is not in\n{report}");
    }
    report
}

/// The entries of GCP keys in the metadata of a JSON or YAML file.
fn entries(sandbox: &Sandbox, name: &str) -> Vec<(String, String)> {
    let text = sandbox.read_text(name);
    let field = |name: &'static str| {
        text.lines()
            .filter_map(move |line| line.trim().trim_start_matches("- ").strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    field("resource_id:").zip(field("enc:")).collect()
}

#[test]
fn a_file_makes_the_whole_round_over_both_ways() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one", "two", "three"]), Sandbox::new());
        let both = format!("{}, {}", key("one"), key("two"));
        sandbox.file("f.yaml", PLAIN);
        fake.case(sandbox.bulla(["encrypt", "-i", "f.yaml"]))
            .env("SOPS_GCP_KMS_IDS", both)
            .run();
        let asked = fake.kms.asked();
        let mut names: Vec<_> = asked.iter().map(|asked| asked.name.clone()).collect();
        names.sort();
        assert_eq!(names, [key("one"), key("two")]);
        let data_key = asked[0].bytes.clone();
        assert_eq!(data_key.len(), 32);
        assert!(
            asked
                .iter()
                .all(|asked| asked.bytes == data_key && asked.bearer == TOKEN)
        );

        let entries = entries(&sandbox, "f.yaml");
        assert_eq!(entries.len(), 2);
        for (id, enc) in entries {
            let asked = Asked {
                verb: "decrypt",
                name: id,
                bytes: BASE64_STANDARD.decode(enc).expect("standard base64"),
                checksum: None,
                bearer: TOKEN.to_owned(),
                quota_project: String::new(),
            };
            let checksum = Some(i64::from(kms::checksum(&asked.bytes)));
            let done = fake.kms.answer(Asked { checksum, ..asked });
            assert_eq!(done.map(|done| done.bytes).ok(), Some(data_key.clone()));
        }
        fake.kms.asked();

        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        assert!(fake.verbs().iter().all(|(verb, _)| *verb == "decrypt"));

        let before = sandbox.read_text("f.yaml");
        fake.case(sandbox.bulla(["set", "f.yaml", "[\"b\"]", "\"three\""]))
            .run();
        assert!(fake.verbs().iter().all(|(verb, _)| *verb == "decrypt"));
        assert_ne!(
            strip_metadata(&before),
            strip_metadata(&sandbox.read_text("f.yaml"))
        );

        fake.case(sandbox.bulla(["rotate", "-i", "f.yaml"]))
            .any_stderr()
            .run();
        let asked = fake.kms.asked();
        let fresh: Vec<_> = asked
            .iter()
            .filter(|asked| asked.verb == "encrypt")
            .collect();
        assert!(fresh.len() == 2 && fresh.iter().all(|asked| asked.bytes != data_key));

        let rule = format!(
            "creation_rules:\n  - gcp_kms: {},{}\n",
            key("two"),
            key("three")
        );
        sandbox.file(".sops.yaml", rule);
        fake.case(sandbox.bulla(["updatekeys", "-y", "f.yaml"]))
            .any_stdout()
            .any_stderr()
            .run();
        let verbs = fake.verbs();
        let wrapped = verbs.iter().filter(|(verb, _)| *verb == "encrypt");
        let mut wrapped: Vec<_> = wrapped.map(|(_, name)| name.clone()).collect();
        wrapped.sort();
        assert_eq!(wrapped, [key("three"), key("two")]);

        fake.case(sandbox.bulla([
            "groups",
            "add",
            "-i",
            "-f",
            "f.yaml",
            "--gcp-kms",
            &key("one"),
        ]))
        .any_stderr()
        .run();
        fake.kms.asked();
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN.replace("two", "three"))
            .run();
        let asked = fake.kms.asked();
        assert!(
            asked.iter().any(|asked| asked.name == key("one")),
            "{asked:?}"
        );
    }
}

#[test]
fn a_key_of_this_machine_opens_the_file_and_nobody_is_asked() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        sandbox.file("f.yaml", PLAIN);
        let alice = age_key("alice").recipient;
        let args = [
            "encrypt",
            "-i",
            "--age",
            &alice,
            "--gcp-kms",
            &key("one"),
            "f.yaml",
        ];
        fake.case(sandbox.bulla(args)).run();
        assert_eq!(fake.verbs(), [("encrypt", key("one"))]);
        // with credentials that are none: they are not even looked at
        fake.anonymous(sandbox.bulla(["decrypt", "f.yaml"]))
            .env("GOOGLE_CREDENTIALS", "nonsense")
            .identity("alice")
            .expect_stdout(PLAIN)
            .run();
        sandbox
            .sops(["decrypt", "f.yaml"])
            .expect_stdout("# kept\na: 1\nb: two\n")
            .run();
        assert_eq!(fake.verbs(), []);
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        assert_eq!(fake.verbs(), [("decrypt", key("one"))]);
        refused(
            fake.case(sandbox.bulla(["--offline", "decrypt", "f.yaml"])),
            128,
            &["not asked (--offline)"],
        );
        assert_eq!(fake.verbs(), []);
    }
}

#[test]
fn one_key_that_fails_does_not_hinder_another() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one", "two"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one", "two"]);
        fake.kms.set_state("one", "DISABLED");
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        fake.kms.set_state("two", "DESTROY_SCHEDULED");
        let flags = "--key one --keyring sops --location europe-west3 --project acme";
        refused(
            fake.case(sandbox.bulla(["decrypt", "f.yaml"])),
            128,
            &[
                "is not enabled, current state is: DISABLED. (FAILED_PRECONDITION)",
                &format!("gcloud kms keys versions enable 1 {flags}"),
                "gcloud kms keys versions restore 1 --key two",
            ],
        );
    }
}

/// What goes wrong, and what must be said of it.
fn refusals() -> Vec<(kms::Refusal, Vec<String>)> {
    let has = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    vec![
        (
            unauthenticated(),
            has(&[
                "invalid authentication credentials",
                "(UNAUTHENTICATED, ACCESS_TOKEN_EXPIRED)",
                "hint: a token lives for an hour: GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth",
            ]),
        ),
        (
            service_disabled(),
            has(&["hint: `gcloud services enable cloudkms.googleapis.com --project 123`"]),
        ),
        (
            refusal(403, "PERMISSION_DENIED", 7, "Caller may not use project 9.")
                .info("USER_PROJECT_DENIED", &[("consumer", "projects/9")]),
            has(&[
                "counted to the project 9",
                "roles/serviceusage.serviceUsageConsumer",
            ]),
        ),
        (
            refusal(403, "PERMISSION_DENIED", 7, "This API needs billing.")
                .info("BILLING_DISABLED", &[]),
            has(&["the project acme has no billing account"]),
        ),
        (
            refusal(403, "PERMISSION_DENIED", 7, "Insufficient scopes.")
                .info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", &[]),
            has(&["lacks the scope"]),
        ),
    ]
}

#[test]
fn what_is_refused_is_said_with_its_reason_and_the_next_step() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        for (refusal, said) in refusals() {
            fake.kms.mishaps("one", [Mishap::Refuse(refusal)]);
            let said: Vec<&str> = said.iter().map(String::as_str).collect();
            let case = fake.case(sandbox.bulla(["decrypt", "f.yaml"]));
            let said = refused(case, 128, &said);
            let named = format!("Google Cloud KMS, {}: ", key("one"));
            assert!(said.contains(&named), "{said}");
            assert_eq!(fake.verbs().len(), 1, "{said}");
        }
    }
}

#[test]
fn a_missing_permission_is_named_with_who_lacks_it() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        fake.kms.accounts.deny("me@acme.com", USE_TO_ENCRYPT);
        fake.kms.accounts.deny("me@acme.com", USE_TO_DECRYPT);
        let denied = |permission: &str| {
            format!(
                "Permission '{permission}' denied on resource '{}'",
                key("one")
            )
        };
        let bind = "gcloud kms keys add-iam-policy-binding one --keyring sops --location \
                    europe-west3 --project acme --member MEMBER --role roles/cloudkms.cryptoKey";
        refused(
            fake.case(sandbox.bulla(["decrypt", "f.yaml"])),
            128,
            &[
                &denied(USE_TO_DECRYPT),
                "(PERMISSION_DENIED, IAM_PERMISSION_DENIED)",
                &format!("GOOGLE_OAUTH_ACCESS_TOKEN lacks {USE_TO_DECRYPT}"),
                &format!("{bind}Decrypter` grants it"),
            ],
        );
        sandbox.file("g.yaml", PLAIN);
        let before = sandbox.read("g.yaml");
        fake.kms.asked();
        let denied = refused(
            fake.case(sandbox.bulla(["encrypt", "-i", "--gcp-kms", &key("one"), "g.yaml"])),
            1,
            &[
                &denied(USE_TO_ENCRYPT),
                &format!("{bind}Encrypter` grants it"),
            ],
        );
        let data_key = &fake.kms.asked()[0].bytes;
        let hex: String = data_key.iter().map(|byte| format!("{byte:02x}")).collect();
        for secret in [
            BASE64_STANDARD.encode(data_key),
            hex,
            format!("{data_key:?}"),
        ] {
            assert!(!denied.contains(&secret));
        }
        assert_eq!(sandbox.read("g.yaml"), before);
    }
}

#[test]
fn unknown_keys_and_wrong_ones_are_told_apart() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one", "two"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        let text = sandbox.read_text("f.yaml");
        sandbox.file("wrong.yaml", text.replace(&key("one"), &key("two")));
        refused(
            fake.case(sandbox.bulla(["decrypt", "wrong.yaml"])),
            128,
            &[
                "verify that 'name' refers to the correct CryptoKey",
                "hint: another key, or a version of it that is gone",
            ],
        );
        sandbox.file("unknown.yaml", text.replace(&key("one"), &key("none")));
        refused(
            fake.case(sandbox.bulla(["decrypt", "unknown.yaml"])),
            128,
            &[
                &format!("CryptoKey {} not found. (NOT_FOUND)", key("none")),
                "gcloud kms keys list --keyring sops --location europe-west3",
            ],
        );
        let enc = entries(&sandbox, "f.yaml").remove(0).1;
        sandbox.file("damaged.yaml", text.replace(&enc, "not%base64"));
        fake.kms.asked();
        refused(
            fake.case(sandbox.bulla(["decrypt", "damaged.yaml"])),
            128,
            &["enc is not standard base64"],
        );
        // a name that would lead to another path or another host is not sent anywhere
        sandbox.file(
            "hostile.yaml",
            text.replace(&key("one"), "projects/../../x?y"),
        );
        refused(
            fake.case(sandbox.bulla(["decrypt", "hostile.yaml"])),
            128,
            &["the resource id is none of a key"],
        );
        assert_eq!(fake.verbs(), []);
    }
}

#[test]
fn what_passes_is_asked_again_and_not_for_ever() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        let passing = [exhausted(), unavailable(), exhausted()];
        fake.kms.mishaps("one", passing.map(Mishap::Refuse));
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        assert_eq!(fake.verbs().len(), 4);
        for (refusal, said) in [
            (exhausted(), "hint: too many requests: wait a minute"),
            (unavailable(), "currently unavailable. (UNAVAILABLE)"),
        ] {
            fake.kms.mishaps("one", vec![Mishap::Refuse(refusal); 9]);
            refused(
                fake.case(sandbox.bulla(["decrypt", "f.yaml"])),
                128,
                &[said],
            );
            assert_eq!(fake.verbs().len(), 4);
        }
    }
}

#[test]
fn what_was_garbled_on_the_way_is_asked_for_again() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.kms
            .mishaps("one", [Mishap::WrongChecksum, Mishap::Unverified]);
        sandbox.file("f.yaml", PLAIN);
        fake.case(sandbox.bulla(["encrypt", "-i", "--gcp-kms", &key("one"), "f.yaml"]))
            .run();
        assert_eq!(fake.verbs().len(), 3);
        fake.kms.mishaps("one", [Mishap::WrongChecksum]);
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        assert_eq!(fake.verbs().len(), 2);
        fake.kms.mishaps("one", vec![Mishap::WrongChecksum; 9]);
        refused(
            fake.case(sandbox.bulla(["decrypt", "f.yaml"])),
            128,
            &["its answer cannot be used: the checksum does not match"],
        );
        // a server that knows no checksums is one, too
        fake.kms.mishaps("one", vec![Mishap::NoChecksums; 2]);
        sandbox.file("f.yaml", PLAIN);
        fake.case(sandbox.bulla(["encrypt", "-i", "--gcp-kms", &key("one"), "f.yaml"]))
            .run();
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
    }
}

/// What `gcloud auth application-default login` leaves.
fn me(tokens: &HttpServer) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "1.apps.googleusercontent.com",
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
        "quota_project_id": "counted-here",
        "token_uri": format!("{}/token", tokens.url()),
        "universe_domain": "googleapis.com",
    })
}

fn workload(tokens: &HttpServer, sandbox: &Sandbox) -> Value {
    let file = sandbox.root().join("subject");
    std::fs::write(&file, SUBJECT_TOKEN).unwrap();
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", tokens.url()),
        "credential_source": {"file": file},
    })
}

fn borrowed(tokens: &HttpServer) -> Value {
    json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": format!("{}{IMPERSONATE}", tokens.url()),
        "source_credentials": me(tokens),
    })
}

#[test]
fn every_kind_of_credentials_opens_the_file() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one", "two", "three"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        let kms = Arc::clone(&fake.kms);
        let tokens = tokens(move || Arc::clone(&kms));
        let path = sandbox.root().join("credentials.json");
        let decrypt = |who: &str, set: &dyn Fn(Case) -> Case| {
            let case = fake.anonymous(sandbox.bulla(["decrypt", "f.yaml"]));
            set(case).expect_stdout(PLAIN).run();
            for asked in fake.kms.asked() {
                let owner = fake.kms.accounts.who(&asked.bearer);
                assert_eq!(owner.as_deref(), Some(who));
                let counted = if who == "me@acme.com" {
                    "counted-here"
                } else {
                    ""
                };
                assert_eq!(asked.quota_project, counted);
            }
        };
        for (json, who) in [
            (robot(), ROBOT),
            (me(&tokens), "me@acme.com"),
            (workload(&tokens, &sandbox), "workload@acme"),
            (borrowed(&tokens), TARGET),
        ] {
            let text = json.to_string();
            std::fs::write(&path, &text).unwrap();
            decrypt(who, &|case| case.env("GOOGLE_CREDENTIALS", &text));
            // the path of it, which goes before a token
            decrypt(who, &|case| {
                case.env("GOOGLE_CREDENTIALS", &path)
                    .env("GOOGLE_OAUTH_ACCESS_TOKEN", "nonsense")
            });
            decrypt(who, &|case| {
                case.env("GOOGLE_APPLICATION_CREDENTIALS", &path)
            });
        }
        let home = sandbox.home().join(".config/gcloud");
        std::fs::create_dir_all(&home).unwrap();
        let file = home.join("application_default_credentials.json");
        std::fs::write(&file, me(&tokens).to_string()).unwrap();
        decrypt("me@acme.com", &|case| {
            case.env("GOOGLE_APPLICATION_CREDENTIALS", "")
        });
        let before = tokens.asked().len();
        sandbox.file("g.yaml", PLAIN);
        let ids = ["one", "two", "three"].map(key).join(",");
        fake.anonymous(sandbox.bulla(["encrypt", "-i", "--gcp-kms", &ids, "g.yaml"]))
            .run();
        assert_eq!(tokens.asked().len() - before, 1, "one token for three keys");
        assert_eq!(fake.verbs().len(), 3);
        std::fs::remove_file(&file).unwrap();
        let host = tokens.url().replace("http://", "");
        decrypt("machine@acme.iam.gserviceaccount.com", &|case| {
            case.env("GCE_METADATA_HOST", &host)
        });
        fake.anonymous(sandbox.bulla(["decrypt", "f.yaml"]))
            .env("GOOGLE_OAUTH_ACCESS_TOKEN", TOKEN)
            .env("GOOGLE_CLOUD_QUOTA_PROJECT", "another")
            .expect_stdout(PLAIN)
            .run();
        let asked = fake.kms.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].quota_project, "another");
    }
}

#[test]
fn credentials_that_are_of_no_use_say_why_and_keep_their_secrets() {
    let (fake, sandbox) = (Fake::start("grpc", &["one"]), Sandbox::new());
    fake.encrypted(&sandbox, &["one"]);
    let kms = Arc::clone(&fake.kms);
    let tokens = tokens(move || Arc::clone(&kms));
    let with = |json: Value, said: &[&str]| {
        let case = fake
            .anonymous(sandbox.bulla(["decrypt", "f.yaml"]))
            .env("GOOGLE_CREDENTIALS", json.to_string())
            .never_says("hunter2")
            .never_says("PRIVATE KEY");
        refused(case, 128, said);
    };
    let mut revoked = me(&tokens);
    revoked["refresh_token"] = json!("1//0-another-hunter2");
    with(
        revoked,
        &[
            "gets no access token: Token has been expired or revoked. (invalid_grant)",
            "hint: `gcloud auth application-default login` logs in again",
        ],
    );
    let mut stale = workload(&tokens, &sandbox);
    std::fs::write(sandbox.root().join("stale"), "old-hunter2").unwrap();
    stale["credential_source"]["file"] = json!(sandbox.root().join("stale"));
    with(stale, &["The subject token is expired. (invalid_grant)"]);
    fake.kms
        .accounts
        .deny("me@acme.com", "iam.serviceAccounts.getAccessToken");
    with(
        borrowed(&tokens),
        &[
            "'iam.serviceAccounts.getAccessToken' denied",
            "roles/iam.serviceAccountTokenCreator",
        ],
    );
    let mut broken = robot();
    broken["private_key"] =
        json!("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n");
    with(broken, &[&format!("{ROBOT} gets no access token")]);
    let mut other = robot();
    other["client_email"] = json!("other@acme.iam.gserviceaccount.com");
    fake.kms
        .accounts
        .deny("other@acme.iam.gserviceaccount.com", USE_TO_DECRYPT);
    with(
        other,
        &["other@acme.iam.gserviceaccount.com lacks cloudkms."],
    );
    with(
        json!({"type": "external_account_authorized_user", "x": "hunter2"}),
        &["are not known", "known are service_account"],
    );
    let mut foreign = robot();
    foreign["universe_domain"] = json!("s3nsapis.fr");
    refused(
        fake.anonymous(sandbox.bulla(["decrypt", "f.yaml"]))
            .without("SOPS_GCP_KMS_ENDPOINT")
            .env("SOPS_GCP_KMS_UNIVERSE_DOMAIN", "example.org")
            .env("GOOGLE_CREDENTIALS", foreign.to_string()),
        128,
        &["the credentials are of the universe \"s3nsapis.fr\""],
    );
    assert_eq!(
        fake.verbs().len(),
        1,
        "only the one that lacks a permission asked"
    );
}

#[test]
fn without_credentials_the_ways_to_have_some_are_named() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        refused(
            fake.anonymous(sandbox.bulla(["decrypt", "f.yaml"])),
            128,
            &[
                "no credentials: neither GOOGLE_CREDENTIALS",
                ".config/gcloud/application_default_credentials.json",
                "hint: `gcloud auth application-default login` logs in",
            ],
        );
        refused(
            fake.anonymous(sandbox.bulla(["decrypt", "f.yaml"]))
                .env("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.expired-hunter2")
                .never_says("hunter2"),
            128,
            &[
                "(UNAUTHENTICATED, ACCESS_TOKEN_EXPIRED)",
                "hint: a token lives for an hour",
            ],
        );
    }
}

#[test]
fn a_service_that_cannot_be_reached_is_told_from_one_that_must_not_be() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        refused(
            fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
                .env("SOPS_GCP_KMS_ENDPOINT", "http://127.0.0.1:1"),
            128,
            &[
                "Google Cloud KMS cannot be reached: 127.0.0.1",
                "Connection refused",
                "hint: is the network up",
            ],
        );
        refused(
            fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
                .env("SOPS_GCP_KMS_ENDPOINT", "http://kms.example.com"),
            128,
            &[
                "SOPS_GCP_KMS_ENDPOINT: \"http://kms.example.com\"",
                "credentials would go out in clear",
            ],
        );
        // a proxy gets nothing that is in clear
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env("http_proxy", "http://127.0.0.1:1")
            .expect_stdout(PLAIN)
            .run();
    }
}

#[test]
fn another_client_type_is_grpc_as_in_sops_and_is_mentioned_where_it_fails() {
    let (fake, sandbox) = (Fake::start("grpc", &["one"]), Sandbox::new());
    fake.encrypted(&sandbox, &["one"]);
    for odd in ["", "GRPC", "http"] {
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .env("SOPS_GCP_KMS_CLIENT_TYPE", odd)
            .expect_stdout(PLAIN)
            .run();
    }
    fake.kms.set_state("one", "DISABLED");
    refused(
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .env("SOPS_GCP_KMS_CLIENT_TYPE", "http"),
        128,
        &["SOPS_GCP_KMS_CLIENT_TYPE is \"http\", which is neither grpc nor rest"],
    );
}

#[test]
fn a_service_that_never_answers_is_not_waited_for_for_ever() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (fake, sandbox) = (Fake::start("rest", &["one"]), Sandbox::new());
    fake.encrypted(&sandbox, &["one"]);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for kind in KINDS {
            let case = fake
                .case(sandbox.bulla(["decrypt", "f.yaml"]))
                .env("SOPS_GCP_KMS_ENDPOINT", &endpoint)
                .env("SOPS_GCP_KMS_CLIENT_TYPE", kind);
            scope.spawn(move || refused(case, 128, &["no answer within 30 seconds"]));
        }
    });
    assert!(start.elapsed() < Duration::from_secs(55));
}

#[test]
fn the_way_out_is_encrypted_and_may_lead_through_a_proxy() {
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        fake.encrypted(&sandbox, &["one"]);
        let kms = Arc::clone(&fake.kms);
        let address = if kind == "rest" {
            tls::start(move |request| rest::reply(&kms, request))
        } else {
            let pem = tls::identity();
            grpc::start(&kms, Some(tonic::transport::Identity::from_pem(&pem, &pem)))
        };
        let proxy = tls::Proxy::start(address);
        let decrypt = |endpoint: &str| {
            fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
                .env("SOPS_GCP_KMS_ENDPOINT", endpoint)
                .env("SSL_CERT_FILE", tls::authority())
        };
        let local = format!("https://127.0.0.1:{}/base", address.port());
        decrypt(&local).expect_stdout(PLAIN).run();
        let through = |endpoint: &str| {
            let proxy = format!("http://me:hunter2@{}", proxy.address);
            let case = decrypt(endpoint).env("HTTPS_PROXY", proxy);
            case.never_says("hunter2").never_says("aHVudGVyMg")
        };
        through("kms.test/base").expect_stdout(PLAIN).run();
        let heads = proxy.heads();
        assert!(heads[0].starts_with("CONNECT kms.test:443 "), "{heads:?}");
        let basic = BASE64_STANDARD.encode("me:hunter2");
        assert!(heads[0].contains(&basic) && !heads[0].contains(TOKEN));
        through(&local)
            .env("NO_PROXY", "127.0.0.1")
            .expect_stdout(PLAIN)
            .run();
        assert_eq!(proxy.heads(), [""; 0]);
        // who shows the certificate of another gets no token
        fake.kms.asked();
        refused(
            through("kms.example.com"),
            128,
            &[
                "Google Cloud KMS cannot be reached: kms.example.com",
                "certificate",
            ],
        );
        assert_eq!(fake.verbs(), []);
    }
}

#[test]
fn real_sops_opens_what_is_ours_through_our_key_service_and_the_other_way_round() {
    // sops 3.11 knows no variable for the endpoint: it asks our key service, which asks the fake
    for kind in KINDS {
        let (fake, sandbox) = (Fake::start(kind, &["one"]), Sandbox::new());
        let socket = sandbox.root().join("k.sock").display().to_string();
        let service = sandbox.bulla(["keyservice", "--net", "unix", "--addr", &socket]);
        let mut service = Running::start(&fake.case(service), &sandbox.root().join("log"));
        service.wait_for(&format!("listening on unix://{socket}\n"));
        let uri = format!("unix://{socket}");
        let sops = |args: &[&str]| {
            let flags = ["--enable-local-keyservice=false", "--keyservice", &uri];
            let all = args[..1].iter().chain(&flags).chain(&args[1..]);
            sandbox.sops(all).no_identity()
        };
        fake.encrypted(&sandbox, &["one"]);
        sops(&["decrypt", "f.yaml"]).expect_stdout(PLAIN).run();
        assert_eq!(fake.verbs(), [("decrypt", key("one"))]);
        sandbox.file("f.yaml", PLAIN);
        sops(&["encrypt", "-i", "--gcp-kms", &key("one"), "f.yaml"]).run();
        fake.case(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        let expected = ["encrypt", "decrypt"].map(|verb| (verb, key("one")));
        assert_eq!(fake.verbs(), expected);
        fake.kms.set_state("one", "DISABLED");
        let report = sops(&["decrypt", "f.yaml"])
            .any_stderr()
            .status(128)
            .run()
            .stderr;
        assert!(report.contains("DISABLED"), "{report}");
    }
}
