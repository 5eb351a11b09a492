//! `publish`: what goes where, beside real sops on the same servers; questions, refusals, runs that
//! fail half-way. The stores of Google and Azure are in `publish_clouds`.

use crate::support::moto::Moto;
use crate::support::openbao::{OpenBao, ROOT};
use crate::support::servers::free_port;
use crate::support::{Case, Outcome, Sandbox, age_key, peer};
use serde_json::{Value, json};

const PLAIN: &str = "user: alice\npassword: hunter2 # note\nport: 5432\nhosts: [db1, db2]\nopts:\n  tls: true\n  none: null\n";

/// A configuration with destination rules, and alice's key for new files.
fn rules(sandbox: &Sandbox, rules: &str) {
    let alice = age_key("alice").recipient;
    let text = format!("creation_rules:\n- age: {alice}\ndestination_rules:\n{rules}");
    sandbox.file(".sops.yaml", text);
}

/// The lines of what was said.
fn said(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().collect()
}

#[test]
fn files_go_to_s3_as_they_are_or_for_others_as_with_sops() {
    let sandbox = Sandbox::new();
    let moto = Moto::start();
    moto.boto("s3", "c.create_bucket(Bucket='bkt') and 1");
    let bob = age_key("bob").recipient;
    rules(
        &sandbox,
        &format!(
            "- path_regex: ^raw/\n  s3_bucket: bkt\n  s3_prefix: raw/\n\
             - path_regex: ^anew/\n  s3_bucket: bkt\n  s3_prefix: 'new +ä/'\n  recreation_rule: {{age: {bob}}}\n"
        ),
    );
    sandbox.encrypted("raw/f.yaml", PLAIN);
    sandbox.encrypted("anew/g.yaml", PLAIN);
    let path = |name: &str| sandbox.path(name).display().to_string();

    // as it is: the same bytes by the same question
    let question = format!(
        "uploading {} to s3://bkt/raw/f.yaml ? (y/n): ",
        path("raw/f.yaml")
    );
    let args = ["publish", "raw/f.yaml"];
    moto.around(sandbox.sops(args))
        .stdin("y\n")
        .expect_stdout(&question)
        .run();
    assert_eq!(moto.object("raw/f.yaml"), sandbox.read_text("raw/f.yaml"));
    moto.boto(
        "s3",
        "c.delete_object(Bucket='bkt', Key='raw/f.yaml') and 1",
    );
    let dry = ["publish", "--dry-run", "raw/f.yaml"];
    moto.around(sandbox.bulla(dry))
        .expect_stdout("raw/f.yaml -> s3://bkt/raw/f.yaml: added\n")
        .run();
    assert_eq!(moto.objects(), json!([]));
    // who only uploads needs no key
    let run = moto.around(sandbox.bulla(args)).no_identity().stdin("y\n");
    let run = run.expect_stdout(&question).any_stderr().run();
    assert_eq!(said(&run), ["bulla: s3://bkt/raw/f.yaml: published"]);
    assert_eq!(moto.object("raw/f.yaml"), sandbox.read_text("raw/f.yaml"));

    // what is the same is not written again, and says so
    let before = moto.boto(
        "s3",
        "c.head_object(Bucket='bkt', Key='raw/f.yaml')['LastModified']",
    );
    let again = moto.around(sandbox.bulla(["publish", "-y", "raw/f.yaml"]));
    again
        .expect_stderr_has("raw/f.yaml: the same already")
        .run();
    let after = moto.boto(
        "s3",
        "c.head_object(Bucket='bkt', Key='raw/f.yaml')['LastModified']",
    );
    assert_eq!(before, after);
    moto.around(sandbox.bulla(dry))
        .expect_stdout("raw/f.yaml -> s3://bkt/raw/f.yaml: same\n")
        .run();

    // for bob: he reads it, alice does not
    let anew = ["publish", "-y", "anew/g.yaml"];
    let changes = format!(
        "The following changes will be made to the file's key groups:\nGroup 1\n+++ {bob}\n--- {}\n",
        age_key("alice").recipient
    );
    moto.around(sandbox.sops(anew))
        .expect_stdout(&changes)
        .run();
    let key = "new +ä/g.yaml";
    sandbox.file("sops.yaml", moto.object(key));
    sandbox
        .sops(["decrypt", "sops.yaml"])
        .identity("bob")
        .any_stdout()
        .run();
    let run = moto.around(sandbox.bulla(anew)).expect_stdout(&changes);
    run.expect_stderr_has("s3://bkt/new +ä/g.yaml: published")
        .run();
    sandbox.file("ours.yaml", moto.object(key));
    let decrypt = |program: Case| program.identity("bob").any_stdout().run().text();
    assert_eq!(decrypt(sandbox.bulla(["decrypt", "ours.yaml"])), PLAIN);
    decrypt(sandbox.sops(["decrypt", "ours.yaml"]));
    sandbox
        .bulla(["decrypt", "ours.yaml"])
        .any_stderr()
        .status(128)
        .run();
    // encrypted again it is another text, of the same origin
    let again = moto.around(sandbox.bulla(anew)).expect_stdout(&changes);
    again.expect_stderr_has("the same already").run();
    assert_eq!(moto.object(key), sandbox.read_text("ours.yaml"));
    sandbox
        .bulla(["set", "anew/g.yaml", "[\"port\"]", "1"])
        .run();
    let again = moto.around(sandbox.bulla(anew)).expect_stdout(&changes);
    again.expect_stderr_has("published").run();

    // what AWS refuses is said with the next step
    rules(&sandbox, "- s3_bucket: nothere\n");
    let run = moto.around(sandbox.bulla(["publish", "-y", "raw/f.yaml"]));
    let run = run
        .status(1)
        .expect_stderr_has("s3://nothere/f.yaml: S3: NoSuchBucket");
    run.expect_stderr_has("hint: is the bucket's name right")
        .run();
    let run = sandbox
        .bulla(["publish", "-y", "raw/f.yaml"])
        .env("AWS_REGION", "us-east-1");
    let run = run.env("AWS_EC2_METADATA_DISABLED", "true");
    run.status(1).expect_stderr_has("hint: ").any_stderr().run();
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a server is started once, and tells a whole story"
)]
fn values_go_to_the_secret_stores_of_aws() {
    let sandbox = Sandbox::new();
    let moto = Moto::start();
    rules(
        &sandbox,
        "- path_regex: ^sm/\n  omit_extensions: true\n  bulla:\n    aws_secrets_manager: {prefix: app/}\n    external_secret: {store: aws, namespace: apps}\n\
         - path_regex: ^each/\n  bulla: {aws_secrets_manager: {prefix: each/, content: values}}\n\
         - path_regex: ^ps/\n  omit_extensions: true\n  bulla: {aws_parameter_store: {prefix: /app/, content: values, region: eu-west-1}}\n\
         - path_regex: ^one/\n  bulla: {aws_parameter_store: {}}\n",
    );
    for folder in ["sm", "each", "ps", "one"] {
        sandbox.encrypted(&format!("{folder}/f.yaml"), PLAIN);
    }
    let run = |args: &[&str]| {
        let case = moto.around(sandbox.bulla(["publish"].iter().chain(args)));
        case.never_says("hunter2").never_says("db1")
    };

    // a dry run tells names, and changes nothing
    let added = "    added: hosts[0]\n    added: hosts[1]\n    added: opts.none\n    added: opts.tls\n    \
                 added: password\n    added: port\n    added: user\n";
    run(&["--dry-run", "sm/f.yaml"])
        .expect_stdout(format!(
            "sm/f.yaml -> secretsmanager://app/f: added\n{added}sm/f.yaml -> ExternalSecret apps/f\n"
        ))
        .run();
    assert_eq!(
        moto.boto("secretsmanager", "c.list_secrets()['SecretList']"),
        json!([])
    );

    // a secret with an object in it, and the manifest of who fetches it
    let manifest = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: f\n  \
                    namespace: apps\nspec:\n  refreshInterval: 1h\n  secretStoreRef:\n    name: aws\n    \
                    kind: SecretStore\n  target:\n    name: f\n  dataFrom:\n    - extract:\n        key: app/f\n";
    let published = run(&["-y", "sm/f.yaml"]).expect_stdout(manifest);
    published
        .expect_stderr_has("secretsmanager://app/f: published")
        .run();
    let secret = || {
        let line = "c.get_secret_value(SecretId='app/f')";
        let secret = moto.boto("secretsmanager", line);
        let text = secret["SecretString"].as_str().expect("text").to_owned();
        let data: Value = serde_json::from_str(&text).expect("JSON");
        (data, secret["VersionId"].clone())
    };
    let expected = json!({
        "user": "alice", "password": "hunter2", "port": 5432, "hosts": ["db1", "db2"],
        "opts": {"tls": true, "none": null},
    });
    let (data, version) = secret();
    assert_eq!(data, expected);
    // the same is not written, something else is a new version, and what is gone is named
    run(&["-y", "sm/f.yaml"])
        .expect_stdout(manifest)
        .expect_stderr_has("the same already")
        .run();
    assert_eq!(secret().1, version);
    sandbox.bulla(["set", "sm/f.yaml", "[\"port\"]", "1"]).run();
    sandbox.bulla(["unset", "sm/f.yaml", "[\"opts\"]"]).run();
    run(&["--dry-run", "sm/f.yaml"])
        .expect_stdout(
            "sm/f.yaml -> secretsmanager://app/f: changed\n    removed: opts.none\n    removed: opts.tls\n    \
             changed: port\nsm/f.yaml -> ExternalSecret apps/f\n",
        )
        .run();
    run(&["-y", "sm/f.yaml"]).any_stdout().any_stderr().run();
    let (data, changed) = secret();
    assert_ne!(changed, version);
    assert_eq!(data["port"], json!(1));

    // a secret of each value
    run(&["-y", "each/f.yaml"]).any_stderr().run();
    let names = moto.boto(
        "secretsmanager",
        "sorted(s['Name'] for s in c.list_secrets()['SecretList'])",
    );
    let each = ["hosts/0", "hosts/1", "opts/tls", "password", "port", "user"];
    let mut expected: Vec<String> = each
        .iter()
        .map(|name| format!("each/f.yaml/{name}"))
        .collect();
    expected.insert(0, "app/f".to_owned());
    assert_eq!(names, json!(expected));
    // one that is to be deleted takes nothing: it is said, and the others are not kept from it
    moto.boto(
        "secretsmanager",
        "c.delete_secret(SecretId='each/f.yaml/port') and 1",
    );
    sandbox
        .bulla(["set", "each/f.yaml", "[\"user\"]", "\"bob\""])
        .run();
    let half = run(&["-y", "each/f.yaml"]).status(1);
    let half = half
        .expect_stderr_has("secretsmanager://each/f.yaml/user: published")
        .expect_stderr_has("secretsmanager://each/f.yaml/port: AWS Secrets Manager: Invalid")
        .expect_stderr_has("hint: a secret that is to be deleted")
        .expect_stderr_has("1 of 6 failed; 1 published, 4 the same already")
        .run();
    assert!(!half.stderr.contains("each/f.yaml/port: published"));

    // parameters: each value in a hierarchy, or a whole file
    let line = "{p['Name']: [p['Type'], p['Value']] for p in \
                boto3.client('ssm', region_name='eu-west-1').get_parameters_by_path(Path='/app', Recursive=True, WithDecryption=True)['Parameters']}";
    run(&["--dry-run", "ps/f.yaml"])
        .expect_stdout_has("ps/f.yaml -> ssm://eu-west-1/app/f/password: added\n")
        .run();
    assert_eq!(moto.boto("ssm", line), json!({}));
    run(&["-y", "ps/f.yaml"]).any_stderr().run();
    let secure = |value: &str| json!(["SecureString", value]);
    let all = json!({
        "/app/f/user": secure("alice"), "/app/f/password": secure("hunter2"),
        "/app/f/port": secure("5432"), "/app/f/hosts/0": secure("db1"),
        "/app/f/hosts/1": secure("db2"), "/app/f/opts/tls": secure("true"),
    });
    assert_eq!(moto.boto("ssm", line), all);
    sandbox.bulla(["set", "ps/f.yaml", "[\"port\"]", "1"]).run();
    let again = run(&["-y", "ps/f.yaml"]).any_stderr().run();
    let written: Vec<&str> = said(&again)
        .into_iter()
        .filter(|line| line.contains("published"))
        .collect();
    assert_eq!(written, ["bulla: ssm://eu-west-1/app/f/port: published"]);
    run(&["-y", "one/f.yaml"]).any_stderr().run();
    let text = moto.boto(
        "ssm",
        "c.get_parameter(Name='f.yaml', WithDecryption=True)['Parameter']['Value']",
    );
    let data: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(data["hosts"], json!(["db1", "db2"]));
    // a parameter in clear is another, even if it holds the same
    moto.boto("ssm", "c.delete_parameter(Name='f.yaml') and 1");
    moto.boto(
        "ssm",
        "c.put_parameter(Name='f.yaml', Type='String', Value='x') and 1",
    );
    run(&["--dry-run", "one/f.yaml"])
        .expect_stdout("one/f.yaml -> ssm://f.yaml: changed\n")
        .run();
    // an empty value has no place there
    sandbox
        .bulla(["set", "ps/f.yaml", "[\"user\"]", "\"\""])
        .run();
    run(&["-y", "ps/f.yaml"])
        .status(1)
        .expect_stderr_has(
            "ssm://eu-west-1/app/f/user: AWS Parameter Store: a parameter cannot be empty",
        )
        .run();
}

