//! This process: what it hides from the system, and what it takes with it when a signal ends it.
//!
//! The signal thread starts with the first thing that has to be removed, so a command that leaves
//! nothing behind never pays for it. A signal runs every registered cleanup and then does what it
//! would have done by itself, so that the status tells of it.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::{Child, Command, ExitStatus},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a child may take to end when this process was told to.
const GRACE: Duration = Duration::from_secs(2);

type Action = Box<dyn FnOnce() + Send>;

struct Watch {
    started: bool,
    /// A signal is ending this process; nothing else may any more.
    ending: bool,
    next: u64,
    cleanups: BTreeMap<u64, Action>,
    /// The child that has the terminal.
    foreground: Option<Foreground>,
    /// The signal by which this process has yet to end, when its command has put things away.
    owed: Option<i32>,
    /// To be told to end is how this process is meant to end.
    serves: bool,
}

/// A child that has the terminal, and what it is to this process.
#[derive(Clone, Copy)]
struct Foreground {
    child: u32,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It works for this process, as an editor does.
    Helper,
    /// It is what this process was started for.
    Principal,
}

/// What becomes of a signal.
enum Fate {
    /// It ends this process at once.
    Ends,
    /// The child has it, or gets it; this process goes on.
    Childs,
    /// The child gets it, and this process ends by it once its command has put things away.
    Owed,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch {
    started: false,
    ending: false,
    next: 0,
    cleanups: BTreeMap::new(),
    foreground: None,
    owed: None,
    serves: false,
});
static CHILD_ENDED: Condvar = Condvar::new();

fn watch() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Like [`watch`], with the signal thread running; never returns once a signal ends the process.
fn running_watch() -> io::Result<MutexGuard<'static, Watch>> {
    let mut watch = watch();
    if watch.ending {
        drop(watch);
        park();
    }
    if !watch.started {
        system::start_watching()?;
        watch.started = true;
    }
    Ok(watch)
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// A cleanup that a signal would run. Dropping this withdraws it, without running it.
#[derive(Debug)]
#[must_use = "dropping it withdraws the cleanup"]
pub struct Cleanup {
    number: u64,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        watch().cleanups.remove(&self.number);
    }
}

/// Has `action` run when a signal ends this process (INT, TERM, HUP, QUIT, XCPU). It is for
/// removing files and setting the terminal right: short, and never asking for another cleanup.
///
/// # Errors
/// Where signals cannot be listened to.
pub fn on_exit_signal(action: impl FnOnce() + Send + 'static) -> io::Result<Cleanup> {
    let mut watch = running_watch()?;
    let number = watch.next;
    watch.next += 1;
    watch.cleanups.insert(number, Box::new(action));
    Ok(Cleanup { number })
}

/// Runs `work` without any of the signals above coming between; they wait until it is done.
/// `work` must not register a cleanup.
///
/// # Errors
/// Where signals cannot be listened to.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let watch = running_watch()?;
    let done = work();
    drop(watch);
    Ok(done)
}

/// From now on this process serves others until INT or TERM tells it to end, and that it then
/// does with status 0.
///
/// # Errors
/// Where signals cannot be listened to.
pub fn serve_until_told() -> io::Result<()> {
    running_watch()?.serves = true;
    Ok(())
}

/// Ends this process with status 0, after the cleanups.
#[allow(clippy::exit, reason = "to end the process is what this is for")]
pub fn end_well() -> ! {
    // the lock is kept: whoever wants to register something now waits for the end
    let _watch = cleaned_up();
    std::process::exit(0)
}

/// Runs the cleanups; nothing else may end this process any more.
fn cleaned_up() -> MutexGuard<'static, Watch> {
    let mut watch = watch();
    watch.ending = true;
    for (_, action) in std::mem::take(&mut watch.cleanups) {
        action();
    }
    watch
}

/// Ends this process by `signal`'s default action, after the cleanups.
#[allow(clippy::exit, reason = "to end the process is what this is for")]
pub fn end_by(signal: i32) -> ! {
    let watch = cleaned_up();
    // the lock is kept: whoever wants to register something now waits for the end
    if watch.serves && matches!(signal, SIGINT | SIGTERM) {
        std::process::exit(0);
    }
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

/// Ends this process as if nobody had caught the broken pipe that it met.
#[cfg(unix)]
pub fn end_by_broken_pipe() -> ! {
    end_by(signal_hook::consts::SIGPIPE)
}

/// Ends this process quietly; there is no signal for a broken pipe here.
#[cfg(not(unix))]
pub fn end_by_broken_pipe() -> ! {
    for (_, action) in std::mem::take(&mut watch().cleanups) {
        action();
    }
    std::process::exit(141)
}

/// How a command ended that worked for this process.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The signal that reached this process meanwhile. No other is listened to any more: put
    /// away what must not be lost, then call [`end_by`] with it.
    pub signal: Option<i32>,
}

