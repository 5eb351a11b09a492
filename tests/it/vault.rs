//! Keys of Vault and OpenBao, on a real OpenBao server beside real sops, and on a server that
//! fails in every way that one can.

use crate::support::http::{HttpReply, HttpRequest, HttpServer, serve};
use crate::support::openbao::{OpenBao, ROOT};
use crate::support::servers::free_port;
use crate::support::{Case, Sandbox, age_key};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";
const SECRET: &str = "hvs.hunter2";

/// What a command that must fail says, in one line, the frame of the report taken away.
fn fails(case: Case, status: i32) -> String {
    let case = case
        .any_stderr()
        .status(status)
        .never_says(SECRET)
        .never_says(ROOT);
    let said = case.run().stderr;
    let words = said.split_whitespace();
    let words: Vec<&str> = words.filter(|word| !matches!(*word, "|" | "-")).collect();
    words.join(" ")
}

fn assert_has(said: &str, fragments: &[&str]) {
    for fragment in fragments {
        assert!(said.contains(fragment), "{fragment:?} is not in: {said}");
    }
}

#[test]
fn files_go_to_and_fro_between_bulla_and_sops_on_openbao() {
    let sandbox = Sandbox::new();
    let bao = OpenBao::start(&sandbox);
    bao.run(&["secrets", "enable", "-path=team/sops", "transit"]);
    let url = bao.url();
    let nested = format!("{url}/v1/team/sops/keys/second");
    let both = format!("{},{nested}", bao.key("first"));
    let asks = |case: Case| case.no_identity().env("VAULT_TOKEN", ROOT);
    let opens = |program: fn(&Sandbox, [&str; 2]) -> Case| {
        let case = program(&sandbox, ["decrypt", "f.yaml"]);
        asks(case).env("VAULT_ADDR", &url).expect_stdout(PLAIN)
    };
    let bulla = |sandbox: &Sandbox, args: [&str; 2]| sandbox.bulla(args);

    // both keys at once, and each of them opens alone
    sandbox.file("f.yaml", PLAIN);
    asks(sandbox.bulla(["encrypt", "-i", "--hc-vault-transit", &both, "f.yaml"])).run();
    let text = sandbox.read_text("f.yaml");
    assert_has(
        &text,
        &[&url, "team/sops", "key_name: second", "enc: vault:v1:"],
    );
    opens(bulla).run();
    for key in [&bao.key("first"), &nested] {
        let remove = ["rotate", "-i", "--rm-hc-vault-transit", key, "f.yaml"];
        sandbox.file("f.yaml", &text);
        asks(sandbox.bulla(remove)).env("VAULT_ADDR", &url).run();
        opens(bulla).run();
        opens_by_sops(&sandbox, &bao);
    }

    // from sops, with the token of the file that `vault login` writes
    sandbox.file("f.yaml", PLAIN);
    asks(sandbox.sops(["encrypt", "-i", "--hc-vault-transit", &both, "f.yaml"])).run();
    std::fs::write(sandbox.home().join(".vault-token"), format!("{ROOT}\n")).unwrap();
    opens(bulla).without("VAULT_TOKEN").any_stdout().run();
    std::fs::remove_file(sandbox.home().join(".vault-token")).unwrap();
    // by OpenBao's own variables, and by a key that is named as such
    let open = || {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .no_identity()
            .any_stdout()
    };
    open()
        .env("BAO_TOKEN", ROOT)
        .env("BAO_ADDR", format!("{url}/"))
        .run();
    open()
        .env("VAULT_TOKEN", ROOT)
        .env("SOPS_VAULT_URIS", &nested)
        .run();

    // a new value by bulla, a new key by sops
    let set = ["set", "f.yaml", "[\"a\"]", "2"];
    asks(sandbox.bulla(set)).env("VAULT_ADDR", &url).run();
    asks(sandbox.sops(["rotate", "-i", "f.yaml"])).run();
    opens(bulla).expect_stdout_has("a: 2").any_stdout().run();

    // a version of the key that is no more
    bao.run(&["write", "-f", "transit/keys/first/rotate"]);
    bao.run(&[
        "write",
        "transit/keys/first/config",
        "min_decryption_version=2",
    ]);
    sandbox.file("f.yaml", PLAIN);
    asks(sandbox.bulla([
        "encrypt",
        "-i",
        "--hc-vault-transit",
        &bao.key("first"),
        "f.yaml",
    ]))
    .run();
    assert_has(&sandbox.read_text("f.yaml"), &["enc: vault:v2:"]);
    bao.run(&["write", "-f", "transit/keys/first/rotate"]);
    bao.run(&[
        "write",
        "transit/keys/first/config",
        "min_decryption_version=3",
    ]);
    let old = asks(sandbox.bulla(["decrypt", "f.yaml"])).env("VAULT_ADDR", &url);
    assert_has(
        &fails(old, 128),
        &["too old", "min_decryption_version", "`bulla rotate`"],
    );
}

