//! Where a key service listens: a port, or a socket that only its user may use.

use super::ServiceUri;
use futures_util::stream::{Stream, unfold};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The pause where connections cannot be accepted for the moment: too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of this machine; its number where the system tells.
    Process(Option<i32>),
    /// Somebody at an address.
    Address(Option<SocketAddr>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(Some(pid)) => match name_of(*pid) {
                Some(name) => write!(f, "process {pid} ({name})"),
                None => write!(f, "process {pid}"),
            },
            Self::Process(None) => f.write_str("a process"),
            Self::Address(Some(address)) => write!(f, "{address}"),
            Self::Address(None) => f.write_str("somebody"),
        }
    }
}

/// What a process calls itself, where the system tells.
fn name_of(pid: i32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(super::guard::printable(name.trim_end()))
}

/// A place to be connected to.
pub enum Listener {
    /// A port.
    Tcp(std::net::TcpListener),
    /// A socket.
    #[cfg(unix)]
    Unix(Socket),
}

impl Listener {
    /// Listens at a port: `HOST:PORT`, or `:PORT` for all addresses of this machine.
    ///
    /// # Errors
    /// Where that cannot be.
    pub fn tcp(address: &str) -> io::Result<Self> {
        let address = match address.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => address.to_owned(),
        };
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn uri(&self) -> io::Result<ServiceUri> {
        match self {
            Self::Tcp(listener) => Ok(ServiceUri::Tcp(listener.local_addr()?.to_string())),
            #[cfg(unix)]
            Self::Unix(socket) => Ok(ServiceUri::Unix(socket.path.display().to_string())),
        }
    }

    /// Whether others than users of this machine can connect.
    ///
    /// # Errors
    /// As [`Listener::uri`].
    pub fn is_open_to_network(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(listener) => Ok(!listener.local_addr()?.ip().is_loopback()),
            #[cfg(unix)]
            Self::Unix(_) => Ok(false),
        }
    }
}

/// The connections to a port.
pub(super) fn tcp_connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    connections(listener, async |listener: &TcpListener| {
        Ok(Some(listener.accept().await?.0))
    })
}

/// Connections one after the other, each as `accept` lets it in.
fn connections<L, C>(
    listener: L,
    accept: impl AsyncFn(&L) -> io::Result<Option<C>>,
) -> impl Stream<Item = io::Result<C>> {
    unfold((listener, accept), async |(listener, accept)| {
        loop {
            match accept(&listener).await {
                Ok(Some(connection)) => return Some((Ok(connection), (listener, accept))),
                // somebody who is not let in
                Ok(None) => {}
                Err(_) => sleep(PAUSE).await,
            }
        }
    })
}

#[cfg(unix)]
pub use unix::Socket;
#[cfg(unix)]
pub(super) use unix::unix_connections;

#[cfg(unix)]
mod unix {
    use super::{Stream, connections, io};
    use crate::cli::failure::warn;
    use crate::cli::process::{self, Cleanup};
    use rustix::fs::Mode;
    use std::fs::{self, File};
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    use std::os::unix::net;
    use std::path::{Path, PathBuf};
    use tokio::net::{UnixListener, UnixStream};

    /// A socket of this process, which goes with it.
    pub struct Socket {
        pub(super) path: PathBuf,
        pub(in crate::cli::services::keyservice) listener: net::UnixListener,
        _cleanup: Cleanup,
    }

    impl Socket {
        /// Makes a socket that its user alone may use. One that was left behind is replaced.
        ///
        /// # Errors
        /// Where somebody listens there, where something else is there, and where it cannot be
        /// made.
        pub fn bind(path: &Path) -> io::Result<Self> {
            // whoever starts at the same time comes after us
            let directory = path.parent().filter(|parent| *parent != Path::new(""));
            let held = File::open(directory.unwrap_or(Path::new(".")));
            let held = held.and_then(|directory| directory.lock().map(|()| directory));
            clear(path)?;
            let listener = bound(path)?;
            drop(held);
            listener.set_nonblocking(true)?;
            let (doomed, identity) = (path.to_path_buf(), identity(path)?);
            let cleanup = process::on_exit_signal(move || {
                // not that of somebody who came after us
                if self::identity(&doomed).is_ok_and(|there| there == identity) {
                    let _ = fs::remove_file(&doomed);
                }
            })?;
            Ok(Self {
                path: path.to_path_buf(),
                listener,
                _cleanup: cleanup,
            })
        }
    }

    /// Nobody else may use it from its first moment on.
    fn bound(path: &Path) -> io::Result<net::UnixListener> {
        let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let listener = net::UnixListener::bind(path);
        rustix::process::umask(before);
        listener
    }

    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        let meta = fs::symlink_metadata(path)?;
        Ok((meta.dev(), meta.ino()))
    }

    /// Removes a socket that nobody listens on any more.
    fn clear(path: &Path) -> io::Result<()> {
        let there = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            there => there?,
        };
        if !there.file_type().is_socket() {
            return Err(io::Error::other("something else than a socket is there"));
        }
        match net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "somebody listens there already",
            )),
        }
    }

    /// The connections to a socket, of this user and of root.
    pub(in crate::cli::services::keyservice) fn unix_connections(
        listener: UnixListener,
    ) -> impl Stream<Item = io::Result<UnixStream>> {
        connections(listener, async |listener: &UnixListener| {
            let (stream, _) = listener.accept().await?;
            Ok(is_friend(&stream).then_some(stream))
        })
    }

    /// Whether the other side is this user or root.
    fn is_friend(stream: &UnixStream) -> bool {
        let own = rustix::process::geteuid().as_raw();
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == own || peer.uid() == 0 => true,
            Ok(peer) => {
                warn(format_args!(
                    "a connection of user {} was refused: the socket is for user {own} alone",
                    peer.uid()
                ));
                false
            }
            Err(_) => false,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::os::unix::fs::PermissionsExt;

        #[test]
        fn a_socket_is_its_users_alone_and_is_not_taken_from_who_listens() {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("s");
            let socket = Socket::bind(&path).unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let taken = Socket::bind(&path).err().unwrap();
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
            drop(socket);
            // nobody listens any more, and the socket is still there
            assert!(path.exists());
            assert!(Socket::bind(&path).is_ok());
        }

        #[test]
        fn what_is_no_socket_is_left_alone() {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("s");
            fs::write(&path, "mine").unwrap();
            assert!(Socket::bind(&path).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        }
    }
}
