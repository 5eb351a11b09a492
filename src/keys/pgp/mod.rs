//! PGP keys, through the gpg program: any key that it can use, on any smart card and by any agent.
//!
//! gpg is run by whoever gives a [`Gpg`]; here is what it is asked, and what its answers mean.

mod problem;

pub use problem::{GpgProblem, PgpError};

use super::{Address, Cause, MasterKey, Provider, Unlocker, UnwrapError, Wrapped, Wrapper, field};
use crate::document::Data;
use zeroize::Zeroizing;

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "pgp",
    flag: "pgp",
    env: "SOPS_PGP_FP",
    config_field: "pgp",
    has_created_at: true,
    parse: |text, _| Ok(Box::new(PgpKey::new(text)?)),
    from_data: |entry| Box::new(PgpKey::from_data(entry)),
    address: |entry| PgpKey::from_data(entry).address(),
};

/// Runs gpg.
pub trait Gpg {
    /// Runs it with `arguments` and with `input` on its standard input, and waits for its end.
    /// It may ask the user on its own.
    ///
    /// # Errors
    /// [`GpgNotRun`] where it does not get so far.
    fn run(&mut self, arguments: &[&str], input: &[u8]) -> Result<GpgOutput, GpgNotRun>;
}

/// What gpg left behind.
pub struct GpgOutput {
    /// Whether it says that it did its work.
    pub success: bool,
    /// Its standard output.
    pub stdout: Zeroizing<Vec<u8>>,
    /// Its standard error, as text; only its end where it is long.
    pub stderr: String,
}

/// Why gpg could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot run {program:?}: {why}")]
pub struct GpgNotRun {
    /// The program that was looked for.
    pub program: String,
    /// What came of it.
    pub why: String,
}

/// Somebody with a PGP key.
#[derive(Clone)]
pub struct PgpKey {
    fingerprint: String,
    created_at: Option<String>,
    enc: Option<String>,
}

impl PgpKey {
    /// The key of a fingerprint, or of whatever else gpg knows a key by; all spaces are removed.
    /// With `!` behind it, it is that very sub-key.
    ///
    /// # Errors
    /// [`PgpError::Name`] where gpg could take it for something else.
    pub fn new(fingerprint: &str) -> Result<Self, PgpError> {
        let fingerprint = fingerprint.trim().replace(' ', "");
        check_name(&fingerprint)?;
        Ok(Self {
            fingerprint,
            created_at: None,
            enc: None,
        })
    }

    /// The key of an entry in the metadata.
    #[must_use]
    pub fn from_data(entry: &Data) -> Self {
        let text = |name| {
            let text = field(entry, name).and_then(Data::text);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            fingerprint: text("fp").unwrap_or_default().replace(' ', ""),
            created_at: text("created_at"),
            enc: text("enc"),
        }
    }

    fn failed(&self, stderr: &str) -> PgpError {
        PgpError::failed(&self.fingerprint, stderr)
    }
}

impl MasterKey for PgpKey {
    fn provider(&self) -> &'static str {
        PROVIDER.id
    }

    fn id(&self) -> &str {
        &self.fingerprint
    }

    fn address(&self) -> Address {
        Address::Pgp(self.fingerprint.clone())
    }

    fn wrapped(&self) -> Option<&str> {
        self.enc.as_deref()
    }

    fn take(&mut self, wrapped: Wrapped, now: &str) {
        self.enc = Some(wrapped.enc);
        self.created_at.get_or_insert_with(|| now.to_owned());
    }

    fn wrap(&mut self, part: &[u8], wrapper: &mut Wrapper<'_>) -> Result<(), Cause> {
        check_name(&self.fingerprint)?;
        let gpg = wrapper.gpg.as_deref_mut().ok_or(PgpError::NoGpg)?;
        let output = gpg
            .run(&encrypt_arguments(&self.fingerprint), part)
            .map_err(PgpError::NotRun)?;
        if !output.success {
            return Err(self.failed(&output.stderr).into());
        }
        let message = std::str::from_utf8(&output.stdout).unwrap_or_default();
        let message = message.trim();
        if !message.starts_with(MESSAGE) {
            return Err(PgpError::NoMessage.into());
        }
        self.enc = Some(message.to_owned());
        self.created_at
            .get_or_insert_with(|| wrapper.now.to_owned());
        Ok(())
    }

    fn unwrap(&self, unlocker: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        let Some(enc) = &self.enc else {
            return Err(vec![UnwrapError::NotWrapped]);
        };
        let opened = match &mut unlocker.gpg {
            None => Err(PgpError::NoGpg),
            // gpg asks on its own, and nobody knows before whether it will
            Some(_) if unlocker.prompt.is_none() => {
                unlocker.held_back = true;
                Err(PgpError::HeldBack)
            }
            Some(gpg) => self.decrypt(enc, *gpg),
        };
        opened.map_err(|error| vec![UnwrapError::Provider(error.into())])
    }

    fn to_data(&self) -> Data {
        let entry = |name: &str, text: &str| (name.as_bytes().to_vec(), Data::str(text));
        let created_at = self.created_at.iter();
        let mut entries: Vec<_> = created_at.map(|at| entry("created_at", at)).collect();
        entries.push(entry("enc", self.enc.as_deref().unwrap_or_default()));
        entries.push(entry("fp", &self.fingerprint));
        Data::Map(entries)
    }

    fn boxed_clone(&self) -> Box<dyn MasterKey> {
        Box::new(self.clone())
    }
}