fn opens_by_sops(sandbox: &Sandbox, _: &OpenBao) {
    let case = sandbox.sops(["decrypt", "f.yaml"]).no_identity();
    let case = case.env("VAULT_TOKEN", ROOT).any_stdout();
    assert_has(&case.run().text(), &["a: 1", "b: two"]);
}

#[test]
fn a_configuration_groups_with_age_and_namespaces_work_as_in_sops() {
    let sandbox = Sandbox::new();
    let bao = OpenBao::start(&sandbox);
    let url = bao.url();
    bao.run(&["namespace", "create", "team"]);
    bao.run(&["secrets", "enable", "-namespace=team", "transit"]);
    let asks = |case: Case| {
        let case = case.env("VAULT_TOKEN", ROOT).env("VAULT_ADDR", &url);
        case.env("VAULT_NAMESPACE", "team")
    };

    // the key is made in the namespace, and there only
    sandbox.config(&format!("hc_vault_transit_uri: {}", bao.key("k")));
    sandbox.file("f.yaml", PLAIN);
    asks(sandbox.bulla(["encrypt", "-i", "f.yaml"])).run();
    asks(sandbox.bulla(["decrypt", "f.yaml"]))
        .no_identity()
        .expect_stdout(PLAIN)
        .run();
    asks(sandbox.sops(["decrypt", "f.yaml"]))
        .no_identity()
        .any_stdout()
        .run();
    let list = ["list", "-namespace=team", "-format=json", "transit/keys"];
    assert_has(&bao.run(&list), &["\"k\""]);
    let root = asks(sandbox.bulla(["decrypt", "f.yaml"]))
        .no_identity()
        .without("VAULT_NAMESPACE");
    assert_has(
        &fails(root, 128),
        &["encryption key not found", "VAULT_NAMESPACE"],
    );
    // what a file names is not what the user names: neither is what a configuration beside it names
    let unnamed = asks(sandbox.bulla(["rotate", "-i", "f.yaml"])).without("VAULT_ADDR");
    assert_has(
        &fails(unnamed, 1),
        &["was not asked", "SOPS_HC_VAULT_ALLOWLIST=all"],
    );

    // a share each
    let config = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{}]\n      - hc_vault: ['{}']\n",
        age_key("alice").recipient,
        bao.key("k"),
    );
    sandbox.file(".sops.yaml", config).file("f.yaml", PLAIN);
    asks(sandbox.bulla(["encrypt", "-i", "f.yaml"])).run();
    asks(sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    asks(sandbox.sops(["decrypt", "f.yaml"])).any_stdout().run();
    fails(
        asks(sandbox.bulla(["decrypt", "f.yaml"])).no_identity(),
        128,
    );
    let offline = asks(sandbox.bulla(["decrypt", "--offline", "f.yaml"]));
    assert_has(&fails(offline, 128), &["not asked (--offline)"]);
}

