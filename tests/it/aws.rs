//! Keys of AWS KMS: on moto, beside real sops, in every command; and on a server that fails as it
//! is told to.

use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use crate::support::servers::{Server, free_port};
use crate::support::{
    Case, Outcome, Sandbox, age_key, assert_same_data, peer, repository, testdata, testdata_names,
};
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";

/// Keys of `tests/kms-server.py`.
const ONE: &str = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111";
const TWO: &str = "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-2222-2222-222222222222";
const FAR: &str = "arn:aws:kms:us-east-1:123456789012:key/33333333-3333-3333-3333-333333333333";
const CHINA: &str =
    "arn:aws-cn:kms:cn-north-1:123456789012:key/55555555-5555-5555-5555-555555555555";
const ALIAS: &str = "arn:aws:kms:eu-west-1:123456789012:alias/one";
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

/// moto with those keys.
fn kms() -> Server {
    start(None)
}

/// The same, over TLS with a certificate that it makes there.
fn start(certificate: Option<&Path>) -> Server {
    Server::start(|port| {
        let mut command = Command::new("python3");
        command
            .arg(repository("tests/kms-server.py"))
            .arg(port.to_string())
            .args(certificate)
            .env("PYTHONPATH", peer("moto-5.2.5"));
        command
    })
}

/// Asked of this server, with credentials of the environment.
fn at(url: &str, case: Case) -> Case {
    signed_in(nobody(url, case))
}

fn nobody(url: &str, case: Case) -> Case {
    case.env("AWS_ENDPOINT_URL", url)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .never_says(SECRET)
}

fn signed_in(case: Case) -> Case {
    case.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
}

/// A file that is encrypted for AWS keys alone, by bulla.
fn encrypted(url: &str, arguments: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let words = ["encrypt", "-i"].iter().chain(arguments).chain(&["f.yaml"]);
    at(url, sandbox.bulla(words)).run();
    sandbox
}

