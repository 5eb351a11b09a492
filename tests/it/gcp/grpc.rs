//! The service over gRPC, with messages as `google/cloud/kms/v1/service.proto` has them.

use super::kms::{Asked, Done, Kms, Refusal};
use prost::Message;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
struct EncryptRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    plaintext: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    additional_authenticated_data: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    plaintext_crc32c: Option<i64>,
    #[prost(message, optional, tag = "8")]
    additional_authenticated_data_crc32c: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct EncryptResponse {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    ciphertext_crc32c: Option<i64>,
    #[prost(bool, tag = "5")]
    verified_plaintext_crc32c: bool,
    #[prost(bool, tag = "6")]
    verified_additional_authenticated_data_crc32c: bool,
    #[prost(int32, tag = "7")]
    protection_level: i32,
}

#[derive(Clone, PartialEq, Message)]
struct DecryptRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    ciphertext: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    additional_authenticated_data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    ciphertext_crc32c: Option<i64>,
    #[prost(message, optional, tag = "6")]
    additional_authenticated_data_crc32c: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    plaintext: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    plaintext_crc32c: Option<i64>,
    #[prost(bool, tag = "3")]
    used_primary: bool,
    #[prost(int32, tag = "4")]
    protection_level: i32,
}

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Starts a server on a thread of its own, with TLS where there is a certificate; its address.
pub(crate) fn start(kms: &Arc<Kms>, identity: Option<Identity>) -> SocketAddr {
    // the provider that the process has; a test is one
    let _ = rustls::crypto::ring::default_provider().install_default();
    let service = KeyManagement(Arc::clone(kms));
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let any = "127.0.0.1:0".parse().expect("an address");
            let incoming = TcpIncoming::bind(any).expect("a port");
            let address = incoming.local_addr().expect("its address");
            told.send(address).expect("who waits for it");
            let mut server = Server::builder();
            if let Some(identity) = identity {
                let tls = ServerTlsConfig::new().identity(identity);
                server = server.tls_config(tls).expect("a certificate");
            }
            let server = server.add_service(service);
            server
                .serve_with_incoming(incoming)
                .await
                .expect("a server");
        });
    });
    address.recv().expect("a server")
}

#[derive(Clone)]
struct KeyManagement(Arc<Kms>);

impl NamedService for KeyManagement {
    const NAME: &'static str = "google.cloud.kms.v1.KeyManagementService";
}

impl Service<http::Request<Body>> for KeyManagement {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let kms = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/google.cloud.kms.v1.KeyManagementService/Encrypt" => {
                    let mut grpc = Grpc::new(ProstCodec::default());
                    grpc.unary(Encrypt(kms), request).await
                }
                "/google.cloud.kms.v1.KeyManagementService/Decrypt" => {
                    let mut grpc = Grpc::new(ProstCodec::default());
                    grpc.unary(Decrypt(kms), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

struct Encrypt(Arc<Kms>);

impl UnaryService<EncryptRequest> for Encrypt {
    type Response = EncryptResponse;
    type Future = Ready<Result<Response<EncryptResponse>, Status>>;

    fn call(&mut self, request: Request<EncryptRequest>) -> Self::Future {
        let said = request.get_ref().clone();
        assert_eq!(said.additional_authenticated_data, b"");
        let sum = said.plaintext_crc32c;
        let asked = asked("encrypt", &request, &said.name, said.plaintext, sum);
        let done = asked.and_then(|asked| self.0.answer(asked).map_err(refused));
        ready(done.map(|done: Done| {
            Response::new(EncryptResponse {
                name: done.version,
                ciphertext: done.bytes,
                ciphertext_crc32c: done.checksum,
                verified_plaintext_crc32c: done.verified,
                verified_additional_authenticated_data_crc32c: false,
                protection_level: 1,
            })
        }))
    }
}

struct Decrypt(Arc<Kms>);

impl UnaryService<DecryptRequest> for Decrypt {
    type Response = DecryptResponse;
    type Future = Ready<Result<Response<DecryptResponse>, Status>>;

    fn call(&mut self, request: Request<DecryptRequest>) -> Self::Future {
        let said = request.get_ref().clone();
        assert_eq!(said.additional_authenticated_data, b"");
        let sum = said.ciphertext_crc32c;
        let asked = asked("decrypt", &request, &said.name, said.ciphertext, sum);
        let done = asked.and_then(|asked| self.0.answer(asked).map_err(refused));
        ready(done.map(|done: Done| {
            Response::new(DecryptResponse {
                plaintext: done.bytes,
                plaintext_crc32c: done.checksum,
                used_primary: true,
                protection_level: 1,
            })
        }))
    }
}

/// A request, whose metadata is looked at.
fn asked<T>(
    verb: &'static str,
    request: &Request<T>,
    name: &str,
    bytes: Vec<u8>,
    checksum: Option<i64>,
) -> Result<Asked, Status> {
    let metadata = |name: &str| {
        let value = request.metadata().get(name);
        value.map_or("", |value| value.to_str().unwrap_or("?"))
    };
    let routing = format!("name={}", name.replace('/', "%2F"));
    if metadata("x-goog-request-params") != routing {
        return Err(Status::invalid_argument("wrong routing"));
    }
    let bearer = metadata("authorization").strip_prefix("Bearer ");
    Ok(Asked {
        verb,
        name: name.to_owned(),
        bytes,
        checksum,
        bearer: bearer.unwrap_or_default().to_owned(),
        quota_project: metadata("x-goog-user-project").to_owned(),
    })
}

fn refused(refusal: Refusal) -> Status {
    let any = |name: &str, value| Any {
        type_url: format!("type.googleapis.com/google.rpc.{name}"),
        value,
    };
    let mut details = Vec::new();
    if let Some((reason, facts)) = refusal.info {
        let info = ErrorInfo {
            reason,
            domain: "googleapis.com".to_owned(),
            metadata: facts.into_iter().collect(),
        };
        details.push(any("ErrorInfo", info.encode_to_vec()));
    }
    if let Some(milliseconds) = refusal.retry {
        let delay = Delay {
            seconds: i64::from(milliseconds / 1000),
            nanos: (milliseconds % 1000) as i32 * 1_000_000,
        };
        let retry = RetryInfo {
            retry_delay: Some(delay),
        };
        details.push(any("RetryInfo", retry.encode_to_vec()));
    }
    let status = RpcStatus {
        code: refusal.grpc,
        message: refusal.message.clone(),
        details,
    };
    let code = Code::from_i32(refusal.grpc);
    Status::with_details(code, refusal.message, status.encode_to_vec().into())
}