/// Runs a command that gets the terminal and works for this process, and waits for it. INT and
/// QUIT are left to it meanwhile, as git does. What else would end this process is handed on to it
/// first; it has two seconds to follow.
///
/// # Errors
/// Where it cannot be started or waited for.
pub fn run(command: &mut Command) -> io::Result<Ended> {
    let status = attend(command, Role::Helper)?;
    let signal = watch().owed;
    Ok(Ended { status, signal })
}

/// Runs a command that this process was started for, and waits for it. Whatever signal reaches
/// this process is handed on to it, and it alone says when it ends.
///
/// # Errors
/// Where it cannot be started or waited for.
pub fn supervise(command: &mut Command) -> io::Result<ExitStatus> {
    attend(command, Role::Principal)
}

fn attend(command: &mut Command, role: Role) -> io::Result<ExitStatus> {
    let mut watch = running_watch()?;
    // within the lock, so that no signal finds it started and not yet known
    let mut child = match role {
        // it sees what this process hides from core dumps
        Role::Helper => command.spawn()?,
        Role::Principal => spawn(command)?,
    };
    watch.foreground = Some(Foreground {
        child: child.id(),
        role,
    });
    drop(watch);
    let waited = system::wait_unreaped(&mut child);
    let mut watch = self::watch();
    watch.foreground = None;
    let status = waited.and_then(|()| child.wait());
    CHILD_ENDED.notify_all();
    if watch.ending {
        drop(watch);
        park();
    }
    status
}

/// Starts the command that this process was started for, with the core limit that it was started
/// with; helpers, who see secrets, inherit that of this process. Whether it may be traced is the
/// system's default again with its exec.
///
/// # Errors
/// Where it cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    system::allow_dumps();
    let child = command.spawn();
    system::forbid_dumps_again();
    child
}

/// What [`harden`] did, done again where the system undid it: a process that becomes another
/// user's can be one that may be dumped and traced, as that user pleases.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub fn harden_again() {
    system::forbid_dumps_again();
}

/// Becomes another program, which gets this process' number and core limit. Returns only where
/// that fails.
#[cfg(unix)]
pub fn become_program(command: &mut Command) -> io::Error {
    use std::os::unix::process::CommandExt;
    system::allow_dumps();
    let error = command.exec();
    system::forbid_dumps_again();
    error
}

/// The exit status that tells of how a child ended: its own, or 128 and the number of the signal.
#[must_use]
pub fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal.map(|signal: i32| 128 + signal));
    code.map_or(1, |code| code as u8)
}

/// First thing in `main`: no core dump, no reading of this process' memory by another of the same
/// user, and no value in the message of a panic. (The standard library has already opened
/// `/dev/null` for standard streams that were closed.)
pub fn harden() {
    system::forbid_dumps();
    std::panic::set_hook(Box::new(|panic| {
        // the payload may quote what was being worked on
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("an unknown place");
        let _ = writeln!(
            io::stderr(),
            "internal error at {place}: this is a bug in bulla, please report it"
        );
    }));
}

