//! Services that hold master keys, and whoever else is asked over the network: one runtime, one
//! client of each, made when something is first asked of it.

// A build with some of the services leaves out who would use the rest of what they share.
#![cfg_attr(
    not(all(
        feature = "aws",
        feature = "gcp",
        feature = "azure",
        feature = "vault",
        feature = "huawei",
        feature = "keyservice"
    )),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        clippy::match_single_binding
    )
)]

#[cfg(feature = "http")]
mod answers;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod gcp;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "huawei")]
mod huawei;
#[cfg(feature = "keyservice")]
pub mod keyservice;
mod limits;
#[cfg(any(feature = "azure", feature = "huawei"))]
mod metadata;
#[cfg(any(feature = "azure", feature = "huawei"))]
mod once;
#[cfg(feature = "vault")]
mod vault;

#[cfg(feature = "http")]
pub use answers::said;
#[cfg(feature = "azure")]
pub use azure::Secret;
#[cfg(feature = "http")]
pub use http::{Http, Reply, send};
#[cfg(feature = "http")]
pub use limits::{REQUEST, Trouble, patiently};

use super::Context;
use super::environment::Environment;
use crate::keys::{Address, Service, ServiceError, UnwrapRequest, Wanted, WrapRequest, Wrapped};
use clap::ArgMatches;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use limits::within;
use std::cell::OnceCell;
use std::future::Future;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

/// What waits for the network, once something does.
#[derive(Default)]
struct Waiting(OnceCell<Runtime>);

/// What was made for the network in this run.
#[derive(Default)]
pub struct Clients {
    runtime: Waiting,
    #[cfg(feature = "http")]
    http: Http,
    #[cfg(feature = "azure")]
    azure: azure::State,
    #[cfg(feature = "huawei")]
    huawei: huawei::State,
    #[cfg(feature = "gcp")]
    gcp: gcp::GcpKms,
    #[cfg(feature = "aws")]
    aws: aws::Aws,
    #[cfg(feature = "vault")]
    vault: vault::Vault,
}

impl Clients {
    /// None yet, for a run with this command line.
    #[must_use]
    pub fn new(matches: &ArgMatches) -> Self {
        Self {
            #[cfg(feature = "vault")]
            vault: vault::Vault::new(vault::named(matches)),
            ..Self::default()
        }
    }

    /// Runs what waits for the network, on this thread.
    ///
    /// # Errors
    /// Where the system gives no means to wait.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, ServiceError> {
        let runtime = if let Some(runtime) = self.runtime.0.get() {
            runtime
        } else {
            let made = runtime()?;
            self.runtime.0.get_or_init(|| made)
        };
        Ok(runtime.block_on(future))
    }
}

impl Drop for Waiting {
    /// Waits for nothing that still asks for the address of a host: that may take half a minute.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes ring the cryptography of every TLS client in this process; the first call counts.
pub fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn runtime() -> Result<Runtime, ServiceError> {
    use_ring();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| ServiceError::new(format!("cannot use the network: {error}")))
}

/// The providers' own services, asked by this process.
pub struct Providers<'c> {
    environment: &'c Environment,
    clients: &'c Clients,
    offline: bool,
}

impl<'c> Providers<'c> {
    /// Those that this build has.
    #[must_use]
    pub fn new(context: &'c Context) -> Self {
        Self {
            environment: &context.environment,
            clients: &context.clients,
            offline: context.global.offline,
        }
    }

    /// Wraps for one key, within the time that there is for it.
    async fn wrap_one(&self, request: &WrapRequest<'_>) -> Result<Wrapped, ServiceError> {
        let (address, part) = (&request.address, request.part);
        self.may_ask()?;
        within(address, async {
            match address {
                #[cfg(feature = "azure")]
                Address::AzureKv(key) => self.azure().wrap(key, part).await,
                #[cfg(feature = "huawei")]
                Address::Hckms(id) => self.huawei().wrap(id, part).await,
                #[cfg(feature = "gcp")]
                Address::GcpKms(id) => {
                    let (gcp, http) = (&self.clients.gcp, &self.clients.http);
                    gcp.wrap(self.environment, http, id, part).await
                }
                #[cfg(feature = "aws")]
                Address::Kms(key) => self.clients.aws.wrap(self.environment, key, part).await,
                #[cfg(feature = "vault")]
                Address::HcVault(key) => {
                    let vault = &self.clients.vault;
                    vault.wrap(self.environment, key, part).await
                }
                _ => Err(not_built_in(address)),
            }
        })
        .await
    }

    /// Unwraps with one key, within the time that there is for it.
    async fn unwrap_one(
        &self,
        request: &UnwrapRequest,
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let (address, enc) = (&request.address, &request.enc);
        self.may_ask()?;
        within(address, async {
            match address {
                #[cfg(feature = "azure")]
                Address::AzureKv(key) => self.azure().unwrap(key, enc).await,
                #[cfg(feature = "huawei")]
                Address::Hckms(id) => self.huawei().unwrap(id, enc).await,
                #[cfg(feature = "gcp")]
                Address::GcpKms(id) => {
                    let (gcp, http) = (&self.clients.gcp, &self.clients.http);
                    gcp.unwrap(self.environment, http, id, enc).await
                }
                #[cfg(feature = "aws")]
                Address::Kms(key) => self.clients.aws.unwrap(self.environment, key, enc).await,
                #[cfg(feature = "vault")]
                Address::HcVault(key) => {
                    let vault = &self.clients.vault;
                    vault.unwrap(self.environment, key, enc).await
                }
                _ => Err(not_built_in(address)),
            }
        })
        .await
    }