/// Both programs open the file, without any key of this machine.
fn opens(url: &str, sandbox: &Sandbox) {
    at(url, sandbox.bulla(["decrypt", "f.yaml"]).no_identity())
        .expect_stdout(PLAIN)
        .run();
    let words = ["decrypt", "--output-type", "json", "f.yaml"];
    let out = at(url, sandbox.sops(words).no_identity());
    let out = out.any_stdout().run();
    assert_same_data(&out.stdout, br#"{"a": 1, "b": "two"}"#, "f.yaml");
}

/// The entries of AWS keys in the metadata, with what changes in each run made equal.
fn entries(sandbox: &Sandbox) -> String {
    let text = sandbox.read_text("f.yaml");
    let metadata = text.split_once("\nsops:\n").expect("metadata").1;
    let lines = metadata.lines().skip_while(|line| !line.contains("kms:"));
    let lines = lines
        .skip(1)
        .take_while(|line| line.starts_with("        "));
    let line = |line: &str| match line.split_once(": ") {
        Some((name, _)) if name.ends_with("enc") || name.ends_with("created_at") => {
            format!("{}: …\n", name.trim_start())
        }
        _ => format!("{}\n", line.trim_start()),
    };
    lines.map(line).collect()
}

#[test]
fn files_go_to_and_from_sops_in_every_format_and_stay_whole_through_every_change() {
    let server = kms();
    let url = &server.url();
    let sandbox = encrypted(url, &["--kms", ONE, "--encryption-context", "b:2,a:1"]);
    assert_eq!(
        entries(&sandbox),
        format!(
            "- arn: {ONE}\naws_profile: \"\"\ncontext:\na: \"1\"\nb: \"2\"\ncreated_at: …\nenc: …\n"
        )
    );
    opens(url, &sandbox);

    // every change of the values and of the keys
    let value = r#"["a"]"#;
    at(url, sandbox.bulla(["set", "f.yaml", value, "2"])).run();
    at(url, sandbox.bulla(["set", "f.yaml", value, "1"])).run();
    opens(url, &sandbox);
    let editor = sandbox.edit_script("sed -i 's/two/three/' \"$1\"");
    at(url, sandbox.bulla(["edit", "f.yaml"]))
        .editor(&editor)
        .run();
    let editor = sandbox.edit_script("sed -i 's/three/two/' \"$1\"");
    at(url, sandbox.bulla(["edit", "f.yaml"]))
        .editor(&editor)
        .run();
    opens(url, &sandbox);
    let words = ["rotate", "-i", "--add-kms", FAR, "f.yaml"];
    at(url, sandbox.bulla(words)).run();
    assert_eq!(entries(&sandbox).matches("- arn").count(), 2);
    let words = [
        "rotate",
        "-i",
        "--rm-kms",
        ONE,
        "--encryption-context",
        "a:1,b:2",
        "f.yaml",
    ];
    at(url, sandbox.bulla(words)).run();
    assert_eq!(
        entries(&sandbox),
        format!("- arn: {FAR}\naws_profile: \"\"\ncreated_at: …\nenc: …\n")
    );
    opens(url, &sandbox);
    sandbox.file(".sops.yaml", format!("creation_rules:\n  - kms: {TWO}\n"));
    at(url, sandbox.bulla(["updatekeys", "-y", "f.yaml"]))
        .expect_stdout_has(&format!("+++ {TWO}"))
        .expect_stdout_has(&format!("--- {FAR}"))
        .any_stderr()
        .run();
    opens(url, &sandbox);
    let words = ["groups", "add", "-i", "-f", "f.yaml", "--kms", ALIAS];
    at(
        url,
        sandbox.bulla(words).args(["--encryption-context", "a:b"]),
    )
    .any_stderr()
    .run();
    opens(url, &sandbox);
    let words = [
        "groups",
        "delete",
        "-i",
        "-f",
        "f.yaml",
        "0",
        "--shamir-secret-sharing-threshold",
        "1",
    ];
    at(url, sandbox.bulla(words)).any_stderr().run();
    opens(url, &sandbox);

    // what sops writes, for several keys in two partitions and three regions
    for (name, plain) in [
        ("f.json", "{\n\t\"a\": \"b\"\n}\n"),
        ("f.env", "A=b\n"),
        ("f.ini", "[s]\na = b\n"),
        ("f.bin", "\u{1}\u{2}"),
    ] {
        let list = [ONE, FAR, CHINA].join(",");
        let words = [
            "encrypt",
            "-i",
            "--kms",
            &list,
            "--encryption-context",
            "a:b",
            name,
        ];
        for theirs in [true, false] {
            sandbox.file(name, plain);
            let writer = if theirs {
                sandbox.sops(words)
            } else {
                sandbox.bulla(words)
            };
            at(url, writer).run();
            for reader in [
                sandbox.sops(["decrypt", name]),
                sandbox.bulla(["decrypt", name]),
            ] {
                at(url, reader.no_identity()).expect_stdout(plain).run();
            }
        }
    }
}

#[test]
fn golden_files_of_sops_open_and_what_was_changed_in_one_does_not() {
    let server = kms();
    let url = &server.url();
    let sandbox = Sandbox::new();
    for name in testdata_names("sops-3.11/kms") {
        let Some((_, ending)) = name.split_once(".enc.") else {
            continue;
        };
        let file = format!("f.{ending}");
        sandbox.copy(&format!("sops-3.11/kms/{name}"), &file);
        // one of the groups is alice's
        let case = sandbox.bulla(["decrypt", "--output-type", "json", &file]);
        let case = if name.starts_with("several") {
            case.no_identity()
        } else {
            case
        };
        let out = at(url, case).any_stdout().run();
        let expected = testdata(&format!("sops-3.11/types-{ending}.dec.json"));
        assert_same_data(&out.stdout, &expected, &name);
    }
    let changed = |golden: &str, from: &str, to: &str| {
        sandbox.copy(&format!("sops-3.11/kms/{golden}"), "f.yaml");
        let text = sandbox.read_text("f.yaml");
        assert!(text.contains(from));
        sandbox.file("f.yaml", text.replace(from, to));
        at(url, sandbox.bulla(["decrypt", "f.yaml"])).status(128)
    };
    changed("context.enc.yaml", "stage: prod", "stage: test")
        .expect_stderr_has("InvalidCiphertextException")
        .expect_stderr_has("its encryption context (\"app\", \"stage\")")
        .run();
    changed("context.enc.yaml", "stage: prod", "stage: ~")
        .expect_stderr_has("InvalidCiphertextException")
        .run();
    changed("one.enc.yaml", ONE, TWO)
        .expect_stderr_has("AccessDeniedException")
        .expect_stderr_has("kms:Decrypt")
        .run();
    changed("one.enc.yaml", "key/1111", "key/9111")
        .expect_stderr_has("NotFoundException")
        .expect_stderr_has("no such key or alias in region eu-west-1 of account 123456789012")
        .run();
    changed("one.enc.yaml", "kms:eu-west-1:", "kms:eu-central-1:")
        .expect_stderr_has("region eu-central-1")
        .run();
    changed("one.enc.yaml", "enc: MTEx", "enc: '!' #")
        .expect_stderr_has("no base64")
        .run();
    changed(
        "one.enc.yaml",
        "arn:aws:kms:eu-west-1:",
        "arn:aws:kms:x.example.com/:",
    )
    .expect_stderr_has("\"x.example.com/\" is no region")
    .run();
    changed("one.enc.yaml", ONE, "nonsense")
        .expect_stderr_has("is no ARN")
        .run();
}

/// KMS as far as these tests need it: what is wrapped is the key's ARN and the part, sealed by
/// nothing; every request must be signed by somebody, and for the region of the key.
fn answered(request: &HttpRequest) -> HttpReply {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let body = request.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let arn = text("KeyId");
    let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
    let signed = request.header("authorization");
    if !signed.starts_with("AWS4-HMAC-SHA256 Credential=")
        || !signed.contains(&format!("/{region}/kms/aws4_request"))
    {
        return refused("IncompleteSignatureException", signed);
    }
    match request.header("x-amz-target") {
        "TrentService.Encrypt" => {
            let blob = BASE64_STANDARD.encode(format!("{arn} {}", text("Plaintext")));
            said(200, &json!({"CiphertextBlob": blob, "KeyId": arn}))
        }
        "TrentService.Decrypt" => {
            let blob = BASE64_STANDARD
                .decode(text("CiphertextBlob"))
                .unwrap_or_default();
            let blob = String::from_utf8(blob).unwrap_or_default();
            match blob.split_once(' ') {
                Some((key, part)) if key == arn => {
                    said(200, &json!({"Plaintext": part, "KeyId": arn}))
                }
                _ => refused("InvalidCiphertextException", ""),
            }
        }
        other => refused("UnknownOperationException", other),
    }
}

fn said(status: u16, body: &serde_json::Value) -> HttpReply {
    HttpReply {
        headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
        ..HttpReply::json(status, body)
    }
}

fn refused(code: &str, message: &str) -> HttpReply {
    said(400, &json!({"__type": code, "message": message}))
}

/// A server of one answer.
fn saying(status: u16, code: &'static str, message: &'static str) -> HttpServer {
    HttpServer::start(move |_| said(status, &json!({"__type": code, "message": message})))
}

#[test]
fn every_way_to_fail_has_the_words_of_the_service_and_a_next_step() {
    let good = HttpServer::start(answered);
    let sandbox = encrypted(&good.url(), &["--kms", ONE]);
    let denied = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: \
                  kms:Decrypt on resource: KEY because no identity-based policy allows the \
                  kms:Decrypt action";
    for (code, message, hint) in [
        (
            "AccessDeniedException",
            denied,
            "who asks needs kms:Decrypt on this key",
        ),
        (
            "NotFoundException",
            "Key does not exist",
            "region eu-west-1 of account 123456789012",
        ),
        (
            "DisabledException",
            "KEY is disabled.",
            "aws kms enable-key --key-id arn:aws:kms:",
        ),
        (
            "KMSInvalidStateException",
            "KEY is pending deletion.",
            "cancel-key-deletion",
        ),
        (
            "InvalidCiphertextException",
            "",
            "with no encryption context",
        ),
        (
            "IncorrectKeyException",
            "The key ID is wrong",
            "was not made by this key",
        ),
        ("InvalidKeyUsageException", "SIGN_VERIFY", "ENCRYPT_DECRYPT"),
        (
            "ExpiredTokenException",
            "The security token included is expired",
            "sign in again",
        ),
        (
            "UnrecognizedClientException",
            "The security token is invalid",
            "still active",
        ),
        (
            "InvalidSignatureException",
            "The signature does not match",
            "secret access key",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: now earlier than",
            "the clock of this",
        ),
        (
            "RequestTimeTooSkewed",
            "The difference is too large",
            "the clock of this",
        ),
        (
            "SomethingNewException",
            "Never heard of it",
            "SomethingNewException: Never heard",
        ),
    ] {
        let server = saying(400, code, message);
        let case = at(&server.url(), sandbox.bulla(["decrypt", "f.yaml"]));
        let case = case
            .expect_stderr_has(&format!("{ONE}: FAILED"))
            .expect_stderr_has(code);
        case.expect_stderr_has(hint).status(128).run();
        assert_eq!(server.asked().len(), 1, "{code}");
    }
    let server = saying(
        400,
        "AccessDeniedException",
        "not authorized to perform: kms:Encrypt",
    );
    let words = ["encrypt", "--kms", ONE, "f.json"];
    sandbox.file("f.json", "{\"a\": \"hunter2\"}\n");
    at(&server.url(), sandbox.bulla(words))
        .expect_stderr_has(ONE)
        .expect_stderr_has("AWS KMS: AccessDeniedException: not authorized to perform: kms:Encrypt")
        .expect_stderr_has("needs kms:Encrypt on this key")
        .never_says("hunter2")
        .status(1)
        .run();
}

#[test]
fn what_passes_is_asked_again_a_few_times() {
    let (busy, patient) = (std::sync::atomic::AtomicU32::new(0), "ThrottlingException");
    let server = HttpServer::start(move |request| {
        match busy.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => refused(patient, "Rate exceeded"),
            1 => said(
                500,
                &json!({"__type": "KMSInternalException", "message": "oops"}),
            ),
            _ => answered(request),
        }
    });
    let sandbox = encrypted(&server.url(), &["--kms", ONE]);
    assert_eq!(server.asked().len(), 3);
    for (status, code) in [(400, patient), (503, "ServiceUnavailableException")] {
        let server = saying(status, code, "Rate exceeded");
        at(&server.url(), sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stderr_has(&format!("AWS KMS: {code}: Rate exceeded"))
            .status(128)
            .run();
        assert_eq!(server.asked().len(), 4, "{code}");
    }
}

/// How long a command took, which was to fail soon.
fn soon(case: Case) -> Outcome {
    let start = Instant::now();
    let outcome = case.run();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    outcome
}

#[test]
fn nobody_waits_long_for_what_is_not_there() {
    let good = HttpServer::start(answered);
    let sandbox = encrypted(&good.url(), &["--kms", ONE]);
    let decrypt = || sandbox.bulla(["decrypt", "f.yaml"]).status(128);
    let gone = format!("http://127.0.0.1:{}", free_port());
    soon(
        at(&gone, decrypt())
            .expect_stderr_has("AWS KMS cannot be reached")
            .expect_stderr_has("refused")
            .expect_stderr_has("is the network up"),
    );
    at(&good.url(), decrypt())
        .env("AWS_CA_BUNDLE", "f.yaml")
        .expect_stderr_has("the bundle f.yaml (AWS_CA_BUNDLE)")
        .run();
    let none = "AWS: there are no credentials";
    soon(
        nobody(&good.url(), decrypt())
            .expect_stderr_has(none)
            .expect_stderr_has("aws sso login"),
    );
    profiles(&sandbox, "[profile other]\nregion = eu-west-1\n");
    nobody(&good.url(), decrypt())
        .env("AWS_PROFILE", "absent")
        .expect_stderr_has("profile `absent` was not")
        .run();
    // a metadata service that takes the call, and says nothing
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("http://{}", mute.local_addr().unwrap());
    let instance = |case: Case, url: &str| {
        let case = case.without("AWS_EC2_METADATA_DISABLED");
        case.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
    };
    soon(instance(nobody(&good.url(), decrypt()), &mute).expect_stderr_has("no credentials"));
    soon(instance(nobody(&good.url(), decrypt()), &gone).expect_stderr_has(none));
    at(
        &good.url(),
        sandbox.bulla(["--offline", "decrypt", "f.yaml"]),
    )
    .expect_stderr_has("not asked (--offline)")
    .status(128)
    .run();
    assert_eq!(good.asked().len(), 1, "that which encrypted");
    // where there is one, it is asked
    let metadata = HttpServer::start(|request| match (&request.method[..], &request.path[..]) {
        ("PUT", "/latest/api/token") => HttpReply {
            status: 200,
            headers: vec![("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned())],
            body: b"token".to_vec(),
        },
        ("GET", path) if request.header("x-aws-ec2-metadata-token") == "token" => {
            let body = json!({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIAMACHINE",
                "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2099-01-01T00:00:00Z"});
            let is_list = path.ends_with('/');
            let body = if is_list {
                "machine".to_owned()
            } else {
                body.to_string()
            };
            HttpReply {
                status: 200,
                headers: Vec::new(),
                body: body.into_bytes(),
            }
        }
        _ => HttpReply {
            status: 401,
            headers: Vec::new(),
            body: Vec::new(),
        },
    });
    let case = nobody(&good.url(), sandbox.bulla(["decrypt", "f.yaml"]));
    instance(case, &metadata.url()).expect_stdout(PLAIN).run();
    let asked = good.asked();
    assert!(
        asked[1]
            .header("authorization")
            .contains("Credential=ASIAMACHINE/")
    );
    assert_eq!(asked[1].header("x-amz-security-token"), "t");
}

/// Gives a sandbox profiles of AWS.
fn profiles(sandbox: &Sandbox, text: &str) {
    std::fs::create_dir_all(sandbox.home().join(".aws")).unwrap();
    std::fs::write(sandbox.home().join(".aws/config"), text).unwrap();
}

/// The access keys that signed the requests.
fn signers(server: &HttpServer) -> Vec<String> {
    let signer = |request: &HttpRequest| {
        let signed = request.header("authorization");
        let key = signed
            .split_once("Credential=")
            .map_or("", |(_, rest)| rest);
        key.split('/').next().unwrap_or_default().to_owned()
    };
    server.asked().iter().map(signer).collect()
}

#[test]
fn the_profile_of_a_key_goes_before_the_environment_and_is_looked_up_once() {
    let server = HttpServer::start(answered);
    let url = &server.url();
    let sandbox = Sandbox::new();
    let process = sandbox.program(
        "process",
        &format!(
            "#!/bin/sh\necho x >> \"$HOME/asked\"\necho '{{\"Version\": 1, \"AccessKeyId\": \
             \"AKIAPROCESS\", \"SecretAccessKey\": \"{SECRET}\"}}'\n"
        ),
    );
    profiles(
        &sandbox,
        &format!(
            "[profile work]\ncredential_process = {}\n",
            process.display()
        ),
    );
    sandbox.file("f.yaml", PLAIN);
    let list = [ONE, TWO, FAR].join(",");
    let words = [
        "encrypt",
        "-i",
        "--kms",
        &list,
        "--aws-profile",
        "work",
        "f.yaml",
    ];
    at(url, sandbox.bulla(words)).run();
    assert_eq!(entries(&sandbox).matches("aws_profile: work").count(), 3);
    assert_eq!(signers(&server), ["AKIAPROCESS"; 3]);
    let asked = std::fs::read_to_string(sandbox.home().join("asked")).unwrap();
    assert_eq!(asked.lines().count(), 1, "for three keys in two regions");
    let decrypt = || sandbox.bulla(["decrypt", "f.yaml"]);
    at(url, decrypt()).expect_stdout(PLAIN).run();
    assert_eq!(signers(&server).last().unwrap(), "AKIAPROCESS");

    // a rule may name the profile, and one that is not there is said
    sandbox.file(
        ".sops.yaml",
        format!("creation_rules:\n  - kms: {ONE}\n    aws_profile: gone\n"),
    );
    sandbox.file("g.yaml", PLAIN);
    at(url, sandbox.bulla(["encrypt", "g.yaml"]))
        .expect_stderr_has(&format!("{ONE}||gone"))
        .expect_stderr_has("no credentials of the profile \"gone\"")
        .expect_stderr_has("~/.aws/config")
        .status(1)
        .run();
    // a process that fails says why
    profiles(
        &sandbox,
        "[profile work]\ncredential_process = echo locked >&2; exit 3\n",
    );
    at(url, decrypt())
        .expect_stderr_has("locked")
        .status(128)
        .run();
    profiles(
        &sandbox,
        "[profile work]\nsso_session = me\nsso_account_id = 1\nsso_role_name = r\n\
        [sso-session me]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n",
    );
    at(url, decrypt())
        .expect_stderr_has("aws sso login")
        .status(128)
        .run();
}

#[test]
fn a_role_is_assumed_as_sops_names_the_session_and_once_in_a_region() {
    let sts = HttpServer::start(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("role%2Fclosed") {
            let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
                <Type>Sender</Type><Code>AccessDenied</Code><Message>User: me is not authorized to \
                perform: sts:AssumeRole</Message></Error></ErrorResponse>";
            return HttpReply {
                status: 403,
                headers: Vec::new(),
                body: body.into(),
            };
        }
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>\
             {SECRET}</SecretAccessKey><SessionToken>token</SessionToken><Expiration>\
             2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
             </AssumeRoleResponse>"
        );
        HttpReply {
            status: 200,
            headers: Vec::new(),
            body: body.into_bytes(),
        }
    });
    let server = HttpServer::start(answered);
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let as_role = |case: Case| {
        at(&server.url(), case.no_identity())
            .env("AWS_ENDPOINT_URL_STS", sts.url())
            .env("AWS_ENDPOINT_URL_KMS", server.url())
    };
    let list = [ONE, TWO].map(|key| format!("{key}+{ROLE}")).join(",");
    as_role(sandbox.bulla(["encrypt", "-i", "--kms", &list, "f.yaml"])).run();
    assert!(entries(&sandbox).contains(&format!("enc: …\nrole: {ROLE}\n")));
    let decrypt = [
        sandbox.bulla(["decrypt", "f.yaml"]),
        sandbox.sops(["decrypt", "f.yaml"]),
    ];
    for case in decrypt {
        as_role(case).any_stdout().run();
    }
    assert!(signers(&server).iter().all(|signer| signer == "ASIAROLE"));
    let asked = sts.asked();
    assert_eq!(
        signers(&sts),
        ["AKIAIOSFODNN7EXAMPLE"; 3],
        "once by each command"
    );
    let bodies = asked
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).into_owned());
    let named = |body: String| {
        let pairs: Vec<&str> = body
            .split('&')
            .filter(|pair| pair.starts_with("Role"))
            .collect();
        let mut pairs: Vec<String> = pairs.into_iter().map(str::to_owned).collect();
        pairs.sort();
        pairs
    };
    let bodies: Vec<_> = bodies.map(named).collect();
    assert_eq!(bodies[0], bodies[2], "as sops asks");
    assert!(
        bodies[0][1].starts_with("RoleSessionName=sops%40"),
        "{bodies:?}"
    );

    let text = sandbox
        .read_text("f.yaml")
        .replace("role/reader", "role/closed");
    sandbox.file("f.yaml", text);
    as_role(sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stderr_has("AWS STS, role arn:aws:iam::123456789012:role/closed")
        .expect_stderr_has("AccessDenied")
        .expect_stderr_has("needs sts:AssumeRole on the role")
        .status(128)
        .run();
}

