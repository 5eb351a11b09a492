//! Who does the work of a key service: threads that wait for programs, people and networks, each
//! with a [`Context`] of its own. Keys of this machine are one thread's, so that a passphrase is
//! asked for once; services are asked by several, so that a slow one holds up nobody.

use super::guard::{Refusal, printable};
use super::{Allowed, Guard, Operation, Peer};
use crate::cli::Context;
use crate::cli::args::{Global, Unlocking};
use crate::cli::environment::Environment;
use crate::cli::failure::{Outcome, note, warn};
use crate::cli::gpg::GpgProgram;
use crate::cli::keyring::Keyring;
use crate::cli::plugins::PathPlugins;
use crate::cli::prompt::Terminal;
use crate::cli::services::Providers;
use crate::crypto::SystemRandom;
use crate::keys::{
    Address, Gpg, GpgNotRun, GpgOutput, Service, UnwrapError, UnwrapRequest, Wanted, WrapRequest,
    Wrapper,
};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::oneshot;
use tonic::Status;
use zeroize::Zeroizing;

/// How many operations may wait.
const WAITING: usize = 256;

/// How many services are asked at a time.
const REMOTE: usize = 4;

/// The start of what gpg tells programs.
const STATUS: &str = "[GNUPG:] ";

/// What is to be done.
pub struct Work {
    /// Which operation.
    pub operation: Operation,
    /// With which key.
    pub address: Address,
    /// The data key or share to be wrapped, or the text to be unwrapped.
    pub input: Zeroizing<Vec<u8>>,
    /// For whom.
    pub peer: Peer,
}

/// What comes of it.
type Done = Result<Zeroizing<Vec<u8>>, Status>;

/// Work, and who waits for it.
struct Job {
    work: Work,
    reply: oneshot::Sender<Done>,
}

/// How work is done.
#[derive(Clone)]
pub struct Terms {
    /// The flags of every command.
    pub global: Global,
    /// The environment.
    pub environment: Environment,
    /// What is allowed.
    pub guard: Guard,
    /// Whether passphrases may be asked for.
    pub asks: bool,
}

/// The threads; clones share them.
#[derive(Clone)]
pub struct Workers {
    local: SyncSender<Job>,
    remote: SyncSender<Job>,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// Where the system has no threads left.
    pub fn start(terms: &Terms) -> std::io::Result<Self> {
        let (local, jobs) = sync_channel(WAITING);
        spawn(terms, jobs, 1)?;
        if terms.guard.asks {
            // one question at a time
            let remote = local.clone();
            return Ok(Self { local, remote });
        }
        let (remote, jobs) = sync_channel(WAITING);
        spawn(terms, jobs, REMOTE)?;
        Ok(Self { local, remote })
    }

    /// Has work done.
    ///
    /// # Errors
    /// Where it cannot or may not be.
    pub async fn ask(&self, work: Work) -> Done {
        let is_local = matches!(work.address, Address::Age(_) | Address::Pgp(_));
        let workers = if is_local { &self.local } else { &self.remote };
        let (reply, done) = oneshot::channel();
        workers
            .try_send(Job { work, reply })
            .map_err(|error| match error {
                TrySendError::Full(_) => Status::resource_exhausted("too much is asked at a time"),
                TrySendError::Disconnected(_) => broken(),
            })?;
        done.await.unwrap_or_else(|_| Err(broken()))
    }
}

fn broken() -> Status {
    Status::internal("the key service is broken, and has to be started again")
}

/// Starts threads that share the jobs that come in.
fn spawn(terms: &Terms, jobs: Receiver<Job>, count: usize) -> std::io::Result<()> {
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..count {
        let (terms, jobs) = (terms.clone(), Arc::clone(&jobs));
        thread::Builder::new().name("keys".into()).spawn(move || {
            if let Err(failure) = work(&terms, &jobs) {
                failure.print();
            }
        })?;
    }
    Ok(())
}

