//! The audit log as messages to the system's log, over its local socket.

use super::record::Record;
use super::settings::{Format, SyslogSettings};
use super::{Backend, BackendError};
use crate::cli::Context;
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

/// The severity of an entry: informational.
const INFORMATIONAL: u8 = 6;

/// The longest wait for a receiver that does not take the message.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket, connected.
pub struct Syslog {
    settings: SyslogSettings,
    socket: Socket,
}

/// The two kinds of socket that there are.
enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl Syslog {
    /// Connects to the socket.
    ///
    /// # Errors
    /// Where nobody listens there.
    pub fn open(settings: &SyslogSettings) -> Result<Self, BackendError> {
        let socket = Socket::connect(&settings.socket).map_err(|error| {
            let path = settings.socket.display();
            BackendError::new(format!("cannot connect to {path}: {error}"))
                .hint("is a syslog daemon running, and this its socket?")
        })?;
        Ok(Self {
            settings: settings.clone(),
            socket,
        })
    }

    fn message(&self, record: &Record) -> String {
        let priority = self.settings.facility * 8 + INFORMATIONAL;
        let (pid, line) = (std::process::id(), record.line());
        match self.settings.format {
            // The receiver adds its own time: that of a client would have no zone.
            Format::Rfc3164 => format!("<{priority}>bulla[{pid}]: {line}"),
            Format::Rfc5424 => {
                let (time, host, id) = (&record.time, host(), record.action);
                format!("<{priority}>1 {time} {host} bulla {pid} {id} - {line}")
            }
        }
    }
}

impl Backend for Syslog {
    fn write(&mut self, _context: &Context, record: &Record) -> Result<(), BackendError> {
        let message = self.message(record);
        let sent = self.socket.send(&message).or_else(|_| {
            // the daemon was started anew since
            self.socket = Socket::connect(&self.settings.socket)?;
            self.socket.send(&message)
        });
        sent.map_err(|error| {
            let path = self.settings.socket.display();
            BackendError::new(format!("cannot write to {path}: {error}"))
        })
    }
}

impl Socket {
    fn connect(path: &Path) -> io::Result<Self> {
        let datagram = UnixDatagram::unbound()?;
        datagram.set_write_timeout(Some(PATIENCE))?;
        match datagram.connect(path) {
            Ok(()) => Ok(Self::Datagram(datagram)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::PROTOTYPE) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Self::Stream(stream))
            }
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, message: &str) -> io::Result<()> {
        match self {
            Self::Datagram(socket) => socket.send(message.as_bytes()).map(drop),
            Self::Stream(socket) => socket.write_all(format!("{message}\n").as_bytes()),
        }
    }
}

/// The name of this machine, `-` where it has none that fits.
fn host() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let fits = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if fits(&name) {
        name.into_owned()
    } else {
        "-".to_owned()
    }
}
