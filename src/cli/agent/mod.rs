//! `bulla agent`: a process in the background that holds what was opened, for a time, so that a
//! passphrase or a touch is asked for once a day and not once a command.

mod client;
mod held;
mod messages;
mod place;
mod server;
mod span;

pub use client::Client;

use super::failure::{Failure, Outcome, Status, note};
use super::{Context, output};
use clap::{Args, Subcommand};
use messages::StatusResponse;
use place::Place;
use span::Span;

/// Hold opened keys for a time, so that a passphrase or a touch is asked for once
///
/// What you unlock by passphrase on your terminal, and the data keys that a plugin, a smart card
/// or gpg opened, are held in memory by a process of your own. Other commands ask it before they
/// ask you, once it runs. Nothing of it is ever written to a disk.
#[derive(Args)]
pub struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start an agent
    Start(Start),
    /// End the agent, and with it all that it holds
    Stop,
    /// Show what the agent holds, and for how long
    Status,
    /// Have the agent forget everything that it holds
    Lock,
    /// Have the agent forget what it holds for some keys
    Forget(Forget),
}

/// The arguments of `bulla agent start`.
#[derive(Args, Clone)]
pub(super) struct Start {
    /// How long something is held: 90s, 30m, 8h, 1d.
    #[arg(long, value_name = "TIME", default_value = "8h")]
    lifetime: Span,
    /// Stay in the foreground.
    #[arg(long)]
    foreground: bool,
    /// Leave the terminal; what the background process is started with.
    #[arg(long, hide = true)]
    detached: bool,
}

/// The arguments of `bulla agent forget`.
#[derive(Args)]
struct Forget {
    /// Keys by their ids, or identity files by their paths.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// Where no agent runs, or none can be started.
    pub fn run(self, context: &Context) -> Outcome {
        let place = Place::of(&context.environment)?;
        match self.action {
            Action::Start(start) => server::start(context, &place, &start),
            Action::Stop => {
                running(context, place)?.stop()?;
                note("the agent has ended");
                Ok(())
            }
            Action::Status => show(&running(context, place)?.status()?),
            Action::Lock => {
                forgotten(running(context, place)?.lock()?);
                Ok(())
            }
            Action::Forget(forget) => {
                let client = running(context, place)?;
                for key in &forget.keys {
                    if client.forget(key)? == 0 {
                        let message = format!("the agent holds nothing for {key:?}");
                        return Err(Failure::new(Status::General, message)
                            .hint("`bulla agent status` lists what it holds"));
                    }
                }
                Ok(())
            }
        }
    }
}

/// The agent that runs at `place`.
fn running(context: &Context, place: Place) -> Outcome<Client<'_>> {
    let client = Client::at(context, place)?;
    client.status()?;
    Ok(client)
}

fn forgotten(count: u32) {
    match count {
        0 => note("the agent held nothing"),
        1 => note("the agent has forgotten what it held"),
        count => note(format_args!(
            "the agent has forgotten all {count} things that it held"
        )),
    }
}

fn show(status: &StatusResponse) -> Outcome {
    let mut text = format!("process: {}\n", status.pid);
    text += &format!("lifetime: {}\n", Span::of_seconds(status.lifetime));
    let memory = if status.locked_memory {
        "locked, never swapped"
    } else {
        "may be swapped (the system allows too little locked memory: ulimit -l)"
    };
    text += &format!("memory: {memory}\n");
    if status.entries.is_empty() {
        text += "holds: nothing\n";
    }
    for entry in &status.entries {
        let left = Span::of_seconds(entry.seconds_left);
        text += &format!("holds: {} ({}), for {left}\n", entry.id, entry.what);
    }
    output::stdout(text.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))
}
