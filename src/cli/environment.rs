//! The environment: every variable that bulla reads stands in the one list below.
//!
//! Nothing else in the package asks for a variable by itself, so the list is complete. What a
//! child process must not inherit is decided here, too.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

/// A variable that bulla reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    purpose: &'static str,
}

impl Variable {
    /// What it is for, in one line.
    #[must_use]
    pub fn purpose(&self) -> &'static str {
        self.purpose.trim()
    }
}

macro_rules! variables {
    ($($(#[doc = $purpose:literal])+ $name:ident;)+) => {
        $($(#[doc = $purpose])+ pub const $name: &str = stringify!($name);)+

        /// Every variable that bulla reads.
        pub const VARIABLES: &[Variable] = &[
            $(Variable { name: stringify!($name), purpose: concat!($($purpose),+) },)+
        ];
    };
}

variables! {
    /// age identities, one or several in a line.
    SOPS_AGE_KEY;
    /// A file of age identities.
    SOPS_AGE_KEY_FILE;
    /// A command that prints age identities; `SOPS_AGE_RECIPIENT` tells it which is wanted.
    SOPS_AGE_KEY_CMD;
    /// A private SSH key to decrypt with.
    SOPS_AGE_SSH_PRIVATE_KEY_FILE;
    /// A command that prints a private SSH key; `SOPS_AGE_RECIPIENT` tells it which is wanted.
    SOPS_AGE_SSH_PRIVATE_KEY_CMD;
    /// age recipients, comma separated (`--age`).
    SOPS_AGE_RECIPIENTS;
    /// PGP fingerprints, comma separated (`--pgp`).
    SOPS_PGP_FP;
    /// AWS KMS keys, comma separated (`--kms`).
    SOPS_KMS_ARN;
    /// GCP KMS keys, comma separated (`--gcp-kms`).
    SOPS_GCP_KMS_IDS;
    /// Azure Key Vault keys, comma separated (`--azure-kv`).
    SOPS_AZURE_KEYVAULT_URLS;
    /// Vault transit keys, comma separated (`--hc-vault-transit`).
    SOPS_VAULT_URIS;
    /// Huawei Cloud KMS keys, comma separated (`--hckms`).
    SOPS_HUAWEICLOUD_KMS_IDS;
    /// The tenant of Azure that tokens are asked from.
    AZURE_TENANT_ID;
    /// The application, or managed identity, of Azure that asks for tokens.
    AZURE_CLIENT_ID;
    /// The secret of that application.
    AZURE_CLIENT_SECRET;
    /// The certificate of that application, and its RSA key, in a PEM file.
    AZURE_CLIENT_CERTIFICATE_PATH;
    /// Only to say that a key with a password is not read.
    AZURE_CLIENT_CERTIFICATE_PASSWORD;
    /// `1`: send the chain of that certificate, too.
    AZURE_CLIENT_SEND_CERTIFICATE_CHAIN;
    /// A file with the token of a workload in Kubernetes.
    AZURE_FEDERATED_TOKEN_FILE;
    /// Only to say that a user's name and password are no longer taken.
    AZURE_USERNAME;
    /// Who gives out tokens, for other clouds than Azure's public one.
    AZURE_AUTHORITY_HOST;
    /// Which sources of credentials are asked: `dev`, `prod` or the name of one.
    AZURE_TOKEN_CREDENTIALS;
    /// The id of an access key of Huawei Cloud.
    HUAWEICLOUD_SDK_AK;
    /// That access key.
    HUAWEICLOUD_SDK_SK;
    /// What belongs to an access key that is good for a time only.
    HUAWEICLOUD_SDK_SECURITY_TOKEN;
    /// The id of the project in Huawei Cloud; without it, it is asked for.
    HUAWEICLOUD_SDK_PROJECT_ID;
    /// A file of credentials instead of `~/.huaweicloud/credentials`.
    HUAWEICLOUD_SDK_CREDENTIALS_FILE;
    /// The identity service instead of that of the region.
    HUAWEICLOUD_SDK_IAM_ENDPOINT;
    /// With the name of a region behind it (`…_CN_NORTH_4`): where KMS of that region is.
    HUAWEICLOUD_SDK_REGION_KMS_;
    /// `none`, or what stands for the metadata service of a cloud's machine.
    BULLA_METADATA_URL;
    /// How GCP KMS is asked: `grpc` or `rest`.
    SOPS_GCP_KMS_CLIENT_TYPE;
    /// Where GCP KMS is, if not at Google's own address.
    SOPS_GCP_KMS_ENDPOINT;
    /// The universe of GCP KMS, if not googleapis.com.
    SOPS_GCP_KMS_UNIVERSE_DOMAIN;
    /// The universe of everything of Google Cloud.
    GOOGLE_CLOUD_UNIVERSE_DOMAIN;
    /// Credentials of Google Cloud: a path, or the JSON itself.
    GOOGLE_CREDENTIALS;
    /// An access token of Google Cloud.
    GOOGLE_OAUTH_ACCESS_TOKEN;
    /// A file with credentials of Google Cloud.
    GOOGLE_APPLICATION_CREDENTIALS;
    /// The project that requests to Google Cloud are counted to.
    GOOGLE_CLOUD_QUOTA_PROJECT;
    /// A server in the place of Google Cloud Storage, which takes no token.
    STORAGE_EMULATOR_HOST;
    /// The certificates to trust for AWS, instead of those of the system.
    AWS_CA_BUNDLE;
    /// The configuration file (`--config`).
    SOPS_CONFIG;
    /// Which kinds of key are tried first (`--decryption-order`).
    SOPS_DECRYPTION_ORDER;
    /// Key services that are asked, comma separated (`--keyservice`).
    SOPS_KEYSERVICE;
    /// Whether keys of this machine are used (`--enable-local-keyservice`).
    SOPS_ENABLE_LOCAL_KEYSERVICE;
    /// `off`: no agent is asked for what it holds open.
    BULLA_AGENT;
    /// The socket of the agent.
    BULLA_AGENT_SOCK;
    /// The program that stands for gpg.
    SOPS_GPG_EXEC;
    /// The home directory of gpg.
    GNUPGHOME;
    /// Which servers of Vault may be asked: `all`, `none` or a list of the starts of addresses.
    SOPS_HC_VAULT_ALLOWLIST;
    /// The address of your Vault; keys in files whose server it is are used.
    VAULT_ADDR;
    /// The address of an agent or proxy of Vault, which is asked in the place of every server.
    VAULT_AGENT_ADDR;
    /// The token for Vault; without it, `~/.vault-token` is read.
    VAULT_TOKEN;
    /// The namespace of Vault that keys are in.
    VAULT_NAMESPACE;
    /// A file of certificates of authorities to trust, for Vault.
    VAULT_CACERT;
    /// Such certificates themselves, for Vault.
    VAULT_CACERT_BYTES;
    /// A folder of files of such certificates, for Vault.
    VAULT_CAPATH;
    /// A file with the certificate to show to Vault.
    VAULT_CLIENT_CERT;
    /// A file with the private key of that certificate, for Vault.
    VAULT_CLIENT_KEY;
    /// `true`: do not check the certificate of Vault.
    VAULT_SKIP_VERIFY;
    /// The name in the certificate of Vault, where it is not that of the address.
    VAULT_TLS_SERVER_NAME;
    /// How long one answer of Vault is waited for: seconds, or a time like `30s`.
    VAULT_CLIENT_TIMEOUT;
    /// How often a request to Vault is repeated at most.
    VAULT_MAX_RETRIES;
    /// The proxy on the way to Vault; goes before `VAULT_HTTP_PROXY`.
    VAULT_PROXY_ADDR;
    /// The proxy on the way to Vault.
    VAULT_HTTP_PROXY;
    /// Headers that every request to Vault has, as JSON.
    VAULT_HEADERS;
    /// The address of your OpenBao; keys in files whose server it is are used.
    BAO_ADDR;
    /// The address of an agent or proxy of OpenBao, which is asked in the place of every server.
    BAO_AGENT_ADDR;
    /// The token for OpenBao; without it, `~/.vault-token` is read.
    BAO_TOKEN;
    /// The namespace of OpenBao that keys are in.
    BAO_NAMESPACE;
    /// A file of certificates of authorities to trust, for OpenBao.
    BAO_CACERT;
    /// Such certificates themselves, for OpenBao.
    BAO_CACERT_BYTES;
    /// A folder of files of such certificates, for OpenBao.
    BAO_CAPATH;
    /// A file with the certificate to show to OpenBao.
    BAO_CLIENT_CERT;
    /// A file with the private key of that certificate, for OpenBao.
    BAO_CLIENT_KEY;
    /// `true`: do not check the certificate of OpenBao.
    BAO_SKIP_VERIFY;
    /// The name in the certificate of OpenBao, where it is not that of the address.
    BAO_TLS_SERVER_NAME;
    /// How long one answer of OpenBao is waited for: seconds, or a time like `30s`.
    BAO_CLIENT_TIMEOUT;
    /// How often a request to OpenBao is repeated at most.
    BAO_MAX_RETRIES;
    /// The proxy on the way to OpenBao; goes before `BAO_HTTP_PROXY`.
    BAO_PROXY_ADDR;
    /// The proxy on the way to OpenBao.
    BAO_HTTP_PROXY;
    /// The certificate to show to OpenBao itself.
    BAO_CLIENT_CERT_BYTES;
    /// The private key of that certificate itself.
    BAO_CLIENT_KEY_BYTES;
    /// The terminal that gpg's pinentry asks on; without it, the one that bulla was started on.
    GPG_TTY;
    /// The kind of that terminal.
    TERM;
    /// The screen that gpg's pinentry asks on.
    DISPLAY;
    /// The editor; goes before `EDITOR` and `VISUAL`.
    SOPS_EDITOR;
    /// The editor.
    EDITOR;
    /// The editor, where neither `SOPS_EDITOR` nor `EDITOR` names one.
    VISUAL;
    /// `1`: give a known editor no arguments of ours, and do not ask it to leave nothing behind.
    BULLA_EDITOR_RAW;
    /// `1`: refuse to decrypt for an editor where there is no memory-backed directory.
    BULLA_REQUIRE_RAM;
    /// The file that collects variables for the steps that follow, in GitHub Actions.
    GITHUB_ENV;
    /// The file that collects the outputs of a step, in GitHub Actions.
    GITHUB_OUTPUT;
    /// Where programs are looked for; entries that are not absolute are passed over.
    PATH;
    /// The home directory.
    HOME;
    /// The home directory, on Windows.
    USERPROFILE;
    /// The name of the user, on Windows.
    USERNAME;
    /// The configuration directory, on Windows.
    APPDATA;
    /// The directory of local state, on Windows.
    LOCALAPPDATA;
    /// The configuration directory instead of `~/.config`.
    XDG_CONFIG_HOME;
    /// A directory of this login, in memory as a rule.
    XDG_RUNTIME_DIR;
    /// The state directory instead of `~/.local/state`.
    XDG_STATE_HOME;
    /// The name of this machine, on Windows.
    COMPUTERNAME;
    /// The directory for temporary files.
    TMPDIR;
    /// Not empty: no colour.
    NO_COLOR;
}

/// Variables with credentials of services that an editor has no business to know.
const CREDENTIALS: &[&str] = &[
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "VAULT_TOKEN",
    "VAULT_HEADERS",
    "BAO_TOKEN",
    "BAO_CLIENT_KEY_BYTES",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN",
];

/// Who is started, and so what is kept from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// gpg, a key command: needs credentials of services, but none of our keys.
    Helper,
    /// An editor: needs neither.
    Editor,
}

impl Child {
    fn must_not_see(self, name: &str) -> bool {
        let key =
            name.starts_with("SOPS_AGE_KEY") || name.starts_with("BULLA_") && name.contains("KEY");
        key || self == Self::Editor && CREDENTIALS.contains(&name)
    }
}

/// The environment as it was when the process started.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable that is set, even if to nothing.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.values.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value of a variable that is set to some text; what is not UTF-8 counts as unset.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.to_str().filter(|text| !text.is_empty())
    }

    /// The value of a variable that is set to some path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<&Path> {
        self.value(name)
            .filter(|value| !value.is_empty())
            .map(Path::new)
    }

    /// Whether a variable says yes: `1`, `t`, `true` in any case.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| {
            ["1", "t", "true"]
                .iter()
                .any(|yes| text.eq_ignore_ascii_case(yes))
        })
    }

    /// Whether colour may be used as far as the environment is concerned.
    #[must_use]
    pub fn allows_color(&self) -> bool {
        self.path(NO_COLOR).is_none()
    }

    /// The user's home directory.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.path(if cfg!(windows) { USERPROFILE } else { HOME })
    }

    /// The user's configuration directory, where sops looks for it on this system.
    #[must_use]
    pub fn config_dir(&self) -> Option<PathBuf> {
        if cfg!(windows) {
            return self.path(APPDATA).map(Path::to_path_buf);
        }
        if let Some(path) = self.path(XDG_CONFIG_HOME) {
            // Go's os.UserConfigDir refuses what is relative; so do we, everywhere
            return path.is_absolute().then(|| path.to_path_buf());
        }
        let below = if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".config"
        };
        self.home().map(|home| home.join(below))
    }

    /// Where what must outlive this process is kept for the user.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        if cfg!(windows) {
            return self.path(LOCALAPPDATA).map(|path| path.join("bulla"));
        }
        let base = match self.path(XDG_STATE_HOME).filter(|path| path.is_absolute()) {
            Some(path) => path.to_path_buf(),
            None => self.home()?.join(".local/state"),
        };
        Some(base.join("bulla"))
    }

    /// The directory for temporary files, always absolute.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        match self.path(TMPDIR) {
            Some(path) if path.is_absolute() && cfg!(unix) => path.to_path_buf(),
            _ if cfg!(unix) => PathBuf::from("/tmp"),
            _ => std::env::temp_dir(),
        }
    }

    /// The file that a command's first word names: itself where it is a path, else the first
    /// executable of that name in an absolute entry of `PATH`. Never one of the working directory.
    #[must_use]
    pub fn program(&self, word: &OsStr) -> Option<PathBuf> {
        let named = Path::new(word);
        if named.components().count() != 1 || named.is_absolute() {
            return Some(named.to_path_buf());
        }
        let path = self.value(PATH)?;
        std::env::split_paths(path)
            .filter(|directory| directory.is_absolute())
            .flat_map(|directory| candidates(&directory, word))
            .find(|file| is_executable(file))
    }

    /// Takes from a command's environment what its program must not see.
    pub fn scrub(&self, command: &mut Command, child: Child) {
        for name in self.values.keys() {
            if name.to_str().is_some_and(|name| child.must_not_see(name)) {
                command.env_remove(name);
            }
        }
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let values = variables.into_iter().map(|(name, value)| {
            let name = name.into();
            // names of variables have no case on Windows
            let name = if cfg!(windows) {
                name.to_ascii_uppercase()
            } else {
                name
            };
            (name, value.into())
        });
        Self {
            values: values.collect(),
        }
    }
}