/// Does one job after the other, until nobody can ask for any more.
fn work(terms: &Terms, jobs: &Mutex<Receiver<Job>>) -> Outcome {
    let context = Context::alone(terms.global.clone(), terms.environment.clone());
    let mut worker = Worker {
        terms,
        context: &context,
        keyring: None,
    };
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { work, reply }) = next else {
            return Ok(());
        };
        // whoever waited may have gone
        if !reply.is_closed() {
            let done = worker.admit_and_do(&work);
            let _ = reply.send(done);
        }
    }
}

/// A thread's own things.
struct Worker<'c> {
    terms: &'c Terms,
    context: &'c Context,
    /// Gathered when a key of this machine is first used.
    keyring: Option<Keyring<'c>>,
}

impl<'c> Worker<'c> {
    fn admit_and_do(&mut self, work: &Work) -> Done {
        let guard = &self.terms.guard;
        let admitted = guard.admit(work.operation, &work.address, &work.peer);
        let done = match admitted {
            Ok(allowed) => self.operate(work, allowed).map_err(Status::unknown),
            Err(refusal) => Err(refusal.into()),
        };
        if self.context.global.verbose {
            log(work, &done);
        }
        done
    }

    /// Uses the key; what goes wrong is told in words.
    fn operate(&mut self, work: &Work, allowed: Allowed) -> Result<Zeroizing<Vec<u8>>, String> {
        match work.operation {
            Operation::Encrypt => self.wrap(&work.address, &work.input),
            Operation::Decrypt => {
                let enc = std::str::from_utf8(&work.input);
                let enc = enc.map_err(|_| "what is to be decrypted is not text".to_owned())?;
                self.unwrap(&work.address, enc, allowed)
            }
        }
    }

    fn wrap(&mut self, address: &Address, part: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let context = self.context;
        let Some(mut key) = address.local_key("") else {
            let address = address.clone();
            let mut answers = Providers::new(context).wrap(&[WrapRequest { address, part }]);
            let wrapped = answers.pop().ok_or_else(String::new)?;
            let wrapped = wrapped.map_err(|error| error.message)?;
            return Ok(Zeroizing::new(wrapped.enc.into_bytes()));
        };
        let environment = &context.environment;
        let (mut random, mut terminal) = (SystemRandom, Terminal::new(environment));
        let mut wrapper = Wrapper {
            gpg: Some(&mut GpgProgram::new(environment)),
            plugins: Some(&mut PathPlugins::new(environment)),
            prompt: if self.terms.asks {
                Some(&mut terminal)
            } else {
                None
            },
            ..Wrapper::new(&mut random)
        };
        key.wrap(part, &mut wrapper)
            .map_err(|cause| cause.to_string())?;
        let enc = key.wrapped().unwrap_or_default();
        Ok(Zeroizing::new(enc.as_bytes().to_vec()))
    }

    fn unwrap(
        &mut self,
        address: &Address,
        enc: &str,
        allowed: Allowed,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let Some(key) = address.local_key(enc) else {
            let (address, enc) = (address.clone(), enc.to_owned());
            let request = [UnwrapRequest { address, enc }];
            let mut answers = Providers::new(self.context).unwrap(&request, Wanted::Every);
            let answer = answers.pop().ok_or_else(String::new)?;
            return answer.map_err(|error| error.message);
        };
        let mut gpg = Witness::new(GpgProgram::new(&self.context.environment));
        let asks = self.terms.asks;
        let opened = self.keyring()?.part(&*key, &mut gpg, asks);
        let part = match opened {
            Ok(part) => part,
            Err(reasons) => {
                let mut fresh = keyring(self.context)?;
                if self.keyring()?.may_ask_again() {
                    self.keyring = None;
                }
                // an identity may have come to its place since this began
                let part = fresh.part_silently(&*key);
                part.ok_or_else(|| told(&reasons))?
            }
        };
        if allowed == Allowed::Key && !gpg.used_only(address) {
            return Err("it was decrypted with another key than the one that is named".to_owned());
        }
        Ok(part)
    }