impl PgpKey {
    fn decrypt(&self, enc: &str, gpg: &mut dyn Gpg) -> Result<Zeroizing<Vec<u8>>, PgpError> {
        // no `--batch`: an agent, a smart card and a terminal may all have to be asked
        let output = gpg.run(&["-d"], enc.as_bytes()).map_err(PgpError::NotRun)?;
        if !output.success {
            return Err(self.failed(&output.stderr));
        }
        if output.stdout.is_empty() {
            // an old gpg does this with what a newer one encrypted in a way it does not know
            return Err(PgpError::Empty);
        }
        Ok(output.stdout)
    }
}

/// How every message in armor begins.
const MESSAGE: &str = "-----BEGIN PGP MESSAGE-----";

/// Hexadecimal digits of a long key id.
const LONG_ID: usize = 16;

/// The arguments by which gpg encrypts for one key and nobody else, whatever its configuration
/// says. A key that is named by fingerprint or long id is trusted for it: who gave the
/// fingerprint has vouched for the key.
fn encrypt_arguments(name: &str) -> Vec<&str> {
    let mut arguments = vec!["--no-default-recipient", "--yes", "--encrypt", "-a"];
    arguments.extend(["-r", name]);
    if let Some(id) = long_id(name) {
        arguments.extend(["--trusted-key", id]);
    }
    arguments.push("--no-encrypt-to");
    if name.contains('@') {
        // gpg would look an address up on the network, and take the key that it finds there.
        arguments.push("--no-auto-key-locate");
    }
    arguments
}

/// The long id at the end of a fingerprint, with its `!`. gpg fails on any other text there.
fn long_id(name: &str) -> Option<&str> {
    let digits = name.strip_suffix('!').unwrap_or(name);
    let start = digits.len().checked_sub(LONG_ID)?;
    let id = digits.get(start..)?;
    let is_hex = id.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| &name[start..])
}