/// Names only: values may be keys.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(unix)]
fn candidates(directory: &Path, word: &OsStr) -> [PathBuf; 1] {
    [directory.join(word)]
}

#[cfg(not(unix))]
fn candidates(directory: &Path, word: &OsStr) -> [PathBuf; 4] {
    ["", ".exe", ".cmd", ".bat"].map(|ending| {
        let mut name = word.to_os_string();
        name.push(ending);
        directory.join(name)
    })
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_by(child: Child, variables: &[&str]) -> Vec<String> {
        let environment: Environment = variables.iter().map(|name| (*name, "x")).collect();
        let mut command = Command::new("true");
        environment.scrub(&mut command, child);
        let removed: Vec<_> = command
            .get_envs()
            .map(|(name, _)| name.to_owned())
            .collect();
        variables
            .iter()
            .filter(|name| !removed.contains(&OsString::from(**name)))
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn children_see_no_key_and_editors_no_credential() {
        let variables = [
            "SOPS_AGE_KEY",
            "SOPS_AGE_KEY_CMD",
            "BULLA_SEAL_KEY",
            "VAULT_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "TERM",
            "BULLA_EDITOR_RAW",
        ];
        assert_eq!(
            seen_by(Child::Editor, &variables),
            ["TERM", "BULLA_EDITOR_RAW"]
        );
        assert_eq!(
            seen_by(Child::Helper, &variables),
            [
                "VAULT_TOKEN",
                "AWS_SECRET_ACCESS_KEY",
                "TERM",
                "BULLA_EDITOR_RAW"
            ]
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let environment: Environment = [("SOPS_AGE_KEY", "hunter2")].into_iter().collect();
        let shown = format!("{environment:?}");
        assert!(shown.contains("SOPS_AGE_KEY") && !shown.contains("hunter2"));
    }

    #[test]
    fn every_variable_has_a_purpose_and_stands_once() {
        let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VARIABLES.len());
        assert!(
            VARIABLES
                .iter()
                .all(|variable| variable.purpose().len() > 8)
        );
    }

    #[cfg(unix)]
    #[test]
    fn programs_come_from_absolute_entries_of_path_only() {
        let environment: Environment = [(PATH, ".::bin:/nowhere:/bin")].into_iter().collect();
        assert_eq!(
            environment.program(OsStr::new("sh")),
            Some(PathBuf::from("/bin/sh"))
        );
        assert_eq!(environment.program(OsStr::new("no-such-program")), None);
        assert_eq!(
            environment.program(OsStr::new("./sh")),
            Some(PathBuf::from("./sh"))
        );
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn an_empty_variable_names_no_directory() {
        let environment: Environment = [(HOME, "/home/me"), (XDG_CONFIG_HOME, ""), (TMPDIR, "")]
            .into_iter()
            .collect();
        assert_eq!(
            environment.config_dir(),
            Some(PathBuf::from("/home/me/.config"))
        );
        assert_eq!(environment.temp_dir(), PathBuf::from("/tmp"));
        assert_eq!(environment.value(TMPDIR), Some(OsStr::new("")));
    }
}