    fn keyring(&mut self) -> Result<&mut Keyring<'c>, String> {
        match &mut self.keyring {
            Some(keyring) => Ok(keyring),
            none => Ok(none.insert(keyring(self.context)?)),
        }
    }
}

/// The identities at hand, each of which opens what is for it and nothing else: who may use one
/// key must not get to another by its name.
fn keyring(context: &Context) -> Result<Keyring<'_>, String> {
    let made = Keyring::new(context, &Unlocking::default());
    let mut keyring = made.map_err(|failure| failure.message)?;
    keyring.only_own();
    Ok(keyring)
}

fn told(reasons: &[UnwrapError]) -> String {
    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    reasons.join("; ")
}

/// Which key was used for what, and nothing else.
fn log(work: &Work, done: &Done) {
    let (operation, kind) = (work.operation, work.address.provider());
    let (id, peer) = (printable(&work.address.id()), &work.peer);
    match done {
        Ok(_) => note(format_args!("{operation} with {kind} key {id} for {peer}")),
        Err(status) if status.code() == tonic::Code::PermissionDenied => {
            warn(format_args!(
                "refused to {operation} with {kind} key {id} for {peer}"
            ));
        }
        Err(_) => warn(format_args!(
            "could not {operation} with {kind} key {id} for {peer}"
        )),
    }
}

/// gpg, of which is noted with which keys it decrypts: it takes any that fits.
struct Witness<'e> {
    gpg: GpgProgram<'e>,
    /// The fingerprints of the keys that were used, sub-keys included; `None` while none was.
    used: Option<Vec<String>>,
}

impl<'e> Witness<'e> {
    fn new(gpg: GpgProgram<'e>) -> Self {
        Self { gpg, used: None }
    }

    /// Whether, if gpg was used, it was with the key at `address`.
    fn used_only(&self, address: &Address) -> bool {
        let (Some(used), Address::Pgp(named)) = (&self.used, address) else {
            return true;
        };
        let named = named.trim_end_matches('!').to_uppercase();
        let named = named.strip_prefix("0X").unwrap_or(&named);
        named.len() >= 16 && used.iter().any(|used| used.ends_with(named))
    }
}

impl Gpg for Witness<'_> {
    fn run(&mut self, arguments: &[&str], input: &[u8]) -> Result<GpgOutput, GpgNotRun> {
        let told = ["--status-fd", "2"].iter().chain(arguments).copied();
        let mut output = self.gpg.run(&told.collect::<Vec<_>>(), input)?;
        let (status, said): (Vec<&str>, Vec<&str>) = output
            .stderr
            .lines()
            .partition(|line| line.starts_with(STATUS));
        let keys = status.iter().filter_map(|line| {
            let line = line.strip_prefix(STATUS)?;
            line.strip_prefix("DECRYPTION_KEY ")
        });
        let fingerprints = keys.flat_map(|keys| keys.split(' ').take(2));
        self.used = Some(fingerprints.map(str::to_uppercase).collect());
        output.stderr = said.join("\n");
        Ok(output)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::permission_denied(refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pgp_key_is_the_one_that_was_used_by_either_of_its_fingerprints() {
        let environment = Environment::default();
        let mut witness = Witness::new(GpgProgram::new(&environment));
        let pgp = |text: &str| Address::Pgp(text.to_owned());
        // an age key needs no gpg
        assert!(witness.used_only(&Address::Age("age1x".to_owned())));
        witness.used = Some(vec![
            "AAAA0123456789ABCDEF".into(),
            "BBBB0123456789ABCDE0".into(),
        ]);
        for named in [
            "aaaa0123456789abcdef",
            "0x0123456789ABCDEF",
            "BBBB0123456789ABCDE0!",
        ] {
            assert!(witness.used_only(&pgp(named)), "{named}");
        }
        for other in ["", "ABCDEF", "CCCC0123456789ABCDEF", "me@example.org"] {
            assert!(!witness.used_only(&pgp(other)), "{other}");
        }
    }
}