#[test]
fn values_go_to_vault_as_with_sops() {
    let sandbox = Sandbox::new();
    let bao = OpenBao::start(&sandbox);
    bao.run(&["secrets", "enable", "-version=1", "-path=kv1", "kv"]);
    let url = bao.url();
    rules(
        &sandbox,
        "- path_regex: ^two/\n  vault_path: app\n\
         - path_regex: ^one/\n  vault_path: app/\n  vault_kv_version: 1\n  vault_kv_mount_name: kv1\n  omit_extensions: true\n",
    );
    sandbox.encrypted("two/f.yaml", PLAIN);
    sandbox.encrypted("one/f.yaml", PLAIN);
    sandbox.encrypted("two/deep/g.env", "A=1\n");
    sandbox.encrypted("two/h.ini", "[s]\nx = 1\n");
    sandbox.encrypted("two/b.bin", "bytes\n");
    let around = |case: Case| {
        let case = case.env("VAULT_ADDR", &url).env("VAULT_TOKEN", ROOT);
        case.never_says("hunter2").never_says(ROOT)
    };
    let read = |path: &str| -> Value {
        serde_json::from_str(&bao.run(&["read", "-format=json", path])).unwrap()
    };
    let path = |name: &str| sandbox.path(name).display().to_string();

    // the same data by the same questions
    let question = |name: &str| {
        let below = name.trim_start_matches("two/");
        format!(
            "uploading {} to {url}/v1/secret/data/app/{below} ? (y/n): ",
            path(name)
        )
    };
    let names = ["two/b.bin", "two/deep/g.env", "two/f.yaml", "two/h.ini"];
    let questions: String = names.map(question).concat();
    let all = ["publish", "--recursive", "two"];
    around(sandbox.sops(all))
        .stdin("y\ny\ny\ny\n")
        .expect_stdout(&questions)
        .run();
    let places =
        ["b.bin", "deep/g.env", "f.yaml", "h.ini"].map(|name| format!("secret/data/app/{name}"));
    let theirs: Vec<Value> = places.iter().map(|path| read(path)).collect();
    // nothing is the newer: bulla finds what sops wrote the same
    let same = around(sandbox.bulla(["publish", "-y", "--recursive", "two"]))
        .any_stderr()
        .run();
    for (place, theirs) in places.iter().zip(&theirs) {
        assert!(
            same.stderr
                .contains(&format!("{url}/v1/{place}: the same already")),
            "{}",
            same.stderr
        );
        assert_eq!(read(place)["data"], theirs["data"]);
    }
    for place in &places {
        bao.run(&["delete", place]);
    }
    around(sandbox.bulla(all))
        .stdin("y\nmaybe\n\ny\nn\ny\n")
        .expect_stdout(
            [
                question("two/b.bin"),
                question("two/deep/g.env").repeat(3),
                question("two/f.yaml"),
                format!("Publication of {} canceled\n", path("two/f.yaml")),
                question("two/h.ini"),
            ]
            .concat(),
        )
        .expect_stderr_has("h.ini: published")
        .run();
    for (place, theirs) in places
        .iter()
        .zip(&theirs)
        .filter(|(place, _)| !place.ends_with("f.yaml"))
    {
        assert_eq!(
            read(place)["data"]["data"],
            theirs["data"]["data"],
            "{place}"
        );
    }

    // version 1, and a change by name
    let one = ["publish", "-y", "one/f.yaml"];
    around(sandbox.sops(one)).run();
    let theirs = read("kv1/app/f")["data"].clone();
    assert_eq!(theirs["opts"], json!({"tls": true, "none": null}));
    bao.run(&["delete", "kv1/app/f"]);
    around(sandbox.bulla(one))
        .expect_stderr_has("kv1/app/f: published")
        .run();
    assert_eq!(read("kv1/app/f")["data"], theirs);
    around(sandbox.bulla(one))
        .expect_stderr_has("kv1/app/f: the same already")
        .run();
    sandbox
        .bulla(["set", "one/f.yaml", "[\"hosts\"][1]", "\"db3\""])
        .run();
    around(sandbox.bulla(["publish", "--dry-run", "one/f.yaml"]))
        .expect_stdout(format!(
            "one/f.yaml -> {url}/v1/kv1/app/f: changed\n    changed: hosts[1]\n"
        ))
        .run();

    // who may write and not read still publishes, as with sops
    let policy = "path \"kv1/app/*\" { capabilities = [\"create\", \"update\"] }";
    let token = bao.token("writer", policy);
    let writer = |case: Case| around(case).env("VAULT_TOKEN", &token).never_says(&token);
    writer(sandbox.bulla(one))
        .expect_stderr_has(
            "it cannot be told what is there, so it is written even if it is the same",
        )
        .expect_stderr_has("kv1/app/f: published")
        .run();
    assert_eq!(read("kv1/app/f")["data"]["hosts"], json!(["db1", "db3"]));
    // one file of two may not be written: the other is
    rules(
        &sandbox,
        "- {path_regex: f.yaml, vault_path: app, vault_kv_version: 1, vault_kv_mount_name: kv1}\n\
                     - {vault_path: other, vault_kv_version: 1, vault_kv_mount_name: kv1}\n",
    );
    sandbox.encrypted("half/a.yaml", "a: 1\n");
    sandbox.encrypted("half/f.yaml", "a: 1\n");
    writer(sandbox.bulla(["publish", "-y", "--recursive", "half"]))
        .status(1)
        .expect_stderr_has("v1/kv1/app/f.yaml: published")
        .expect_stderr_has("v1/kv1/other/a.yaml: Vault at ")
        .expect_stderr_has("permission denied")
        .expect_stderr_has("1 of 2 failed; 1 published, 0 the same already")
        .run();

    // an address that only the repository knows gets no token
    let elsewhere = format!("http://127.0.0.1:{}", free_port());
    rules(
        &sandbox,
        &format!("- {{vault_path: app, vault_address: '{elsewhere}'}}\n"),
    );
    around(sandbox.bulla(["publish", "-y", "one/f.yaml"]))
        .status(1)
        .expect_stderr_has("SOPS_HC_VAULT_ALLOWLIST")
        .run();
}

