//! The audit log in a database of `PostgreSQL`: a row of the table `audit_event` an event, as sops
//! writes it.

mod dsn;
mod tls;

use super::record::Record;
use super::{Action, Backend, BackendError};
use crate::cli::Context;
use dsn::{Dsn, Mode};
use std::error::Error as _;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The longest wait for a connection, where the connection string says none, and for a row.
const PATIENCE: Duration = Duration::from_secs(10);

/// How old a connection may be that is still taken for good.
const FRESH: Duration = Duration::from_mins(1);

const INSERT: &str = "INSERT INTO audit_event (action, username, file) VALUES ($1, $2, $3)";

/// The table, as sops's documentation has it.
const TABLE: &str = "CREATE TABLE audit_event (id SERIAL PRIMARY KEY, timestamp TIMESTAMP DEFAULT \
                     CURRENT_TIMESTAMP, action TEXT, username TEXT, file TEXT);";

/// A database that events are written to.
pub struct Postgres {
    server: Server,
    /// The connection that was made to see whether there can be one; the first event takes it.
    waiting: Option<(Session, Instant)>,
}

/// How a database is reached.
struct Server {
    config: Config,
    /// `None` where the connection is in the clear.
    tls: Option<MakeRustlsConnect>,
    patience: Duration,
    /// How it is called in messages.
    name: String,
}

/// A connection, and what drives it.
struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

impl Postgres {
    /// Connects to the database.
    ///
    /// # Errors
    /// Where the connection string is wrong, or there is no connection.
    pub fn open(connection: &str, context: &Context) -> Result<Self, BackendError> {
        let dsn = Dsn::parse(connection).map_err(|error| {
            BackendError::new(format!("connection_string: {error}")).hint(
                "it has the forms of sops: postgres://USER:PASSWORD@HOST/DATABASE, or \
                 host=HOST user=USER password='…' dbname=DATABASE",
            )
        })?;
        let user = super::record::user(&context.environment).0;
        let server = Server {
            config: dsn.config(&user),
            tls: match dsn.tls.mode {
                Mode::Disable => None,
                _ => Some(tls::connector(&dsn.tls)?),
            },
            patience: dsn.connect_timeout.unwrap_or(PATIENCE),
            name: dsn.name(&user),
        };
        let session = wait(context, server.connect())?;
        let waiting = Some((session, Instant::now()));
        Ok(Self { server, waiting })
    }

    async fn insert(&mut self, record: &Record) -> Result<(), BackendError> {
        let fresh = |(session, since): (Session, Instant)| {
            let is_fresh = since.elapsed() < FRESH && !session.client.is_closed();
            is_fresh.then_some(session)
        };
        let session = match self.waiting.take().and_then(fresh) {
            Some(session) => session,
            None => self.server.connect().await?,
        };
        // The server tells the types, so that a column may have any that takes a text.
        let values = [&record.action, &record.user.as_str(), &record.file.as_str()];
        let [action, user, file] = values.map(|value| (value as _, Type::UNKNOWN));
        let values = [action, user, file];
        let inserted = session.client.execute_typed(INSERT, &values);
        let inserted = self.server.within(PATIENCE, inserted).await;
        session.close().await;
        inserted.map(drop)
    }
}

impl Backend for Postgres {
    fn write(&mut self, context: &Context, record: &Record) -> Result<(), BackendError> {
        wait(context, self.insert(record))
    }

    /// Those that sops has: the rows are as if it had been sops.
    fn takes(&self, action: Action) -> bool {
        action != Action::Rekey
    }
}

/// Runs what waits for the network, on this thread.
fn wait<T>(
    context: &Context,
    work: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    let done = context.clients.block_on(work);
    done.unwrap_or_else(|error| Err(BackendError::new(error.message)))
}

impl Server {
    async fn connect(&self) -> Result<Session, BackendError> {
        match &self.tls {
            Some(tls) => self.connect_by(tls.clone()).await,
            None => self.connect_by(NoTls).await,
        }
    }

    async fn connect_by<T>(&self, tls: T) -> Result<Session, BackendError>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let connected = self.within(self.patience, self.config.connect(tls)).await;
        let (client, connection) = connected?;
        let driver = tokio::spawn(async move {
            // what goes wrong here the client is told, too
            let _ = connection.await;
        });
        Ok(Session { client, driver })
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, BackendError> {
        if let Ok(done) = tokio::time::timeout(limit, work).await {
            return done.map_err(|error| describe(&error).of(&self.name));
        }
        let seconds = limit.as_secs();
        let error = BackendError::new(format!("no answer within {seconds} seconds"));
        let error = error.hint("is the database reached from here, and up?");
        Err(error.of(&self.name))
    }
}

impl Session {
    /// Says goodbye, so that the server does not write of a lost connection.
    async fn close(self) {
        drop(self.client);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.driver).await;
    }
}

/// What went wrong, and what to do about it. A connection string that is split in the wrong
/// places makes names of pieces of it, which the server then repeats: such answers are not shown.
fn describe(error: &tokio_postgres::Error) -> BackendError {
    let Some(database) = error.as_db_error() else {
        return describe_connection(error);
    };
    let code = database.code();
    let refused = [
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::CANT_CHANGE_RUNTIME_PARAM,
    ];
    if refused.contains(code) {
        let message = "the server refuses a run-time parameter of the connection string";
        return BackendError::new(message).hint(
            "every name that is none of the client's own is given to the server; values with \
             blanks need quotes",
        );
    }
    let described = BackendError::new(database.message());
    let is = |codes: &[SqlState]| codes.contains(code);
    if is(&[
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    ]) {
        return described.hint(
            "the user and the password of the connection string, and the server's pg_hba.conf, \
             decide about this",
        );
    }
    if is(&[SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN]) {
        return described.hint(format!("the table has to be made once: {TABLE}"));
    }
    if is(&[SqlState::INSUFFICIENT_PRIVILEGE]) {
        return described.hint(
            "the user needs: GRANT INSERT ON audit_event, and GRANT USAGE ON audit_event_id_seq",
        );
    }
    described
}

fn describe_connection(error: &tokio_postgres::Error) -> BackendError {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let described = BackendError::new(&message);
    if message.contains("does not support TLS") {
        return described
            .hint("as in sops, TLS is wanted unless the connection string says sslmode=disable");
    }
    if message.contains("certificate") {
        return described.hint(
            "sslrootcert names the file of the authority that signed the server's certificate; \
             sslmode decides what is verified",
        );
    }
    described.hint("is the database reached from here, and up?")
}
