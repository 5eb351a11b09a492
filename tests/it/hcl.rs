//! HCL: `.tfvars` and `.hcl` come back as they were, expressions and all.

use crate::support::{Sandbox, age_key, in_clear, testdata, testdata_names};

const TEXT: &str = "# who reads this\nuser = \"alice\" // the admin\nport = 1.50\n\nhosts = [\n  \"one\", # first\n  var.two,\n]\ntags = { env = \"prod\", \"a b\" : true }\nkey = <<-EOT\n    line one\n      $${two}\n    EOT\n\nresource \"db\" \"main\" {\n  password = \"${var.prefix}-hunter2\"\n  nested { x = null }\n}\n";

const NOTE: &str = "stock sops cannot read this file: it has no format named hcl";

#[track_caller]
fn comes_back(name: &str, text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file(name, text);
    let alice = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice, name])
        .expect_stderr_has(NOTE)
        .run();
    sandbox.bulla(["decrypt", name]).expect_stdout(text).run();
    sandbox
}

#[test]
fn values_expressions_and_comments_are_encrypted_and_come_back() {
    let sandbox = comes_back("f.tfvars", TEXT);
    let encrypted = sandbox.read_text("f.tfvars");
    for secret in [
        "who reads",
        "alice",
        "admin",
        "1.50",
        "one",
        "two",
        "prod",
        "hunter2",
        "var.",
    ] {
        assert!(
            !in_clear(&encrypted).contains(secret),
            "{secret} is in clear"
        );
    }
    for clear in [
        "#ENC[",
        "user = \"ENC[",
        "//ENC[",
        "port = \"ENC[",
        "  \"${\"ENC[",
        "{ env = \"ENC[",
        "key = <<-EOT\n    ENC[",
        "resource \"db\" \"main\" {\n  password = \"${\"ENC[",
        "nested { x = null }\n}\nsops = {\n  age = [\n",
    ] {
        assert!(encrypted.contains(clear), "{clear} is missing");
    }
}

#[test]
fn paths_lead_into_blocks() {
    let sandbox = comes_back("f.hcl", TEXT);
    let extract = |path: &str, expected: &str| {
        sandbox
            .bulla(["decrypt", "--extract", path, "f.hcl"])
            .expect_stdout(expected)
            .run();
    };
    extract("resource.db.main.password", "\"${var.prefix}-hunter2\"");
    extract("key", "line one\n  ${two}\n");
    extract("hosts[1]", "var.two");
    extract("[\"tags\"][\"a b\"]", "true");
}

#[test]
fn one_value_is_set_and_unset() {
    let sandbox = comes_back("f.tfvars", TEXT);
    let run = |arguments: &[&str]| {
        sandbox.bulla(arguments).expect_stderr_has(NOTE).run();
    };
    let plain = |expected: &str| {
        sandbox
            .bulla(["decrypt", "f.tfvars"])
            .expect_stdout(expected)
            .run();
    };
    run(&["set", "f.tfvars", "[\"user\"]", "\"${bob}\""]);
    let text = TEXT.replace("\"alice\"", "\"$${bob}\"");
    plain(&text);
    run(&["set", "f.tfvars", "[\"hosts\"][9]", "3"]);
    let text = text.replace("  var.two,\n", "  var.two,\n  3,\n");
    plain(&text);
    run(&["set", "f.tfvars", "[\"new\"]", "{\"x\": [true]}"]);
    let text = text + "new = {\n  x = [\n    true,\n  ]\n}\n";
    plain(&text);
    run(&["unset", "f.tfvars", "[\"resource\"][\"db\"]"]);
    let block = text.find("resource").unwrap()..text.find("new").unwrap();
    plain(&text.replace(&text[block], ""));
}

#[test]
fn a_broken_text_is_shown_where_it_breaks() {
    let sandbox = Sandbox::new();
    sandbox.file("f.tfvars", "a = 1\nb = [1\n");
    let alice = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "--age", &alice, "f.tfvars"])
        .status(2)
        .expect_stderr_has("f.tfvars:2:5: a list without its `]`")
        .run();
}

#[test]
fn other_formats_are_converted() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "# c\na: 'x ${y}'\nb: [1, {'c d': null}]\n");
    sandbox
        .bulla(["decrypt", "--output-type", "hcl", "f.yaml"])
        .expect_stdout("# c\na = \"x $${y}\"\nb = [\n  1,\n  {\n    \"c d\" = null\n  },\n]\n")
        .run();
}

#[test]
fn the_files_of_the_test_data_come_back() {
    let names = testdata_names("own-formats");
    for name in names.iter().filter(|name| name.contains(".hcl")) {
        let text = testdata(&format!("own-formats/{name}"));
        comes_back(name, std::str::from_utf8(&text).unwrap());
    }
}