#[test]
fn manifests_for_kubernetes_are_printed_or_written() {
    let sandbox = Sandbox::new();
    rules(
        &sandbox,
        "- path_regex: ^data/\n  bulla: {kubernetes: {namespace: apps, name: db, labels: {app: db}}}\n\
         - path_regex: ^text/\n  omit_extensions: true\n  bulla: {kubernetes: {string_data: true, type: example.com/x}}\n\
         - path_regex: ^file/\n  bulla: {kubernetes: {content: file}}\n",
    );
    sandbox.encrypted("data/f.yaml", "user: alice\nopts: {n: 1, none: null}\n");
    sandbox.encrypted(
        "text/My_App.json",
        "{\"a\": \"line\\n'quoted'\", \"b\": \"0x10\"}",
    );
    sandbox.encrypted("text/more.env", "A=yes\n");
    sandbox.encrypted("file/app.conf", "[any]\r\ntext \u{1}\n");

    // nothing leaves this machine, so nobody is asked
    let data = sandbox.bulla(["publish", "data/f.yaml"]).any_stdout().run();
    let read = |text: &[u8]| -> Value {
        // by another reader of YAML
        let script =
            "import yaml, json, sys\nprint(json.dumps(list(yaml.safe_load_all(sys.stdin.buffer))))";
        let case = Case::within(&sandbox, "python3".as_ref()).args(["-c", script]);
        let case = case
            .env("PYTHONPATH", peer("moto-5.2.5"))
            .stdin(text)
            .any_stdout();
        serde_json::from_str(&case.run().text()).unwrap()
    };
    assert_eq!(
        read(&data.stdout),
        json!([{
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "db", "namespace": "apps", "labels": {"app": "db"}},
            "data": {"user": "YWxpY2U=", "opts.n": "MQ=="},
        }])
    );
    sandbox
        .bulla(["publish", "--dry-run", "data/f.yaml"])
        .never_says("alice")
        .expect_stdout("data/f.yaml -> Secret apps/db\n    user\n    opts.n\n")
        .run();

    // several in one file, which its owner only can read
    let output = ["publish", "--recursive", "text", "--output", "out.yaml"];
    sandbox.bulla(output).run();
    let head = |name: &str, data: Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "example.com/x",
               "metadata": {"name": name}, "stringData": data})
    };
    let expected = json!([
        head("my-app", json!({"a": "line\n'quoted'", "b": "0x10"})),
        head("more", json!({"A": "yes"})),
    ]);
    assert_eq!(read(&sandbox.read("out.yaml")), expected);
    assert_eq!(sandbox.mode(&sandbox.path("out.yaml")), 0o600);
    sandbox
        .bulla(output)
        .expect_stderr_has("out.yaml: the same already")
        .run();

    let file = sandbox
        .bulla(["publish", "file/app.conf"])
        .any_stdout()
        .run();
    let data = json!({"app.conf": "W2FueV0NCnRleHQgAQo="});
    assert_eq!(read(&file.stdout)[0]["data"], data);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of refusals")]