#[test]
fn what_openbao_refuses_is_said_with_the_next_step() {
    let sandbox = Sandbox::new();
    let bao = OpenBao::start(&sandbox);
    let (url, key) = (bao.url(), bao.key("k"));
    let root = |case: Case| {
        case.no_identity()
            .env("VAULT_TOKEN", ROOT)
            .env("VAULT_ADDR", &url)
    };
    sandbox.file("f.yaml", PLAIN);
    root(sandbox.bulla(["encrypt", "-i", "--hc-vault-transit", &key, "f.yaml"])).run();
    let good = sandbox.read_text("f.yaml");
    let open = || root(sandbox.bulla(["decrypt", "f.yaml"]));

    let said = fails(open().without("VAULT_TOKEN"), 128);
    assert_has(
        &said,
        &[
            &key,
            "permission denied",
            "set VAULT_TOKEN",
            "~/.vault-token",
        ],
    );
    let said = fails(open().env("VAULT_TOKEN", SECRET), 128);
    assert_has(
        &said,
        &[
            "permission denied",
            "expired or been revoked",
            "`vault login`",
        ],
    );

    let policy = "path \"transit/encrypt/k\" { capabilities = [\"update\"] }";
    let limited = bao.token("writer", policy);
    let said = fails(
        open().env("VAULT_TOKEN", &limited).never_says(&limited),
        128,
    );
    let right = "path \"transit/decrypt/k\" { capabilities = [\"update\"] }";
    assert_has(&said, &["transit/decrypt/k: permission denied", right]);
    assert!(!said.contains("expired"), "{said}");
    // the right that is there is enough
    sandbox.file("g.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--hc-vault-transit", &key, "g.yaml"];
    root(sandbox.bulla(encrypt))
        .env("VAULT_TOKEN", &limited)
        .run();
    // a token that is no more
    bao.run(&["token", "revoke", &limited]);
    let said = fails(open().env("VAULT_TOKEN", &limited), 128);
    assert_has(&said, &["expired or been revoked"]);

    for (was, is, fragments) in [
        (
            "engine_path: transit",
            "engine_path: tranist",
            ["no handler for route", "no engine is mounted"],
        ),
        (
            "key_name: k",
            "key_name: other",
            ["encryption key not found", "no such key"],
        ),
        (
            "enc: vault:v1:",
            "enc: vault:v1:AAAA",
            ["status 400", "was changed"],
        ),
        (
            "enc: vault:v1:",
            "enc: nonsense",
            ["invalid ciphertext", "compare it with"],
        ),
    ] {
        sandbox.file("f.yaml", good.replace(was, is));
        assert_has(&fails(open(), 128), &fragments);
    }
    // a way out of the engine is no way
    let health = good.replace("key_name: k", "key_name: ../../sys/seal");
    sandbox.file("f.yaml", health);
    assert_has(&fails(open(), 128), &["cannot be the path of an engine"]);

    sandbox.file("f.yaml", good);
    open().expect_stdout(PLAIN).run();
    bao.run(&["operator", "seal"]);
    let start = Instant::now();
    assert_has(&fails(open(), 128), &["sealed", "unseal"]);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn certificates_are_checked_as_the_variables_say() {
    let sandbox = Sandbox::new();
    let port = free_port();
    let folder = sandbox.root().join("certificates");
    let file = |name: &str| folder.join(name).display().to_string();
    // a second door, for those who show a certificate
    let config = format!(
        "listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  tls_cert_file = \"{}\"\n  \
         tls_key_file = \"{}\"\n  tls_client_ca_file = \"{}\"\n  \
         tls_require_and_verify_client_cert = true\n}}\n",
        file("vault-cert.pem"),
        file("vault-key.pem"),
        file("vault-ca.pem"),
    );
    sandbox.file("listener.hcl", config);
    let listener = sandbox.path("listener.hcl").display().to_string();
    let bao = OpenBao::with_tls(&sandbox, &listener);
    let (url, key, authority) = (bao.url(), bao.key("k"), file("vault-ca.pem"));
    let asks = |case: Case| {
        case.no_identity()
            .env("VAULT_TOKEN", ROOT)
            .env("VAULT_ADDR", &url)
    };
    sandbox.file("f.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--hc-vault-transit", &key, "f.yaml"];
    let said = fails(asks(sandbox.bulla(encrypt)), 1);
    assert_has(&said, &["certificate", "VAULT_CACERT=FILE"]);
    asks(sandbox.bulla(encrypt))
        .env("VAULT_CACERT", &authority)
        .run();
    let open = || asks(sandbox.bulla(["decrypt", "f.yaml"]));
    let opens = |case: Case| case.expect_stdout(PLAIN).run();
    opens(open().env("VAULT_CACERT", &authority));
    opens(open().env("BAO_CACERT", &authority));
    opens(open().env(
        "VAULT_CACERT_BYTES",
        std::fs::read_to_string(&authority).unwrap(),
    ));
    std::fs::create_dir_all(sandbox.path("ca/more")).unwrap();
    std::fs::copy(&authority, sandbox.path("ca/more/ours.pem")).unwrap();
    opens(open().env("VAULT_CAPATH", sandbox.path("ca")));
    let sops = asks(sandbox.sops(["decrypt", "f.yaml"]));
    sops.env("VAULT_CACERT", &authority).any_stdout().run();

    // another name than that of the address
    let named = |name: &str| {
        open()
            .env("VAULT_CACERT", &authority)
            .env("VAULT_TLS_SERVER_NAME", name)
    };
    opens(named("localhost"));
    assert_has(
        &fails(named("vault.example"), 128),
        &["certificate", "VAULT_TLS_SERVER_NAME"],
    );
    let blind = open().env("VAULT_SKIP_VERIFY", "true").expect_stdout(PLAIN);
    blind
        .expect_stderr_has("VAULT_SKIP_VERIFY: the server's certificate is not checked")
        .run();
    let odd = open().env("VAULT_SKIP_VERIFY", "yes");
    assert_has(
        &fails(odd, 128),
        &["VAULT_SKIP_VERIFY: expected true or false"],
    );

    // who must show a certificate
    let door = format!("https://127.0.0.1:{port}");
    sandbox.file("f.yaml", sandbox.read_text("f.yaml").replace(&url, &door));
    let shut = || {
        open()
            .env("VAULT_ADDR", &door)
            .env("VAULT_CACERT", &authority)
    };
    fails(shut(), 128);
    let half = shut().env("VAULT_CLIENT_CERT", file("vault-cert.pem"));
    assert_has(
        &fails(half, 128),
        &["VAULT_CLIENT_CERT and VAULT_CLIENT_KEY", "go together"],
    );
    let shown = shut().env("VAULT_CLIENT_CERT", file("vault-cert.pem"));
    opens(shown.env("VAULT_CLIENT_KEY", file("vault-key.pem")));
}

/// A transit engine whose ciphertext is the plaintext, for what a real one never does.
fn echo(request: &HttpRequest) -> HttpReply {
    let body = request.json();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let data = if request.path.contains("/encrypt/") {
        json!({ "ciphertext": format!("vault:v1:{}", text("plaintext")) })
    } else {
        json!({ "plaintext": text("ciphertext").trim_start_matches("vault:v1:") })
    };
    HttpReply::json(200, &json!({ "data": data }))
}

fn errors(status: u16, error: &str) -> HttpReply {
    HttpReply::json(status, &json!({ "errors": [error] }))
}

/// A file for a key of the server at `url`, and for whom else the flags say.
fn made_for(url: &str, more: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let helper = HttpServer::start(echo);
    let key = format!("{}/v1/transit/keys/k", helper.url());
    let args = [
        &["encrypt", "-i", "--hc-vault-transit", &key],
        more,
        &["f.yaml"],
    ]
    .concat();
    sandbox.bulla(args).env("VAULT_TOKEN", SECRET).run();
    let text = sandbox.read_text("f.yaml").replace(&helper.url(), url);
    sandbox.file("f.yaml", text);
    sandbox
}

/// Opens that file with no key of this machine, as somebody who knows no server.
fn open(sandbox: &Sandbox) -> Case {
    let case = sandbox.bulla(["decrypt", "f.yaml"]).no_identity();
    case.env("VAULT_TOKEN", SECRET)
}

#[test]
fn a_server_that_only_the_file_names_gets_nothing() {
    let server = HttpServer::start(echo);
    let url = server.url();
    let sandbox = made_for(&url, &[]);
    let said = fails(open(&sandbox), 128);
    assert_has(
        &said,
        &[
            "was not asked",
            &format!("VAULT_ADDR={url}"),
            "SOPS_HC_VAULT_ALLOWLIST=all",
        ],
    );
    let port = url.rsplit_once(':').unwrap().1;
    for (name, value) in [
        ("VAULT_ADDR", "http://127.0.0.1:1".to_owned()),
        ("VAULT_ADDR", format!("https://127.0.0.1:{port}")),
        ("SOPS_HC_VAULT_ALLOWLIST", "none".to_owned()),
        (
            "SOPS_HC_VAULT_ALLOWLIST",
            format!("{url}/elsewhere,http://127.0.0.1"),
        ),
        ("SOPS_HC_VAULT_ALLOWLIST", format!("{url},")),
    ] {
        let said = fails(open(&sandbox).env(name, &value), 128);
        assert!(
            said.contains("not ask") || said.contains("ALLOWLIST"),
            "{said}"
        );
    }
    // to change the file asks nobody either, though another key opens it
    sandbox.file(
        ".sops.yaml",
        format!("creation_rules:\n  - hc_vault_transit_uri: {url}/v1/transit/keys/k\n"),
    );
    sandbox.file("g.yaml", PLAIN);
    let encrypt = sandbox
        .bulla(["encrypt", "-i", "g.yaml"])
        .env("VAULT_TOKEN", SECRET);
    assert_has(&fails(encrypt, 1), &["was not asked"]);
    assert_eq!(server.asked().len(), 0);

    for (name, value) in [
        ("VAULT_ADDR", format!("{url}/")),
        ("BAO_ADDR", url.clone()),
        (
            "SOPS_VAULT_URIS",
            format!("https://x/v1/a/keys/b,{url}/v1/other/keys/x"),
        ),
        ("SOPS_HC_VAULT_ALLOWLIST", "all".to_owned()),
        ("SOPS_HC_VAULT_ALLOWLIST", format!("https://x, {url}")),
    ] {
        open(&sandbox).env(name, &value).expect_stdout(PLAIN).run();
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 5);
    for request in asked {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("PUT", "/v1/transit/decrypt/k")
        );
        assert_eq!(request.header("x-vault-token"), SECRET);
        assert_eq!(request.header("x-vault-request"), "true");
        assert_eq!(request.header("x-vault-namespace"), "");
        assert!(
            request.json()["ciphertext"]
                .as_str()
                .unwrap()
                .starts_with("vault:v1:")
        );
    }
}