/// Refuses what could be read as an option, and what is no name at all.
fn check_name(name: &str) -> Result<(), PgpError> {
    if name.is_empty() || name.starts_with('-') || name.contains(char::is_control) {
        return Err(PgpError::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::age::AgeIdentities;
    use crate::keys::fakes::{Counter, Nobody};

    const FPR: &str = "EB9C95106FDD10C93040894AD0451A069096E5F5";

    /// A gpg that answers as it is told, and writes down what it was asked.
    struct Scripted {
        answer: Result<GpgOutput, GpgNotRun>,
        asked: Vec<(Vec<String>, Vec<u8>)>,
    }

    impl Gpg for Scripted {
        fn run(&mut self, arguments: &[&str], input: &[u8]) -> Result<GpgOutput, GpgNotRun> {
            let arguments = arguments.iter().map(ToString::to_string).collect();
            self.asked.push((arguments, input.to_vec()));
            match &self.answer {
                Ok(output) => Ok(GpgOutput {
                    success: output.success,
                    stdout: output.stdout.clone(),
                    stderr: output.stderr.clone(),
                }),
                Err(error) => Err(error.clone()),
            }
        }
    }

    fn says(stdout: &str) -> Scripted {
        let output = GpgOutput {
            success: true,
            stdout: Zeroizing::new(stdout.as_bytes().to_vec()),
            stderr: String::new(),
        };
        Scripted {
            answer: Ok(output),
            asked: Vec::new(),
        }
    }

    fn fails(stderr: &str) -> Scripted {
        let output = GpgOutput {
            success: false,
            stdout: Zeroizing::default(),
            stderr: stderr.to_owned(),
        };
        Scripted {
            answer: Ok(output),
            asked: Vec::new(),
        }
    }

    fn entry(fields: &[(&str, &str)]) -> Data {
        let field = |&(name, text): &(&str, &str)| (name.as_bytes().to_vec(), Data::str(text));
        Data::Map(fields.iter().map(field).collect())
    }

    fn wrap(key: &mut PgpKey, gpg: &mut Scripted) -> Result<(), String> {
        let mut random = Counter(1);
        let mut wrapper = Wrapper {
            gpg: Some(gpg),
            now: "2026-01-02T03:04:05Z",
            ..Wrapper::new(&mut random)
        };
        key.wrap(&[7; 32], &mut wrapper).map_err(|e| e.to_string())
    }

    fn unwrap(key: &PgpKey, gpg: &mut Scripted, asking: bool) -> (Result<Vec<u8>, String>, bool) {
        let mut identities = AgeIdentities::default();
        let mut nobody = Nobody;
        let mut unlocker = Unlocker {
            gpg: Some(gpg),
            ..Unlocker::new(&mut identities)
        };
        if asking {
            unlocker.prompt = Some(&mut nobody);
        }
        let opened = key.unwrap(&mut unlocker);
        let opened = opened.map(|part| part.to_vec());
        (
            opened.map_err(|reasons| reasons[0].to_string()),
            unlocker.held_back,
        )
    }

    #[test]
    fn a_key_that_is_named_by_an_address_is_not_looked_for_on_the_network() {
        let mut gpg = says(&format!("{MESSAGE}\nx\n-----END PGP MESSAGE-----\n"));
        let mut key = PgpKey::new("alice@example.org").unwrap();
        wrap(&mut key, &mut gpg).unwrap();
        let asked = gpg.asked[0].0.join(" ");
        assert!(asked.contains("--no-auto-key-locate"), "{asked}");
    }

    #[test]
    fn gpg_is_asked_as_sops_asks_it() {
        let mut gpg = says(&format!("\n{MESSAGE}\n\nx\n-----END PGP MESSAGE-----\n\n"));
        let mut key = PgpKey::new(" EB9C 9510 6FDD 10C9 3040  894A D045 1A06 9096 E5F5").unwrap();
        assert_eq!(key.id(), FPR);
        wrap(&mut key, &mut gpg).unwrap();
        let expected = format!(
            "--no-default-recipient --yes --encrypt -a -r {FPR} --trusted-key D0451A069096E5F5 --no-encrypt-to"
        );
        assert_eq!(gpg.asked[0].0.join(" "), expected);
        assert_eq!(gpg.asked[0].1, [7; 32]);
        let enc = format!("{MESSAGE}\n\nx\n-----END PGP MESSAGE-----");
        assert_eq!(key.wrapped(), Some(enc.as_str()));
        let mut gpg = says("secret");
        assert_eq!(
            unwrap(&key, &mut gpg, true),
            (Ok(b"secret".to_vec()), false)
        );
        assert_eq!(gpg.asked, [(vec!["-d".to_owned()], enc.into_bytes())]);
    }

    #[test]
    fn only_a_key_that_is_named_by_its_id_is_trusted() {
        let trusted = |name: &str| long_id(name).unwrap_or("-").to_owned();
        assert_eq!(trusted(&format!("{FPR}!")), "D0451A069096E5F5!");
        assert_eq!(trusted("0xD0451A069096E5F5"), "D0451A069096E5F5");
        for name in ["9096E5F5", "alice@example.org", "ü0451A069096E5F5", "!", ""] {
            assert_eq!(trusted(name), "-", "{name}");
        }
    }

    #[test]
    fn nothing_that_looks_like_an_option_is_a_name() {
        for name in ["-r", "--output=x", " ", "a\nb", "-----BEGIN PGP PRIVATE"] {
            assert_eq!(PgpKey::new(name).err(), Some(PgpError::Name), "{name}");
            let mut key = PgpKey::from_data(&entry(&[("fp", name), ("enc", "x")]));
            assert!(wrap(&mut key, &mut says(MESSAGE)).is_err());
        }
    }

    #[test]
    fn an_entry_goes_through_unchanged_and_keeps_its_date_when_it_is_wrapped_again() {
        let at = ("created_at", "2020-01-01T00:00:00Z");
        let data = entry(&[at, ("enc", "x"), ("fp", FPR)]);
        let mut key = PgpKey::from_data(&data);
        assert!(key.to_data() == data);
        wrap(&mut key, &mut says(MESSAGE)).unwrap();
        assert!(key.to_data() == entry(&[at, ("enc", MESSAGE), ("fp", FPR)]));
        let mut new = PgpKey::new(FPR).unwrap();
        wrap(&mut new, &mut says(MESSAGE)).unwrap();
        let now = ("created_at", "2026-01-02T03:04:05Z");
        assert!(new.to_data() == entry(&[now, ("enc", MESSAGE), ("fp", FPR)]));
    }

    #[test]
    fn gpg_is_not_run_while_nobody_may_be_asked() {
        let key = PgpKey::from_data(&entry(&[("enc", "x"), ("fp", FPR)]));
        let mut gpg = says("secret");
        let (opened, held_back) = unwrap(&key, &mut gpg, false);
        assert!(opened.is_err() && held_back && gpg.asked.is_empty());
    }

    #[test]
    fn answers_that_are_none_are_errors() {
        let mut key = PgpKey::from_data(&entry(&[("enc", "x"), ("fp", FPR)]));
        let (opened, _) = unwrap(&key, &mut says(""), true);
        assert!(opened.unwrap_err().contains("gave nothing"));
        for answer in ["", "ok"] {
            assert!(wrap(&mut key, &mut says(answer)).is_err());
        }
        assert_eq!(key.wrapped(), Some("x"));
        let stderr = format!("gpg: {FPR}: skipped: No public key\n");
        let error = wrap(&mut key, &mut fails(&stderr)).unwrap_err();
        assert!(error.starts_with("gpg has no public key"), "{error}");
        let mut missing = says("");
        missing.answer = Err(GpgNotRun {
            program: "gpg".to_owned(),
            why: "not found".to_owned(),
        });
        let (opened, _) = unwrap(&key, &mut missing, true);
        assert_eq!(opened, Err("cannot run \"gpg\": not found".to_owned()));
    }
}