#[test]
fn nothing_of_aws_is_touched_where_a_key_of_this_machine_opens_the_file() {
    let server = HttpServer::start(answered);
    let url = &server.url();
    let sandbox = Sandbox::new();
    profiles(
        &sandbox,
        "[default]\ncredential_process = touch ~/asked; exit 1\n",
    );
    sandbox.file("f.yaml", PLAIN);
    let alice = age_key("alice").recipient;
    let words = ["encrypt", "-i", "--kms", ONE, "--age", &alice, "f.yaml"];
    at(url, sandbox.bulla(words)).run();
    let before = server.asked().len();
    nobody(url, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    nobody(url, sandbox.bulla(["exec-env", "f.yaml", "true"])).run();
    assert_eq!(server.asked().len(), before);
    assert!(
        !sandbox.home().join("asked").exists(),
        "nobody looked for credentials"
    );
    // it would have been looked for
    nobody(url, sandbox.bulla(["decrypt", "f.yaml"]).no_identity())
        .any_stderr()
        .status(128)
        .run();
    assert!(sandbox.home().join("asked").exists());

    // a share of each: KMS is asked for its own only
    let words = ["groups", "add", "-i", "-f", "f.yaml", "--kms", FAR];
    at(url, sandbox.bulla(words)).any_stderr().run();
    let before = server.asked().len();
    at(url, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    let asked = &server.asked()[before..];
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].json()["KeyId"], FAR);
}