#[cfg(unix)]
mod system {
    use super::{CHILD_ENDED, Fate, Foreground, GRACE, Role, SIGINT, SIGTERM, end_by, watch};
    use rustix::process::{
        Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, setrlimit,
    };
    use signal_hook::consts::{SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;
    use std::{
        io,
        sync::{OnceLock, PoisonError},
    };

    static CORE_LIMIT: OnceLock<Rlimit> = OnceLock::new();

    /// CPU time and file size limits; the same numbers on every Unix.
    const SIGXCPU: i32 = 24;
    const SIGXFSZ: i32 = 25;

    pub(super) fn start_watching() -> io::Result<()> {
        let ignored = ignored_signals();
        let wanted = [
            SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ,
        ];
        // nohup and shells in the background ignore some of them for us: that is to be kept
        let caught = wanted
            .iter()
            .filter(|signal| ignored >> (*signal - 1) & 1 == 0);
        let mut signals = Signals::new(caught)?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    match fate(signal) {
                        Fate::Ends => end_by(signal),
                        Fate::Childs => {}
                        Fate::Owed => urge(signal),
                    }
                }
            })?;
        Ok(())
    }

    /// What becomes of a signal; a principal that is to get it has got it already.
    fn fate(signal: i32) -> Fate {
        let watch = watch();
        match watch.foreground {
            // the write that met the limit fails, and its command says so and cleans up
            _ if signal == SIGXFSZ => Fate::Childs,
            _ if watch.owed.is_some() => Fate::Childs,
            None => Fate::Ends,
            Some(Foreground {
                role: Role::Helper, ..
            }) => match signal {
                SIGINT | SIGQUIT => Fate::Childs,
                _ => Fate::Owed,
            },
            Some(_) if signal == SIGXCPU => Fate::Ends,
            Some(principal) => {
                if !has_it_from_the_terminal(signal) {
                    forward(principal.child, signal);
                }
                Fate::Childs
            }
        }
    }

    /// Whether a signal is one of the terminal's keys, and this process is among those that the
    /// terminal sends it to: the child is of the same group, and must not get it twice.
    fn has_it_from_the_terminal(signal: i32) -> bool {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        matches!(signal, SIGINT | SIGQUIT)
            && open("/dev/tty", flags, Mode::empty()).is_ok_and(|terminal| {
                rustix::termios::tcgetpgrp(&terminal)
                    .is_ok_and(|group| group == rustix::process::getpgrp())
            })
    }

    /// Hands a signal on to the child in the foreground, and ends a child that does not follow it.
    fn urge(signal: i32) {
        let mut watch = watch();
        let Some(helper) = watch.foreground else {
            drop(watch);
            end_by(signal);
        };
        watch.owed = Some(signal);
        forward(helper.child, signal);
        let waited = CHILD_ENDED
            .wait_timeout_while(watch, GRACE, |watch| watch.foreground.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        if waited.0.foreground.is_some() {
            forward(helper.child, Signal::KILL.as_raw());
        }
    }

    /// The signals that this process was started to ignore, as bits from signal 1 on.
    /// Where the system does not tell: none.
    fn ignored_signals() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    }

    fn pid(number: u32) -> Option<Pid> {
        i32::try_from(number).ok().and_then(Pid::from_raw)
    }

    pub(super) fn forward(child: u32, signal: i32) {
        if let (Some(child), Some(signal)) = (pid(child), Signal::from_named_raw(signal)) {
            // gone already is as good
            let _ = rustix::process::kill_process(child, signal);
        }
    }

    /// Waits until the child has ended and leaves it to be reaped, so that its number stays its own
    /// for as long as signals are forwarded to it.
    pub(super) fn wait_unreaped(child: &mut std::process::Child) -> io::Result<()> {
        let Some(child) = pid(child.id()) else {
            return Ok(());
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        loop {
            match rustix::process::waitid(WaitId::Pid(child), options) {
                Err(rustix::io::Errno::INTR) => {}
                done => return done.map(drop).map_err(Into::into),
            }
        }
    }

    pub(super) fn forbid_dumps() {
        let limit = getrlimit(Resource::Core);
        let _ = CORE_LIMIT.set(limit);
        // the hard limit stays, or the commands that we start could not be given theirs back
        let none = Rlimit {
            current: Some(0),
            ..limit
        };
        let _ = setrlimit(Resource::Core, none);
        #[cfg(target_os = "linux")]
        let _ =
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }

    pub(super) fn allow_dumps() {
        if let Some(limit) = CORE_LIMIT.get() {
            let _ = setrlimit(Resource::Core, *limit);
        }
    }

    pub(super) fn forbid_dumps_again() {
        if CORE_LIMIT.get().is_some() {
            forbid_dumps();
        }
    }
}

/// Windows: Ctrl-C ends the process and the child alike, and dropping removes what there is.
#[cfg(not(unix))]
mod system {
    pub(super) fn start_watching() -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn wait_unreaped(child: &mut std::process::Child) -> std::io::Result<()> {
        child.wait().map(drop)
    }

    pub(super) fn forbid_dumps() {}

    pub(super) fn allow_dumps() {}

    pub(super) fn forbid_dumps_again() {}
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::cli::{environment::Environment, lock::Patience, output};
    use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
    use std::{fs, os::unix::process::ExitStatusExt, path::Path, process::Stdio, time::Instant};

