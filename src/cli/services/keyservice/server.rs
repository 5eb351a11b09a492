//! The serving side of gRPC, and the two methods of the key service over it.

use super::messages::{DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, Key};
use super::{Listener, Operation, Peer, Work, Workers, listener};
use prost::Message;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

pub use tonic::body::Body;

/// The most bytes of a message: far more than a wrapped key has.
const LIMIT: usize = 1 << 20;

/// How often it is looked whether the other side of a connection is still there.
const ALIVE: Duration = Duration::from_mins(1);

/// What can be called.
pub trait Methods: Clone + Send + 'static {
    /// Answers a call.
    fn call(
        self,
        request: http::Request<Body>,
        peer: Peer,
    ) -> impl Future<Output = http::Response<Body>> + Send;
}

/// Serves for as long as this process lives.
///
/// # Errors
/// Where the place to listen at is none any more.
pub async fn serve(listener: Listener, methods: impl Methods) -> io::Result<()> {
    let server = Server::builder().http2_keepalive_interval(Some(ALIVE));
    let service = Dispatch(methods);
    let served = match listener {
        Listener::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let connections = listener::tcp_connections(listener);
            server.serve_with_incoming(service, connections).await
        }
        #[cfg(unix)]
        Listener::Unix(socket) => {
            let listener = socket.listener.try_clone()?;
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let connections = listener::unix_connections(listener);
            server.serve_with_incoming(service, connections).await
        }
    };
    served.map_err(io::Error::other)
}

/// Hands each call on, with who makes it.
#[derive(Clone)]
struct Dispatch<M>(M);

impl<M: Methods> Service<http::Request<Body>> for Dispatch<M> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let peer = peer_of(&request);
        let answer = self.0.clone().call(request, peer);
        Box::pin(async { Ok(answer.await) })
    }
}

fn peer_of(request: &http::Request<Body>) -> Peer {
    #[cfg(unix)]
    if let Some(socket) = request
        .extensions()
        .get::<tonic::transport::server::UdsConnectInfo>()
    {
        return Peer::Process(socket.peer_cred.and_then(|peer| peer.pid()));
    }
    let tcp = request.extensions().get::<TcpConnectInfo>();
    Peer::Address(tcp.and_then(TcpConnectInfo::remote_addr))
}

/// Answers a call with what `method` makes of its message.
pub async fn answer<Q, A, F>(
    request: http::Request<Body>,
    method: impl FnOnce(Q) -> F + Send,
) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>> + Send,
{
    let codec = ProstCodec::<A, Q>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(LIMIT);
    grpc.unary(Once(Some(method)), request).await
}

/// The answer to a call of what there is not.
pub fn unknown_method() -> http::Response<Body> {
    Status::unimplemented("there is no such method").into_http()
}

/// A method that is called once.
struct Once<M>(Option<M>);

impl<Q, A, F, M> UnaryService<Q> for Once<M>
where
    M: FnOnce(Q) -> F,
    F: Future<Output = Result<A, Status>>,
{
    type Response = A;
    type Future = Answering<F>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answering = self.0.take().map(|method| method(request.into_inner()));
        Answering(answering.map(Box::pin))
    }
}

/// What a method is about to answer.
struct Answering<F>(Option<Pin<Box<F>>>);

impl<A, F: Future<Output = Result<A, Status>>> Future for Answering<F> {
    type Output = Result<Response<A>, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(answer) => answer
                .as_mut()
                .poll(context)
                .map(|answer| answer.map(Response::new)),
            None => Poll::Ready(Err(Status::internal("called twice"))),
        }
    }
}

/// The key service.
#[derive(Clone)]
pub struct KeyServer {
    workers: Workers,
}

impl KeyServer {
    /// One whose work is done by `workers`.
    #[must_use]
    pub fn new(workers: Workers) -> Self {
        Self { workers }
    }

    /// Wraps.
    ///
    /// # Errors
    /// Where that cannot or may not be.
    pub async fn encrypt(
        self,
        mut message: EncryptRequest,
        peer: Peer,
    ) -> Result<EncryptResponse, Status> {
        let plaintext = Zeroizing::new(std::mem::take(&mut message.plaintext));
        let work = work(Operation::Encrypt, message.key.take(), plaintext, peer)?;
        let ciphertext = self.workers.ask(work).await?.to_vec();
        Ok(EncryptResponse { ciphertext })
    }

    /// Unwraps.
    ///
    /// # Errors
    /// Where that cannot or may not be.
    pub async fn decrypt(
        self,
        message: DecryptRequest,
        peer: Peer,
    ) -> Result<DecryptResponse, Status> {
        let ciphertext = Zeroizing::new(message.ciphertext);
        let work = work(Operation::Decrypt, message.key, ciphertext, peer)?;
        let mut plaintext = self.workers.ask(work).await?;
        let plaintext = std::mem::take(&mut *plaintext);
        Ok(DecryptResponse { plaintext })
    }
}

fn work(
    operation: Operation,
    key: Option<Key>,
    input: Zeroizing<Vec<u8>>,
    peer: Peer,
) -> Result<Work, Status> {
    let address = key.and_then(Key::address);
    let address = address.ok_or_else(|| {
        Status::not_found("no key is named, or one of a kind that this key service does not know")
    })?;
    Ok(Work {
        operation,
        address,
        input,
        peer,
    })
}

impl Methods for KeyServer {
    async fn call(self, request: http::Request<Body>, peer: Peer) -> http::Response<Body> {
        match request.uri().path() {
            "/KeyService/Encrypt" => answer(request, |message| self.encrypt(message, peer)).await,
            "/KeyService/Decrypt" => answer(request, |message| self.decrypt(message, peer)).await,
            _ => unknown_method(),
        }
    }
}