    #[cfg(feature = "azure")]
    fn azure(&self) -> azure::AzureKv<'_> {
        let Clients { http, azure, .. } = self.clients;
        azure::AzureKv::new(self.environment, http, azure)
    }

    #[cfg(feature = "huawei")]
    fn huawei(&self) -> huawei::HuaweiKms<'_> {
        let Clients { http, huawei, .. } = self.clients;
        huawei::HuaweiKms::new(self.environment, http, huawei)
    }

    fn may_ask(&self) -> Result<(), ServiceError> {
        if self.offline {
            return Err(ServiceError::new("not asked (--offline)"));
        }
        Ok(())
    }
}

/// The client was left out of the build.
fn not_built_in(address: &Address) -> ServiceError {
    let provider = address.provider();
    ServiceError::new(format!("this build has no client for {provider} keys"))
        .hint("the features aws, gcp, azure, vault and huawei are on in ordinary builds")
}

impl Service for Providers<'_> {
    fn serves(&self, address: &Address) -> bool {
        !matches!(address, Address::Age(_) | Address::Pgp(_))
    }

    fn wrap(&self, requests: &[WrapRequest<'_>]) -> Vec<Result<Wrapped, ServiceError>> {
        let all = join_all(requests.iter().map(|request| self.wrap_one(request)));
        let answers = self.clients.block_on(all);
        answers.unwrap_or_else(|error| vec![Err(error); requests.len()])
    }

    fn unwrap(
        &self,
        requests: &[UnwrapRequest],
        wanted: Wanted,
    ) -> Vec<Result<Zeroizing<Vec<u8>>, ServiceError>> {
        let each = requests.iter().map(|request| self.unwrap_one(request));
        let answers = self.clients.block_on(answers(each, wanted));
        answers.unwrap_or_else(|error| requests.iter().map(|_| Err(error.clone())).collect())
    }
}

/// The answers to all, in their order; where any is enough, no more than the first success.
pub async fn answers<T>(
    each: impl Iterator<Item = impl Future<Output = Result<T, ServiceError>>>,
    wanted: Wanted,
) -> Vec<Result<T, ServiceError>> {
    let numbered = each.enumerate();
    let mut waiting: FuturesUnordered<_> = numbered
        .map(|(at, future)| async move { (at, future.await) })
        .collect();
    let mut answers: Vec<_> = (0..waiting.len()).map(|_| Err(given_up())).collect();
    while let Some((at, answer)) = waiting.next().await {
        let done = answer.is_ok() && wanted == Wanted::Any;
        answers[at] = answer;
        if done {
            break;
        }
    }
    answers
}

fn given_up() -> ServiceError {
    ServiceError::new("not waited for, since another key opened the file")
}

/// For those who ask services for something else than keys.
impl Clients {
    /// The client that services share.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Who asks vaults of Azure.
    #[cfg(feature = "azure")]
    #[must_use]
    pub fn azure_vaults<'c>(&'c self, environment: &'c Environment) -> azure::AzureKv<'c> {
        azure::AzureKv::new(environment, &self.http, &self.azure)
    }

    /// Who asks services of AWS.
    #[cfg(feature = "aws")]
    #[must_use]
    pub fn aws(&self) -> &aws::Aws {
        &self.aws
    }

    /// Who asks services of Google.
    #[cfg(feature = "gcp")]
    #[must_use]
    pub fn gcp(&self) -> &gcp::GcpKms {
        &self.gcp
    }

    /// Servers of Vault.
    #[cfg(feature = "vault")]
    #[must_use]
    pub fn vault(&self) -> &vault::Vault {
        &self.vault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::pin::Pin;

    type Boxed = Pin<Box<dyn Future<Output = Result<u8, ServiceError>>>>;

    fn run(each: Vec<Boxed>, wanted: Wanted) -> Vec<Result<u8, String>> {
        let clients = Clients::default();
        let answers = clients.block_on(answers(each.into_iter(), wanted));
        let answers = answers.expect("a runtime").into_iter();
        answers
            .map(|answer| answer.map_err(|error| error.message))
            .collect()
    }

    #[test]
    fn the_first_part_that_comes_is_enough_and_nobody_else_is_waited_for() {
        let never: Boxed = Box::pin(pending());
        let fails: Boxed = Box::pin(ready(Err(ServiceError::new("no"))));
        let opens: Boxed = Box::pin(ready(Ok(7)));
        let answers = run(vec![never, fails, opens], Wanted::Any);
        assert!(
            answers[0]
                .as_ref()
                .unwrap_err()
                .starts_with("not waited for")
        );
        assert_eq!(answers[1..], [Err("no".to_owned()), Ok(7)]);
    }

    #[test]
    fn every_answer_comes_in_the_order_of_its_request() {
        let one: Boxed = Box::pin(async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            Ok(1)
        });
        let two: Boxed = Box::pin(ready(Ok(2)));
        assert_eq!(run(vec![one, two], Wanted::Every), [Ok(1), Ok(2)]);
    }
}