#[test]
fn nobody_is_asked_where_a_key_of_this_machine_opens_the_file() {
    let server = HttpServer::start(echo);
    let sandbox = made_for(&server.url(), &["--age", &age_key("alice").recipient]);
    let open = sandbox
        .bulla(["decrypt", "f.yaml"])
        .env("VAULT_ADDR", server.url());
    open.env("VAULT_SKIP_VERIFY", "nonsense")
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn a_token_does_not_follow_where_a_server_sends_it() {
    let other = HttpServer::start(echo);
    let there = other.url();
    let server = HttpServer::start(move |_| {
        HttpReply::json(307, &json!({})).with("location", format!("{there}/v1/transit/decrypt/k"))
    });
    let sandbox = made_for(&server.url(), &[]);
    let said = fails(open(&sandbox).env("VAULT_ADDR", server.url()), 128);
    assert_has(
        &said,
        &[
            "sent on to",
            &other.url(),
            "was not followed",
            "active server",
        ],
    );
    assert_eq!((server.asked().len(), other.asked().len()), (1, 0));
}

#[test]
fn what_passes_is_asked_again_and_no_more_often_than_is_wanted() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server =
        HttpServer::start(
            move |request| match counted.fetch_add(1, Ordering::SeqCst) % 4 {
                0 => errors(429, "request path rate limit").with("retry-after", "0"),
                1 => errors(473, "standby"),
                2 => errors(500, "internal error"),
                _ => echo(request),
            },
        );
    let sandbox = made_for(&server.url(), &[]);
    let open = || open(&sandbox).env("VAULT_ADDR", server.url());
    open().expect_stdout(PLAIN).run();
    assert_eq!(count.swap(0, Ordering::SeqCst), 4);
    let said = fails(open().env("VAULT_MAX_RETRIES", "0"), 128);
    assert_has(&said, &["request path rate limit", "wait a moment"]);
    assert_eq!(count.swap(0, Ordering::SeqCst), 1);
    let said = fails(open().env("VAULT_MAX_RETRIES", "1"), 128);
    assert_has(&said, &["standby", "`vault status`"]);
    assert_eq!(count.swap(0, Ordering::SeqCst), 2);
    assert_has(
        &fails(open().env("VAULT_MAX_RETRIES", "x"), 128),
        &["VAULT_MAX_RETRIES: expected a number"],
    );

    // one that says nothing for a long time
    let slow = HttpServer::start(|request| {
        std::thread::sleep(Duration::from_secs(30));
        echo(request)
    });
    let sandbox = made_for(&slow.url(), &[]);
    let patience = [
        ("VAULT_CLIENT_TIMEOUT", "700ms"),
        ("VAULT_MAX_RETRIES", "1"),
    ];
    let case = self::open(&sandbox).env("VAULT_ADDR", slow.url());
    let case = patience
        .iter()
        .fold(case, |case, (name, value)| case.env(name, value));
    let start = Instant::now();
    assert_has(&fails(case, 128), &["cannot be reached", "timed out"]);
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(slow.asked().len(), 2);
}

