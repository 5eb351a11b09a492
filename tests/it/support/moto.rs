//! A server that speaks as AWS does (`moto`), and the client of AWS for Python (`boto3`), which sees
//! what is there without our help.

use super::servers::Server;
use super::{Case, Sandbox, peer};
use serde_json::Value;
use std::process::Command;

/// A server that speaks as AWS does.
pub(crate) struct Moto(Server);

impl Moto {
    /// Starts it.
    pub(crate) fn start() -> Self {
        Self(Server::start(|port| {
            let mut command = Command::new("python3");
            command
                .args(["-c", "from moto.server import main; main()"])
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .env("PYTHONPATH", peer("moto-5.2.5"));
            command
        }))
    }

    /// Makes a command use this server.
    pub(crate) fn around(&self, case: Case) -> Case {
        case.env("AWS_ENDPOINT_URL", self.0.url())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// What a line of Python makes of boto3's client of a service, `c`.
    pub(crate) fn boto(&self, service: &str, line: &str) -> Value {
        let script = format!(
            "import boto3, json, sys\nc = boto3.client('{service}')\n\
             print(json.dumps({line}, default=str))"
        );
        let sandbox = Sandbox::new();
        let case = Case::within(&sandbox, "python3".as_ref()).args(["-c", &script]);
        let case = self.around(case).env("AWS_DEFAULT_REGION", "us-east-1");
        let case = case.env("PYTHONPATH", peer("moto-5.2.5")).any_stdout();
        serde_json::from_str(&case.any_stderr().run().text()).expect("JSON")
    }

    /// The text of an object.
    pub(crate) fn object(&self, key: &str) -> String {
        let line = format!("c.get_object(Bucket='bkt', Key='{key}')['Body'].read().decode()");
        let Value::String(text) = self.boto("s3", &line) else {
            panic!("no text")
        };
        text
    }

    /// The names of all objects.
    pub(crate) fn objects(&self) -> Value {
        let line = "[o['Key'] for o in c.list_objects_v2(Bucket='bkt').get('Contents', [])]";
        self.boto("s3", line)
    }
}