    /// What a process of its own does; `place` is its directory.
    #[test]
    #[ignore = "run by the other tests, as a process of its own"]
    fn a_scene() {
        let environment = Environment::of_process();
        let Some(place) = environment.path("BULLA_TEST_PLACE") else {
            return;
        };
        let marker = place.join("cleaned");
        let cleanup = on_exit_signal(move || fs::write(marker, "").unwrap()).unwrap();
        fs::write(place.join("ready"), "").unwrap();
        match environment.text("BULLA_TEST_SCENE") {
            Some("wait") => {}
            Some("withdraw") => drop(cleanup),
            Some("pipe") => {
                wait_until(&place.join("go"));
                output::stdout(&vec![b'x'; 1 << 20]).unwrap();
            }
            Some("limit") => {
                let limit = Rlimit {
                    current: Some(900),
                    ..getrlimit(Resource::Fsize)
                };
                setrlimit(Resource::Fsize, limit).unwrap();
                save(place, &environment);
            }
            Some("save") => return save(place, &environment),
            Some("panic") => {
                harden();
                assert_eq!(getrlimit(Resource::Core).current, Some(0));
                assert_eq!(place.to_str(), Some("hunter2"));
            }
            scene => panic!("{scene:?}"),
        }
        wait_until(&place.join("stop"));
    }

    fn save(place: &Path, environment: &Environment) {
        let original = output::Original::claim(&place.join("file"), Patience::NONE).unwrap();
        let new = [b'x'; 1000];
        let saved = output::replace(&original, &new, output::Content::Encrypted, environment);
        fs::write(place.join("result"), format!("{saved:?}")).unwrap();
    }

    fn wait_until(there: &Path) {
        let start = Instant::now();
        while !there.exists() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The process that plays a scene, started by a shell that does `before`.
    fn play(scene: &str, before: &str, place: &Path) -> Child {
        let script = format!("{before}; exec \"$0\" \"$@\"");
        let child = Command::new("/bin/sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "cli::process::tests::a_scene"])
            .env("BULLA_TEST_SCENE", scene)
            .env("BULLA_TEST_PLACE", place)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until(&place.join("ready"));
        child
    }

    #[test]
    fn a_signal_runs_the_cleanups_and_shows_in_the_status() {
        let signals = [
            Signal::INT,
            Signal::TERM,
            Signal::HUP,
            Signal::QUIT,
            Signal::XCPU,
        ];
        for signal in signals {
            let place = tempfile::tempdir().unwrap();
            let mut child = play("wait", ":", place.path());
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
            assert!(place.path().join("cleaned").exists());
        }
    }

    #[test]
    fn a_cleanup_that_was_withdrawn_is_not_run() {
        let place = tempfile::tempdir().unwrap();
        let mut child = play("withdraw", ":", place.path());
        std::thread::sleep(Duration::from_millis(50));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert!(!place.path().join("cleaned").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_signal_that_was_ignored_stays_ignored() {
        let place = tempfile::tempdir().unwrap();
        let mut child = play("wait", "trap '' HUP", place.path());
        kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(child.try_wait().unwrap().is_none());
        fs::write(place.path().join("stop"), "").unwrap();
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_reader_that_went_away_is_an_end_by_sigpipe() {
        let place = tempfile::tempdir().unwrap();
        let mut child = play("pipe", ":", place.path());
        drop(child.stdout.take());
        fs::write(place.path().join("go"), "").unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(13));
        assert!(place.path().join("cleaned").exists());
    }

    #[test]
    fn a_save_over_the_size_limit_leaves_the_old_file_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "old").unwrap();
        let mut child = play("limit", ":", place.path());
        // not ended by XFSZ: what was typed in an editor could not be kept
        fs::write(place.path().join("stop"), "").unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(
            fs::read_to_string(place.path().join("file")).unwrap(),
            "old"
        );
        // file, ready, cleaned: no temporary file
        let left = fs::read_dir(place.path()).unwrap();
        let hidden = left.filter(|e| e.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'.');
        assert_eq!(hidden.count(), 0);
    }

    #[test]
    fn a_panic_says_where_and_not_what() {
        let place = tempfile::tempdir().unwrap();
        let child = play("panic", ":", place.path());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("internal error at src"), "{said}");
        assert!(!said.contains("hunter2"));
    }
}