#[test]
fn odd_answers_are_errors_that_say_what_is_missing() {
    for (reply, fragments) in [
        (
            json!({ "data": {} }),
            ["the answer has no plaintext", "transit engine"],
        ),
        (
            json!({ "data": { "plaintext": 5 } }),
            ["the answer has no plaintext", ""],
        ),
        (json!({ "data": { "plaintext": "*" } }), ["not base64", ""]),
        (json!({ "data": { "plaintext": "aGVsbG8=" } }), ["5", "32"]),
        (json!(null), ["the answer has no plaintext", ""]),
    ] {
        let server = HttpServer::start(move |_| HttpReply::json(200, &reply));
        let sandbox = made_for(&server.url(), &[]);
        let said = fails(open(&sandbox).env("VAULT_ADDR", server.url()), 128);
        assert_has(&said, &fragments);
    }
    let server = HttpServer::start(|_| {
        errors(
            400,
            "1 error occurred:\n\t* missing client token\u{1b}[2J\n\n",
        )
    });
    let sandbox = made_for(&server.url(), &[]);
    let said = fails(open(&sandbox).env("VAULT_ADDR", server.url()), 128);
    assert_has(
        &said,
        &["k: missing client token[2J (status 400)", "set VAULT_TOKEN"],
    );
    let odd = open(&sandbox)
        .env("VAULT_TOKEN", "a\nb")
        .env("VAULT_ADDR", server.url());
    assert_has(
        &fails(odd, 128),
        &["the token: expected printable characters"],
    );
    let gone = made_for(&format!("http://127.0.0.1:{}", free_port()), &[]);
    let said = fails(open(&gone).env("SOPS_HC_VAULT_ALLOWLIST", "all"), 128);
    assert_has(&said, &["cannot be reached", "refused"]);
}

