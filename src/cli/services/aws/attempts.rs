//! How long AWS is waited for, and how often it is asked.

use super::super::limits::{ATTEMPTS, CONNECT, FIRST_WAIT, LONGEST_WAIT, REQUEST};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_WAIT)
        .with_max_backoff(LONGEST_WAIT)
}

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(REQUEST)
        .build()
}

/// Where nobody took the call within the time for a connection, nobody will: all attempts
/// together would take half a minute.
#[derive(Debug)]
pub(super) struct NotThere;

impl ClassifyRetry for NotThere {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.output_or_error().and_then(Result::err);
        let connecting = failed.and_then(|error| error.as_connector_error());
        if connecting.is_some_and(ConnectorError::is_timeout) {
            return RetryAction::RetryForbidden;
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "not there"
    }
}
