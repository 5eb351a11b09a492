//! The agent itself: started in the background, serving its user on a socket until it is told to
//! end. It asks nobody, so that nobody who asks it waits.

use super::held::{Held, Moment};
use super::messages::{
    Empty, Entry, ForgetRequest, ForgetResponse, OpenRequest, OpenResponse, RememberRequest,
    StatusResponse, TakeOverRequest,
};
use super::place::Place;
use super::{Client, Start};
use crate::cli::failure::{Failure, Outcome, Status as Exit, note};
use crate::cli::services::keyservice::{
    Body, DecryptRequest, DecryptResponse, Guard, Key, KeyServer, Listener, Methods, Peer, Socket,
    Terms, Workers, answer, serve,
};
use crate::cli::{Context, process};
use crate::keys::Unlocked;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tonic::Status;
use tonic::codegen::http;
use zeroize::Zeroizing;

/// How often it is looked whether something has been held for long enough.
const SWEEP: Duration = Duration::from_secs(10);

/// What the process in the background says when it listens.
const READY: &[u8] = b"ready\n";

/// Starts an agent, unless one runs.
///
/// # Errors
/// Where it cannot be started.
pub(super) fn start(context: &Context, place: &Place, start: &Start) -> Outcome {
    place.prepare()?;
    if start.foreground {
        return run(context, place, start);
    }
    if let Some(running) = Client::of(context)
        && let Ok(status) = running.status()
    {
        note(format_args!(
            "an agent is running already (process {})",
            status.pid
        ));
        return Ok(());
    }
    let pid = spawn(start)?;
    let path = place.path().display();
    note(format_args!(
        "an agent is running (process {pid}, {path}); it holds what you open for {}",
        start.lifetime
    ));
    Ok(())
}

/// Starts the process in the background, and waits until it listens.
fn spawn(start: &Start) -> Outcome<u32> {
    let failed =
        |error: io::Error| Failure::new(Exit::General, format!("cannot start an agent: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let lifetime = format!("--lifetime={}", start.lifetime);
    let mut child = Command::new(program)
        .args(["agent", "start", "--foreground", "--detached", &lifetime])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let ready = stdout.take(READY.len() as u64).read_to_end(&mut said);
        ready.map_err(failed)?;
    }
    if said == READY {
        return Ok(child.id());
    }
    let mut why = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut why).map_err(failed)?;
    }
    child.wait().map_err(failed)?;
    let why = why.trim().trim_start_matches("bulla: ");
    Err(Failure::new(Exit::General, why))
}

/// Is the agent.
fn run(context: &Context, place: &Place, start: &Start) -> Outcome {
    let failed =
        |error: io::Error| Failure::new(Exit::General, format!("cannot run an agent: {error}"));
    if start.detached {
        rustix::process::setsid().map_err(|error| failed(error.into()))?;
        rustix::process::chdir("/").map_err(|error| failed(error.into()))?;
    }
    let locked_memory = lock_memory();
    let terms = Terms {
        global: context.global.clone(),
        environment: context.environment.clone(),
        guard: Guard::default(),
        asks: false,
    };
    let socket = Socket::bind(place.path()).map_err(failed)?;
    process::serve_until_told().map_err(failed)?;
    let agent = Server {
        held: Arc::new(Mutex::new(Held::new(start.lifetime.duration()))),
        keys: KeyServer::new(Workers::start(&terms).map_err(failed)?),
        lifetime: start.lifetime.seconds(),
        locked_memory,
    };
    if start.detached {
        let mut stdout = io::stdout();
        let told = stdout.write_all(READY).and_then(|()| stdout.flush());
        told.map_err(failed)?;
    } else {
        note(format_args!(
            "listening on unix://{}",
            place.path().display()
        ));
    }
    let served = context.clients.block_on(async {
        tokio::spawn(sweep(Arc::clone(&agent.held)));
        serve(Listener::Unix(socket), agent).await
    });
    let served = served.map_err(|error| Failure::new(Exit::General, error))?;
    served.map_err(failed)
}

/// Keeps memory from being written to a disk, where the system allows as much as is needed.
#[cfg(target_os = "linux")]
fn lock_memory() -> bool {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, geteuid, getrlimit};
    // with a limit, memory of later would not be had at all
    let is_unlimited = getrlimit(Resource::Memlock).current.is_none() || geteuid().is_root();
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    is_unlimited && mlockall(all).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn lock_memory() -> bool {
    false
}