#[test]
fn an_agent_and_a_proxy_of_the_users_own_are_asked_instead() {
    let agent = HttpServer::start(echo);
    let key = "https://vault.example:8200";
    let sandbox = made_for(key, &[]);
    // no token: the agent has one
    let open = || open(&sandbox).without("VAULT_TOKEN").expect_stdout(PLAIN);
    open().env("VAULT_AGENT_ADDR", agent.url()).run();
    assert_eq!(agent.asked().len(), 1);
    assert_eq!(agent.asked()[0].header("x-vault-request"), "true");
    let barred = open()
        .env("VAULT_AGENT_ADDR", agent.url())
        .env("SOPS_HC_VAULT_ALLOWLIST", "none");
    fails(barred.expect_stdout(""), 128);
    let headers = "{\"Cf-Access-Client-Id\": \"me\"}";
    open()
        .env("BAO_AGENT_ADDR", agent.url())
        .env("VAULT_HEADERS", headers)
        .run();
    assert_eq!(agent.asked()[1].header("cf-access-client-id"), "me");

    // on a socket
    let socket = sandbox.run_dir().join("agent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream, &echo, &noted);
        }
    });
    open()
        .env("VAULT_AGENT_ADDR", format!("unix://{}", socket.display()))
        .run();
    assert_eq!(asked.lock().unwrap()[0].path, "/v1/transit/decrypt/k");

    // a proxy sees what goes over plain HTTP, as everybody on the way does
    let proxy = HttpServer::start(echo);
    let sandbox = made_for("http://vault.example:8200", &[]);
    let case = self::open(&sandbox).env("SOPS_HC_VAULT_ALLOWLIST", "http://vault.example:8200");
    case.env("VAULT_PROXY_ADDR", proxy.url())
        .env("VAULT_HTTP_PROXY", "http://127.0.0.1:1")
        .expect_stdout(PLAIN)
        .expect_stderr_has("http://vault.example:8200: token and data keys go there in clear")
        .run();
    assert_eq!(
        proxy.asked()[0].path,
        "http://vault.example:8200/v1/transit/decrypt/k"
    );
}
