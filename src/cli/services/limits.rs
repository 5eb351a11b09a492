//! How long a service is waited for, and when it is asked again.

use crate::keys::{Address, ServiceError};
use std::future::Future;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest wait for a connection.
pub const CONNECT: Duration = Duration::from_secs(5);

/// The longest wait for one answer.
pub const REQUEST: Duration = Duration::from_secs(15);

/// The longest wait for one key, credentials and all attempts included.
pub const TOTAL: Duration = Duration::from_secs(30);

/// How often something is asked at most.
pub const ATTEMPTS: u32 = 4;

/// The wait before it is asked for the second time; twice as long before each that follows.
pub const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest wait that a service may ask for between two attempts.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Why an attempt came to nothing, and whether another may help.
#[derive(Debug)]
pub struct Trouble {
    /// What to say in the end.
    pub error: ServiceError,
    /// Whether to ask again: it was too much at a time, or a fault of the moment.
    pub again: bool,
    /// How long the service wants to be left alone.
    pub after: Option<Duration>,
}

impl Trouble {
    /// Asking again is of no use.
    #[must_use]
    pub fn lasting(error: ServiceError) -> Self {
        Self {
            error,
            again: false,
            after: None,
        }
    }

    /// It may be better in a moment.
    #[must_use]
    pub fn passing(error: ServiceError, after: Option<Duration>) -> Self {
        Self {
            error,
            again: true,
            after,
        }
    }
}

/// Asks until there is an answer, or another attempt is of no use; waits longer each time.
///
/// # Errors
/// That of the last attempt.
pub async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ServiceError>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let mut wait = FIRST_WAIT;
    for _ in 1..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(trouble) if !trouble.again => return Err(trouble.error),
            Err(trouble) => sleep(trouble.after.unwrap_or(wait).min(LONGEST_WAIT)).await,
        }
        wait *= 2;
    }
    ask().await.map_err(|trouble| trouble.error)
}

/// What is done for a key, within [`TOTAL`].
///
/// # Errors
/// Its own, or that it took too long.
pub async fn within<T>(
    address: &Address,
    work: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    let done = timeout(TOTAL, work).await;
    done.unwrap_or_else(|_| {
        let seconds = TOTAL.as_secs();
        let provider = address.provider();
        let message = format!("{provider}: no answer within {seconds} seconds");
        Err(ServiceError::new(message)
            .hint("is the network up, and the service reached from here? `--offline` asks none"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(future)
    }

    /// Fails `times` times in a way that passes, then answers; how often it was asked.
    fn asked(times: u32, again: bool) -> (Result<u32, ServiceError>, u32) {
        let count = Cell::new(0);
        let after = Some(Duration::from_millis(1));
        let answer = run(patiently(|| async {
            count.set(count.get() + 1);
            if count.get() > times {
                return Ok(count.get());
            }
            let error = ServiceError::new("busy");
            Err(if again {
                Trouble::passing(error, after)
            } else {
                Trouble::lasting(error)
            })
        }));
        (answer, count.get())
    }

    #[test]
    fn what_passes_is_asked_again_and_what_lasts_is_not() {
        assert_eq!(asked(2, true), (Ok(3), 3));
        let busy = Err(ServiceError::new("busy"));
        assert_eq!(asked(9, true), (busy.clone(), ATTEMPTS));
        assert_eq!(asked(9, false), (busy, 1));
    }
}