fn what_cannot_be_published_is_refused_before_anything_is() {
    let sandbox = Sandbox::new();
    let refused = |args: &[&str], fragments: &[&str]| {
        let mut case = sandbox.bulla(["publish"].iter().chain(args)).status(1);
        for fragment in fragments {
            case = case.expect_stderr_has(fragment);
        }
        case.run();
    };
    sandbox.encrypted("d/f.yaml", "a: 1\n");
    refused(&[], &["config file not found"]);
    refused(&["d/f.yaml"], &["config file not found"]);
    rules(&sandbox, "- {path_regex: ^d/, bulla: {kubernetes: {}}}\n");
    sandbox
        .bulla(["publish"])
        .status(100)
        .expect_stderr_has("no file specified")
        .run();
    refused(&["none"], &["none: no such file"]);
    refused(
        &["d"],
        &["can't operate on a directory without --recursive flag"],
    );
    // the path counts as it is written
    refused(
        &["./d/f.yaml"],
        &["no matching destination found", "hint: "],
    );
    sandbox
        .sops(["publish", "./d/f.yaml"])
        .status(1)
        .any_stderr()
        .run();

    // of a folder all files are read first
    sandbox.file("d/plain.yaml", "a: 1\n");
    refused(
        &["--recursive", "d"],
        &[
            "d/plain.yaml: sops metadata not found",
            "1 of 2 files cannot be published",
            "nothing was published",
        ],
    );
    std::fs::remove_file(sandbox.path("d/plain.yaml")).unwrap();
    // the MAC counts, and a key is needed
    let text = sandbox.read_text("d/f.yaml");
    sandbox.file(
        "d/f.yaml",
        text.replace("lastmodified: \"2", "lastmodified: \"1"),
    );
    sandbox
        .bulla(["publish", "d/f.yaml"])
        .status(51)
        .any_stderr()
        .run();
    sandbox.file("d/f.yaml", &text);
    sandbox
        .bulla(["publish", "d/f.yaml"])
        .no_identity()
        .status(128)
        .any_stderr()
        .run();

    // two of one name
    sandbox.encrypted("d/f.json", "{\"a\": 1}");
    rules(
        &sandbox,
        "- {omit_extensions: true, bulla: {kubernetes: {}}}\n",
    );
    refused(&["--recursive", "d"], &["Secret f would be written twice"]);
    // values that no name is for, and no mapping
    sandbox.encrypted("odd.yaml", "'a b': 1\n");
    let odd = sandbox.bulla(["publish", "odd.yaml"]).status(4);
    odd.expect_stderr_has("odd.yaml: [\"a b\"]: a key of a Secret has letters")
        .run();
    sandbox.file("list.yaml", "- a\n");
    let alice = age_key("alice").recipient;
    let encrypt = ["encrypt", "-i", "--age", &alice, "list.yaml"];
    sandbox.bulla(encrypt).any_stderr().run();
    sandbox
        .bulla(["publish", "list.yaml"])
        .status(4)
        .expect_stderr_has("only entries of a mapping")
        .run();

    for (rules_text, fragment) in [
        (
            "- {recreation_rule: {}}\n",
            "no destination configured for this file",
        ),
        (
            "- {s3_bucket: a, vault_path: b}\n",
            "more than one destination (s3_bucket, vault_path)",
        ),
        ("- {path_regex: '(', s3_bucket: a}\n", "path_regex \"(\""),
        (
            "- {s3_bucket: a, bulla: {external_secret: {store: s}}}\n",
            "external_secret is for values",
        ),
        ("  []\n", "no matching destination found"),
    ] {
        rules(&sandbox, rules_text);
        refused(&["-y", "d/f.yaml"], &[fragment]);
    }
    // the end of the input is no answer
    rules(&sandbox, "- {s3_bucket: a}\n");
    let run = sandbox.bulla(["publish", "d/f.yaml"]).any_stdout();
    run.status(1)
        .expect_stderr_has("the input ended without an answer")
        .run();
    sandbox
        .bulla(["--offline", "publish", "-y", "d/f.yaml"])
        .status(1)
        .expect_stderr_has("--offline")
        .run();
    // a broken rule does no harm to anything else
    rules(&sandbox, "- {path_regex: '(', s3_bucket: a}\n");
    sandbox.bulla(["set", "d/f.yaml", "[\"a\"]", "2"]).run();
    sandbox
        .bulla(["encrypt", "--filename-override", "x.json"])
        .stdin("{\"a\": 1}")
        .any_stdout()
        .run();
}

#[test]
fn sops_reads_a_configuration_with_destinations_of_ours() {
    let sandbox = Sandbox::new();
    rules(
        &sandbox,
        "- {path_regex: ^ours/, bulla: {aws_secrets_manager: {prefix: x/, content: values}, external_secret: {store: s}}}\n\
         - {vault_path: app, bulla: {external_secret: {store: s}}}\n",
    );
    sandbox.file("f.yaml", "a: 1\n");
    sandbox.sops(["encrypt", "-i", "f.yaml"]).run();
    sandbox
        .sops(["updatekeys", "-y", "f.yaml"])
        .any_stderr()
        .run();
    let path = sandbox.path("f.yaml").display().to_string();
    let question =
        format!("uploading {path} to http://127.0.0.1:1/v1/secret/data/app/f.yaml ? (y/n): ");
    for case in [
        sandbox.sops(["publish", "f.yaml"]),
        sandbox.bulla(["publish", "f.yaml"]),
    ] {
        case.stdin("n\n")
            .env("VAULT_ADDR", "http://127.0.0.1:1")
            .expect_stdout(&question)
            .expect_stderr_has(&format!("Publication of {path} canceled"))
            .status(1)
            .run();
    }
}