/// Forgets what has been held for long enough, also while nobody asks.
async fn sweep(held: Arc<Mutex<Held>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        lock(&held).expire(Moment::now());
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What answers.
#[derive(Clone)]
struct Server {
    held: Arc<Mutex<Held>>,
    keys: KeyServer,
    lifetime: u64,
    locked_memory: bool,
}

impl Methods for Server {
    async fn call(self, request: http::Request<Body>, peer: Peer) -> http::Response<Body> {
        match request.uri().path() {
            "/bulla.Agent/Open" => answer(request, async |message| Ok(self.open(message))).await,
            "/bulla.Agent/Remember" => {
                answer(request, async |message| self.remember(message)).await
            }
            "/bulla.Agent/TakeOver" => {
                answer(request, async |message| Ok(self.take_over(message))).await
            }
            "/bulla.Agent/Forget" => {
                answer(request, async |message| Ok(self.forget(&message))).await
            }
            "/bulla.Agent/Status" => answer(request, async |_: Empty| Ok(self.status())).await,
            "/bulla.Agent/Stop" => answer(request, async |_: Empty| Ok(self.stop())).await,
            "/KeyService/Decrypt" => answer(request, |message| self.decrypt(message, peer)).await,
            _ => self.keys.call(request, peer).await,
        }
    }
}

impl Server {
    fn open(&self, message: OpenRequest) -> OpenResponse {
        let (mut held, now) = (lock(&self.held), Moment::now());
        let parts = message.wrapped.into_iter().map(|wrapped| {
            let address = wrapped.key.and_then(Key::address)?;
            let mut part = held.open(&address, &wrapped.enc, now)?;
            Some(std::mem::take(&mut *part))
        });
        let parts = parts.map(Option::unwrap_or_default).collect();
        OpenResponse { parts }
    }

    fn remember(&self, mut message: RememberRequest) -> Result<Empty, Status> {
        let part = Zeroizing::new(std::mem::take(&mut message.part));
        let wrapped = message.wrapped.take().unwrap_or_default();
        let address = wrapped.key.and_then(Key::address);
        let address = address.ok_or_else(|| Status::invalid_argument("no key is named"))?;
        lock(&self.held).remember(address, wrapped.enc, part, Moment::now());
        Ok(Empty {})
    }

    fn take_over(&self, mut message: TakeOverRequest) -> Empty {
        let passphrase = Zeroizing::new(std::mem::take(&mut message.passphrase));
        let unlocked = Unlocked {
            origin: std::mem::take(&mut message.origin),
            content: Zeroizing::new(std::mem::take(&mut message.content)),
            passphrase: Some(passphrase).filter(|passphrase| !passphrase.is_empty()),
        };
        lock(&self.held).take_over(unlocked, Moment::now());
        Empty {}
    }

    fn forget(&self, message: &ForgetRequest) -> ForgetResponse {
        let mut held = lock(&self.held);
        let count = match message.id.as_str() {
            "" => held.forget_all(),
            id => held.forget(id),
        };
        ForgetResponse {
            count: count as u32,
        }
    }

    fn status(&self) -> StatusResponse {
        let shown = lock(&self.held).shown(Moment::now()).into_iter();
        let entries = shown.map(|shown| Entry {
            id: shown.id,
            what: shown.what,
            seconds_left: shown.left.as_secs(),
        });
        StatusResponse {
            pid: std::process::id(),
            lifetime: self.lifetime,
            locked_memory: self.locked_memory,
            entries: entries.collect(),
        }
    }

    /// Ends this process, once the answer is on its way.
    fn stop(&self) -> Empty {
        lock(&self.held).forget_all();
        tokio::spawn(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            process::end_well();
        });
        Empty {}
    }

    /// As the key service does, but by what is held first.
    async fn decrypt(self, message: DecryptRequest, peer: Peer) -> Result<DecryptResponse, Status> {
        let address = message.key.clone().and_then(Key::address);
        let enc = str::from_utf8(&message.ciphertext);
        if let (Some(address), Ok(enc)) = (address, enc) {
            let part = lock(&self.held).open(&address, enc, Moment::now());
            if let Some(mut part) = part {
                let plaintext = std::mem::take(&mut *part);
                return Ok(DecryptResponse { plaintext });
            }
        }
        self.keys.decrypt(message, peer).await
    }
}
