//! The agent as commands see it: asked for what it holds, told what it is to hold. One that does
//! not answer within a moment is none.

use super::messages::{
    Empty, ForgetRequest, ForgetResponse, OpenRequest, OpenResponse, RememberRequest,
    StatusResponse, TakeOverRequest, Wrapped,
};
use super::place::{Place, Untrusted};
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome, Status, warn};
use crate::cli::services::keyservice::{Connection, Key, ServiceUri};
use crate::keys::{Agent, ServiceError, Unlocked, UnwrapRequest};
use prost::Message;
use std::cell::OnceCell;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long an agent may take to answer. It has nothing to wait for itself.
const MOMENT: Duration = Duration::from_secs(1);

/// How long it may take to open a key that it was given with its passphrase.
const WORK: Duration = Duration::from_secs(5);

/// The agent at a place.
pub struct Client<'c> {
    context: &'c Context,
    place: Place,
    /// What came of connecting.
    connection: OnceCell<Option<Connection>>,
}

impl<'c> Client<'c> {
    /// The agent of this user, where one is wanted and its socket is there.
    pub fn of(context: &'c Context) -> Option<Self> {
        let place = Place::wanted(&context.environment)?;
        match place.check() {
            Ok(()) => Some(Self::new(context, place)),
            Err(Untrusted::Missing) => None,
            Err(error) => {
                warn(format_args!("the agent is not asked: {error}"));
                None
            }
        }
    }

    /// The agent at `place`.
    ///
    /// # Errors
    /// Where there is none that can be trusted.
    pub fn at(context: &'c Context, place: Place) -> Result<Self, Untrusted> {
        place.check()?;
        Ok(Self::new(context, place))
    }

    fn new(context: &'c Context, place: Place) -> Self {
        Self {
            context,
            place,
            connection: OnceCell::new(),
        }
    }

    /// What it is and holds.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn status(&self) -> Outcome<StatusResponse> {
        Ok(self.ask("/bulla.Agent/Status", Empty {}, MOMENT)?)
    }

    /// Has it forget everything; how many things that were.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn lock(&self) -> Outcome<u32> {
        self.forget("")
    }

    /// Has it forget what is for one key; how many things that were.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn forget(&self, id: &str) -> Outcome<u32> {
        let request = ForgetRequest { id: id.to_owned() };
        let answer: ForgetResponse = self.ask("/bulla.Agent/Forget", request, MOMENT)?;
        Ok(answer.count)
    }

    /// Ends it, and waits until it is gone.
    ///
    /// # Errors
    /// Where it does not answer, or does not end.
    pub fn stop(&self) -> Outcome {
        let _: Empty = self.ask("/bulla.Agent/Stop", Empty {}, MOMENT)?;
        let start = Instant::now();
        while self.place.path().exists() {
            if start.elapsed() > WORK {
                return Err(Failure::new(Status::General, "the agent does not end"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn ask<Q, A>(&self, method: &'static str, request: Q, wait: Duration) -> Result<A, ServiceError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let gone = || ServiceError::new("no agent is running");
        let connection = self.connection.get_or_init(|| self.connect());
        let connection = connection.as_ref().ok_or_else(gone)?;
        let answer = connection.ask(method, request, wait);
        let answer = self.context.clients.block_on(answer)?;
        answer.map_err(|error| ServiceError::new(format!("the agent: {error}")))
    }

    fn connect(&self) -> Option<Connection> {
        let uri = ServiceUri::Unix(self.place.path().to_str()?.to_owned());
        let connecting = async { tokio::time::timeout(MOMENT, Connection::open(&uri)).await };
        self.context.clients.block_on(connecting).ok()?.ok()?.ok()
    }
}

impl Agent for Client<'_> {
    fn open(&self, requests: &[UnwrapRequest]) -> Vec<Option<Zeroizing<Vec<u8>>>> {
        let wrapped = requests.iter().map(wrapped).collect();
        let answer = self.ask("/bulla.Agent/Open", OpenRequest { wrapped }, MOMENT);
        // one that is gone is no reason to say anything
        let mut answer: OpenResponse = answer.unwrap_or_default();
        let parts = answer.parts.iter_mut().map(std::mem::take);
        let parts = parts.map(|part| (!part.is_empty()).then(|| Zeroizing::new(part)));
        let parts = parts.chain(std::iter::repeat_with(|| None));
        parts.take(requests.len()).collect()
    }

    fn remember(&self, request: &UnwrapRequest, part: &[u8]) {
        let request = RememberRequest {
            wrapped: Some(wrapped(request)),
            part: part.to_vec(),
        };
        let told: Result<Empty, _> = self.ask("/bulla.Agent/Remember", request, MOMENT);
        self.say(told);
    }

    fn take_over(&self, mut unlocked: Unlocked) {
        let passphrase = unlocked.passphrase.as_deref();
        let request = TakeOverRequest {
            origin: std::mem::take(&mut unlocked.origin),
            content: std::mem::take(&mut *unlocked.content),
            passphrase: passphrase.cloned().unwrap_or_default(),
        };
        let told: Result<Empty, _> = self.ask("/bulla.Agent/TakeOver", request, WORK);
        self.say(told);
    }
}

impl Client<'_> {
    /// That an agent does not hold something is no failure of the command.
    fn say<T>(&self, told: Result<T, ServiceError>) {
        if let Err(error) = told {
            self.context.tell(format_args!("nothing is held: {error}"));
        }
    }
}

fn wrapped(request: &UnwrapRequest) -> Wrapped {
    Wrapped {
        key: Some(Key::from(&request.address)),
        enc: request.enc.clone(),
    }
}