#[test]
fn the_bundle_that_the_user_names_is_trusted_and_nothing_else() {
    let sandbox = Sandbox::new();
    let base = sandbox.root().join("server");
    let server = start(Some(&base));
    let url = &server
        .url()
        .replace("http://127.0.0.1", "https://localhost");
    let bundle = base.with_extension("crt");
    let trusting = |case: Case| at(url, case).env("AWS_CA_BUNDLE", &bundle);
    sandbox.file("f.yaml", PLAIN);
    trusting(sandbox.bulla(["encrypt", "-i", "--kms", ONE, "f.yaml"])).run();
    trusting(sandbox.sops(["decrypt", "f.yaml"]))
        .any_stdout()
        .run();
    trusting(sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    at(url, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stderr_has("AWS KMS cannot be reached")
        .expect_stderr_has("certificate")
        .status(128)
        .run();
}

#[test]
fn a_context_that_is_none_is_refused_everywhere() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN).file("g.yaml", PLAIN);
    let before = sandbox.read("f.yaml");
    for words in [
        &["encrypt", "--kms", ONE, "g.yaml"][..],
        &["edit", "--kms", ONE, "new.yaml"],
        &["rotate", "-i", "--add-kms", ONE, "f.yaml"],
        &["groups", "add", "-i", "-f", "f.yaml", "--kms", ONE],
    ] {
        let words = words
            .iter()
            .copied()
            .chain(["--encryption-context", "a:b,nonsense"]);
        sandbox
            .bulla(words)
            .expect_stderr_has("(entry 2 is not)")
            .status(6)
            .run();
    }
    assert_eq!(sandbox.read("f.yaml"), before);
}
