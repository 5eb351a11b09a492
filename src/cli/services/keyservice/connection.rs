//! A connection to somebody who speaks gRPC: made, asked, and given up when nobody is there.

use super::ServiceUri;
use crate::cli::services::limits::CONNECT;
use prost::Message;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// How long to wait before it is looked into whether the other side is alive at all.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the other side may take to greet. It has nothing to do before it does.
const GREETING: Duration = Duration::from_secs(2);

/// The longest wait for an answer: somebody may have to be asked over there.
const ANSWER: Duration = Duration::from_mins(2);

/// What a client of HTTP/2 says first, with settings of which none is unusual.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Bytes of the head of a frame; the fourth says of which kind it is.
const FRAME_HEAD: usize = 9;

/// The kind that every server of HTTP/2 sends first.
const SETTINGS: u8 = 4;

/// An open connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    uri: ServiceUri,
    channel: Channel,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there, or not for us.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// Somebody listens, and is somebody else.
    #[error("what answers there is no key service ({0})")]
    Foreign(String),
    /// Somebody listens, and says nothing.
    #[error("what listens there does not answer")]
    Silent,
    /// It is there, and takes too long.
    #[error("no answer within {} seconds", .0.as_secs())]
    Late(Duration),
    /// It said no.
    #[error("{}", .0.message())]
    Refused(#[source] Box<Status>),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`CallError::Unreachable`].
    pub async fn open(uri: &ServiceUri) -> Result<Self, CallError> {
        let target = match uri {
            ServiceUri::Tcp(authority) => format!("http://{authority}"),
            ServiceUri::Unix(path) => format!("unix:{path}"),
        };
        let unreachable = |error| CallError::Unreachable(io_error(error));
        let endpoint = Endpoint::from_shared(target).map_err(unreachable)?;
        let endpoint = endpoint.connect_timeout(CONNECT);
        let channel = match timeout(CONNECT, endpoint.connect()).await {
            Ok(connected) => connected.map_err(unreachable)?,
            Err(_) => return Err(CallError::Unreachable(io::ErrorKind::TimedOut.into())),
        };
        let uri = uri.clone();
        Ok(Self { uri, channel })
    }

    /// Calls a method, and waits for as long as somebody over there may need for it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut call = pin!(self.once(method, request));
        if let Ok(answer) = timeout(PATIENCE, &mut call).await {
            return answer;
        }
        self.greets().await?;
        let answer = timeout(ANSWER, call).await;
        answer.unwrap_or(Err(CallError::Late(ANSWER)))
    }

    /// Calls a method of somebody who answers at once or not at all.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask<Q, A>(
        &self,
        method: &'static str,
        request: Q,
        wait: Duration,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let answer = timeout(wait, self.once(method, request)).await;
        answer.unwrap_or(Err(CallError::Late(wait)))
    }

    async fn once<Q, A>(&self, method: &'static str, request: Q) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut client = Grpc::new(self.channel.clone());
        let ready = client.ready().await;
        ready.map_err(|error| CallError::Foreign(innermost(&error)))?;
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(method);
        let answer = client.unary(Request::new(request), path, codec).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(not_answered)
    }

    /// Finds out on a connection of its own whether HTTP/2 is spoken there.
    async fn greets(&self) -> Result<(), CallError> {
        let greeted = match &self.uri {
            ServiceUri::Tcp(authority) => greeting(TcpStream::connect(authority)).await,
            #[cfg(unix)]
            ServiceUri::Unix(path) => greeting(tokio::net::UnixStream::connect(path)).await,
            #[cfg(not(unix))]
            ServiceUri::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        match greeted {
            Ok(SETTINGS) => Ok(()),
            Ok(_) => Err(CallError::Foreign("not HTTP/2".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(CallError::Silent),
            Err(error) => Err(CallError::Foreign(error.to_string())),
        }
    }
}

/// The kind of the first frame that the other side sends, if it sends one in time.
async fn greeting<S>(connecting: impl Future<Output = io::Result<S>>) -> io::Result<u8>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let talk = async {
        let mut stream = connecting.await?;
        stream.write_all(HELLO).await?;
        let mut head = [0; FRAME_HEAD];
        stream.read_exact(&mut head).await?;
        Ok(head[3])
    };
    let talked = timeout(GREETING, talk).await;
    talked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What a call without an answer met: the other side's own words have no source here.
fn not_answered(status: Status) -> CallError {
    match status.source() {
        Some(source) => CallError::Foreign(innermost(source)),
        None if status.code() == Code::Unimplemented => {
            CallError::Foreign("it does not know what it is asked".to_owned())
        }
        None => CallError::Refused(Box::new(status)),
    }
}

/// The error of the system behind an error of the transport.
fn io_error(error: tonic::transport::Error) -> io::Error {
    let mut source: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
        }
        source = error.source();
    }
    io::Error::other(innermost(&error))
}

/// What an error says at its root.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
