//! Access keys: from the environment, from the file of Huawei's SDKs, from the metadata service of
//! a machine in their cloud.

use crate::cli::environment::{
    Environment, HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_CREDENTIALS_FILE, HUAWEICLOUD_SDK_PROJECT_ID,
    HUAWEICLOUD_SDK_SECURITY_TOKEN, HUAWEICLOUD_SDK_SK,
};
use crate::cli::services::metadata;
use crate::keys::ServiceError;
use reqwest::StatusCode;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The sections of the file that are looked for, the SDKs' own first.
const SECTIONS: [&str; 2] = ["basic", "default"];

/// For how long a token of the metadata service is asked for, in seconds.
const TOKEN_LIFETIME: &str = "300";

/// A pair of access keys.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    pub access: String,
    /// The access key.
    pub secret: Zeroizing<String>,
    /// What belongs to keys that are good for a time only.
    pub token: Option<Zeroizing<String>>,
    /// The id of the project; it can be asked for.
    pub project: Option<String>,
}

/// The first credentials that there are.
///
/// # Errors
/// Where there are none; why not is said of each place.
pub async fn find(environment: &Environment) -> Result<Credentials, ServiceError> {
    let mut reasons = Vec::new();
    match from_environment(environment) {
        Ok(found) => return Ok(found),
        Err(reason) => reasons.push(format!("environment: {reason}")),
    }
    match from_file(environment) {
        Ok(found) => return Ok(found),
        Err(reason) => reasons.push(reason),
    }
    match from_machine(environment).await {
        Ok(found) => return Ok(found),
        Err(reason) => reasons.push(format!("metadata service: {reason}")),
    }
    let message = format!("Huawei Cloud: no credentials ({})", reasons.join("; "));
    Err(ServiceError::new(message)
        .hint("set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or write ~/.huaweicloud/credentials"))
}

/// Whether it can stand in a path: an id of a project.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(letter)
}

/// Credentials of what a place has under these names; an empty text is none.
fn made(
    [ak, sk, token, project]: [&str; 4],
    of: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, String> {
    let text = |name: &str| of(name).filter(|text| !text.is_empty());
    let needed = |name: &str| text(name).ok_or_else(|| format!("{name} is not set"));
    let (access, secret) = (needed(ak)?, Zeroizing::new(needed(sk)?));
    let (token, project) = (text(token).map(Zeroizing::new), text(project));
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(&access) || token.as_ref().is_some_and(|token| !visible(token)) {
        return Err(format!(
            "{ak} or what belongs to it is not made as access keys are"
        ));
    }
    match &project {
        Some(id) if !is_word(id) => Err("the project's id is not made as such ids are".to_owned()),
        _ => Ok(Credentials {
            access,
            secret,
            token,
            project,
        }),
    }
}

fn from_environment(environment: &Environment) -> Result<Credentials, String> {
    let names = [
        HUAWEICLOUD_SDK_AK,
        HUAWEICLOUD_SDK_SK,
        HUAWEICLOUD_SDK_SECURITY_TOKEN,
        HUAWEICLOUD_SDK_PROJECT_ID,
    ];
    made(names, |name| environment.text(name).map(str::to_owned))
}

fn from_file(environment: &Environment) -> Result<Credentials, String> {
    let named = environment.path(HUAWEICLOUD_SDK_CREDENTIALS_FILE);
    let path = named.map(PathBuf::from).or_else(|| {
        let home = environment.home()?;
        Some(home.join(".huaweicloud/credentials"))
    });
    let path = path.ok_or("no file of credentials, since there is no home directory")?;
    let said = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|error| said(&error))?;
    let section = SECTIONS.into_iter().find(|name| has_section(&text, name));
    let section = section.ok_or_else(|| said(&"there is no [basic]"))?;
    let found = made(["ak", "sk", "security_token", "project_id"], |name| {
        value(&text, section, name)
    });
    found.map_err(|reason| said(&reason))
}

/// The lines of INI that matter, without blanks around them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}').trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

fn section_of(line: &str) -> Option<&str> {
    Some(line.strip_prefix('[')?.strip_suffix(']')?.trim())
}

fn has_section(text: &str, name: &str) -> bool {
    lines(text).any(|line| section_of(line) == Some(name))
}

fn value(text: &str, section: &str, name: &str) -> Option<String> {
    let mut here = false;
    let mut found = None;
    for line in lines(text) {
        match section_of(line) {
            Some(other) => here = other == section,
            None if here => {
                let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
                if key.trim() == name {
                    found = Some(value.trim().trim_matches(['"', '\'', '`']).to_owned());
                }
            }
            None => {}
        }
    }
    found
}

/// Keys of the agency that the machine runs under.
async fn from_machine(environment: &Environment) -> Result<Credentials, String> {
    let address = metadata::address(environment);
    let address = address.ok_or("not asked (BULLA_METADATA_URL=none)")?;
    let client = metadata::client().map_err(|error| error.message)?;
    let url = format!("{address}/meta-data/latest/api/token");
    let lifetime = "x-metadata-token-ttl-seconds";
    let token = metadata::ask(|| client.put(&url).header(lifetime, TOKEN_LIFETIME)).await;
    let token = match token.map_err(|error| error.message)? {
        reply if reply.status == StatusCode::OK => String::from_utf8(reply.body.to_vec())
            .map(Zeroizing::new)
            .ok(),
        // an older service, which wants none
        _ => None,
    };
    let url = format!("{address}/openstack/latest/securitykey");
    let reply = metadata::ask(|| match &token {
        Some(token) => client.get(&url).header("x-metadata-token", token.trim()),
        None => client.get(&url),
    });
    let reply = reply.await.map_err(|error| error.message)?;
    if !reply.status.is_success() {
        return Err(format!(
            "it answers {}; has the machine an agency?",
            reply.status
        ));
    }
    let body = reply.json().unwrap_or_default();
    made(["access", "secret", "securitytoken", "project"], |name| {
        body["credential"][name].as_str().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_the_sdks_read_it() {
        let text = "; mine\n[global]\nak = other\n\n[ basic ]\nak=A1\n sk = 'a=b:c' \n# no\nproject_id : p\n";
        let of = |name| value(text, "basic", name);
        assert_eq!(of("ak").as_deref(), Some("A1"));
        assert_eq!(of("sk").as_deref(), Some("a=b:c"));
        assert_eq!(of("project_id").as_deref(), Some("p"));
        assert_eq!(of("security_token"), None);
        assert!(has_section(text, "basic") && !has_section(text, "default"));
    }

    #[test]
    fn half_a_pair_is_none_and_what_is_missing_has_a_name() {
        let names = ["ak", "sk", "token", "project"];
        let reason = |text: &'static str| {
            let found = made(names, |name| value(text, "s", name));
            found.err().unwrap_or_default()
        };
        assert_eq!(reason("[s]\nak=1\n"), "sk is not set");
        assert_eq!(reason("[s]\nak=1\nsk=2\n"), "");
        assert!(reason("[s]\nak=1\nsk=2\nproject=../x\n").contains("project"));
        assert!(reason("[s]\nak=1 1\nsk=2\n").contains("ak"));
    }
}
