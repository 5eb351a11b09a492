//! The client's side of age plugins, version 1 (c2sp.org/age-plugin): programs that wrap and
//! unwrap file keys for recipients `age1NAME1…` and identities `AGE-PLUGIN-NAME-1…`.
//!
//! Starting a program is the caller's business, see [`Plugins`]; here is what is said to it. It
//! is given a file key or a stanza, never a data key, and trusted with neither time nor memory.

use super::super::Prompt;
use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza, is_arbitrary_string};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use zeroize::Zeroizing;

/// More bytes than a plugin needs to say in one run.
const MAX_SAID: usize = 4 << 20;

/// More characters than anybody reads of a message.
const MAX_MESSAGE: usize = 4_000;

/// Characters of a full line of a stanza's body.
const LINE: usize = 64;

/// The programs that are age plugins.
pub trait Plugins {
    /// Starts `program` (`age-plugin-NAME`) with `argument`; `None` where there is none of that
    /// name. The name is only letters, digits and `+-._`.
    ///
    /// # Errors
    /// Where it cannot be started.
    fn start(&mut self, program: &str, argument: &str) -> io::Result<Option<Box<dyn Plugin>>>;
}

/// A plugin that runs: reading is what it writes, writing what it reads. It ends when dropped.
pub trait Plugin: Read + Write {
    /// Waits for its end, and says how it ended and what it complained of.
    fn end(&mut self) -> String;
}

/// Why a plugin did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// It is not installed.
    #[error("{program} is not installed: it is in no directory of PATH")]
    NotFound {
        /// The program's name.
        program: String,
    },
    /// It cannot be started.
    #[error("cannot run {program}: {why}")]
    Start {
        /// The program's name.
        program: String,
        /// The system's reason.
        why: String,
    },
    /// It ended in the middle.
    #[error("{program} ended before its work was done: {how}")]
    Ended {
        /// The program's name.
        program: String,
        /// Its status, and what it complained of.
        how: String,
    },
    /// It says what the protocol does not know.
    #[error("{program} does not follow the plugin protocol: {what}")]
    Protocol {
        /// The program's name.
        program: String,
        /// What is wrong.
        what: &'static str,
    },
    /// It said why not.
    #[error("{program}: {messages}")]
    Refused {
        /// The program's name.
        program: String,
        /// Its messages.
        messages: String,
    },
}

impl PluginError {
    /// What can be done about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { program } => Some(format!(
                "install {program}: it must stand under that name in an absolute directory of PATH"
            )),
            _ => None,
        }
    }
}

/// What a plugin may use: programs, and somebody to ask.
pub(super) struct Host<'a> {
    pub(super) plugins: &'a mut dyn Plugins,
    pub(super) prompt: &'a mut dyn Prompt,
}

/// True for a name that is a part of a file's name, and of nothing else.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
    !name.is_empty() && !name.starts_with(['-', '.']) && name.bytes().all(allowed)
}

/// A recipient for as long as it takes to encrypt to it.
pub(super) struct Recipient<'t, 'h> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
    pub(super) host: RefCell<Host<'h>>,
}

impl age::Recipient for Recipient<'_, '_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let mut host = self.host.borrow_mut();
        let wrapped = Talk::start(self.name, "recipient-v1", &mut host)
            .and_then(|mut talk| talk.wrap(self.text, key));
        wrapped.map_err(|error| EncryptError::Io(io::Error::other(error)))
    }
}

/// An identity for as long as it takes to decrypt with it.
pub(super) struct Identity<'t, 'h> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
    pub(super) host: RefCell<Host<'h>>,
}

impl age::Identity for Identity<'_, '_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let mut host = self.host.borrow_mut();
        let unwrapped = Talk::start(self.name, "identity-v1", &mut host)
            .and_then(|mut talk| talk.unwrap(self.text, stanzas));
        let unwrapped = unwrapped.map_err(|error| DecryptError::Io(io::Error::other(error)));
        unwrapped.transpose()
    }
}

/// What a plugin says: a stanza, whose body may be a key.
struct Command {
    tag: String,
    args: Vec<String>,
    body: Zeroizing<Vec<u8>>,
}

/// A talk with a plugin.
struct Talk<'a> {
    program: String,
    plugin: BufReader<Box<dyn Plugin>>,
    prompt: &'a mut dyn Prompt,
    said: usize,
}

impl<'a> Talk<'a> {
    fn start(name: &str, machine: &str, host: &'a mut Host<'_>) -> Result<Self, PluginError> {
        let program = format!("age-plugin-{name}");
        let argument = format!("--age-plugin={machine}");
        match host.plugins.start(&program, &argument) {
            Ok(Some(plugin)) => Ok(Self {
                program,
                plugin: BufReader::new(plugin),
                prompt: host.prompt,
                said: 0,
            }),
            Ok(None) => Err(PluginError::NotFound { program }),
            Err(error) => {
                let why = error.to_string();
                Err(PluginError::Start { program, why })
            }
        }
    }

    fn wrap(
        &mut self,
        recipient: &str,
        key: &FileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), PluginError> {
        self.send("add-recipient", &[recipient], b"")?;
        self.send("extension-labels", &[], b"")?;
        self.send("wrap-file-key", &[], key.expose_secret())?;
        self.send("done", &[], b"")?;
        let mut stanzas = Vec::new();
        let mut labels = None;
        let errors = self.serve(&mut |command| match command.tag.as_str() {
            "recipient-stanza" => {
                let [index, tag, args @ ..] = &command.args[..] else {
                    return Err("a stanza without a type");
                };
                if index != "0" {
                    return Err("a stanza for a file that it was not given");
                }
                stanzas.push(Stanza {
                    tag: tag.clone(),
                    args: args.to_vec(),
                    body: command.body.to_vec(),
                });
                Ok(true)
            }
            "labels" => {
                let set: HashSet<String> = command.args.iter().cloned().collect();
                if set.len() < command.args.len() || labels.replace(set).is_some() {
                    return Err("the same labels twice");
                }
                Ok(true)
            }
            _ => Ok(false),
        })?;
        if !errors.is_empty() {
            return Err(self.refused(&errors));
        }
        if stanzas.is_empty() {
            return Err(self.broken("it wrapped nothing"));
        }
        Ok((stanzas, labels.unwrap_or_default()))
    }

    fn unwrap(
        &mut self,
        identity: &str,
        stanzas: &[Stanza],
    ) -> Result<Option<FileKey>, PluginError> {
        self.send("add-identity", &[identity], b"")?;
        for stanza in stanzas {
            let mut args = vec!["0", stanza.tag.as_str()];
            args.extend(stanza.args.iter().map(String::as_str));
            self.send("recipient-stanza", &args, &stanza.body)?;
        }
        self.send("done", &[], b"")?;
        let mut key = None;
        let errors = self.serve(&mut |command| {
            if command.tag != "file-key" {
                return Ok(false);
            }
            let bytes = <&[u8; FILE_KEY_BYTES]>::try_from(&command.body[..]);
            let bytes = bytes.map_err(|_| "a file key of another length than 16 bytes")?;
            if command.args != ["0"] || key.is_some() {
                return Err("a file key for a file that it was not given");
            }
            key = Some(FileKey::init_with_mut(|place| place.copy_from_slice(bytes)));
            Ok(true)
        })?;
        if key.is_none() && !errors.is_empty() {
            return Err(self.refused(&errors));
        }
        Ok(key)
    }

    /// Answers the plugin until it is done; what it says besides goes to `own`, which says
    /// whether it knows that. Returns its errors.
    fn serve(
        &mut self,
        own: &mut dyn FnMut(&Command) -> Result<bool, &'static str>,
    ) -> Result<Vec<String>, PluginError> {
        let mut errors = Vec::new();
        loop {
            let command = self.receive()?;
            match command.tag.as_str() {
                "done" => return Ok(errors),
                "msg" => {
                    let shown = self
                        .prompt
                        .message(&self.program, &printable(&command.body));
                    self.answer(shown.then_some(Zeroizing::default()))?;
                }
                "request-public" | "request-secret" => self.ask(&command)?,
                "confirm" => self.confirm(&command)?,
                "error" => {
                    errors.push(printable(&command.body));
                    self.answer(Some(Zeroizing::default()))?;
                }
                _ => match own(&command) {
                    Ok(true) => self.answer(Some(Zeroizing::default()))?,
                    Ok(false) => self.send("unsupported", &[], b"")?,
                    Err(what) => return Err(self.broken(what)),
                },
            }
        }
    }

    fn ask(&mut self, command: &Command) -> Result<(), PluginError> {
        let question = printable(&command.body);
        let answer = if command.tag == "request-secret" {
            self.prompt.secret(&self.program, &question)
        } else {
            self.prompt.line(&self.program, &question)
        };
        self.answer(answer)
    }

    fn confirm(&mut self, command: &Command) -> Result<(), PluginError> {
        let label = |text: &String| BASE64_STANDARD_NO_PAD.decode(text).map(|t| printable(&t));
        let labels: Result<Vec<String>, _> = command.args.iter().map(label).collect();
        let (yes, no) = match labels.as_deref() {
            Ok([yes]) => (yes, None),
            Ok([yes, no]) => (yes, Some(no.as_str())),
            _ => return Err(self.broken("a question without labels for its answers")),
        };
        let question = printable(&command.body);
        match self.prompt.choose(&self.program, &question, yes, no) {
            Some(true) => self.send("ok", &["yes"], b""),
            Some(false) => self.send("ok", &["no"], b""),
            None => self.send("fail", &[], b""),
        }
    }

    /// `ok` with what was answered, else `fail`.
    fn answer(&mut self, answer: Option<Zeroizing<String>>) -> Result<(), PluginError> {
        match answer {
            Some(text) => self.send("ok", &[], text.as_bytes()),
            None => self.send("fail", &[], b""),
        }
    }

    fn send(&mut self, tag: &str, args: &[&str], body: &[u8]) -> Result<(), PluginError> {
        // Room for all of it at once: a text that grows leaves copies behind.
        let words: usize = args.iter().map(|arg| arg.len() + 1).sum();
        let mut text = Zeroizing::new(String::with_capacity(
            tag.len() + words + body.len() * 2 + 8,
        ));
        text.push_str("-> ");
        text.push_str(tag);
        for arg in args {
            text.push(' ');
            text.push_str(arg);
        }
        text.push('\n');
        let encoded = Zeroizing::new(BASE64_STANDARD_NO_PAD.encode(body));
        let mut lines = encoded.as_bytes().chunks_exact(LINE);
        for line in &mut lines {
            text.extend(line.iter().map(|&b| char::from(b)));
            text.push('\n');
        }
        text.extend(lines.remainder().iter().map(|&b| char::from(b)));
        text.push('\n');
        let plugin = self.plugin.get_mut();
        let sent = plugin.write_all(text.as_bytes());
        sent.and_then(|()| plugin.flush()).map_err(|_| self.ended())
    }

    fn receive(&mut self) -> Result<Command, PluginError> {
        let head = self.read_line()?;
        let mut words = match std::str::from_utf8(&head).map(|head| head.strip_prefix("-> ")) {
            Ok(Some(words)) => words.split(' ').map(str::to_owned),
            _ => return Err(self.broken("a line that begins no stanza")),
        };
        let tag = words.next().unwrap_or_default();
        let args: Vec<String> = words.collect();
        if !is_arbitrary_string(&tag) || !args.iter().all(is_arbitrary_string) {
            return Err(self.broken("a stanza with an empty or unprintable word"));
        }
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let line = self.read_line()?;
            let bytes = BASE64_STANDARD_NO_PAD.decode(&*line).map(Zeroizing::new);
            let bytes = bytes.map_err(|_| self.broken("a body that is not base64"))?;
            let mut longer = Zeroizing::new(Vec::with_capacity(body.len() + bytes.len()));
            longer.extend_from_slice(&body);
            longer.extend_from_slice(&bytes);
            body = longer;
            match line.len() {
                LINE => {}
                0..LINE => return Ok(Command { tag, args, body }),
                _ => return Err(self.broken("a body with a line of more than 64 characters")),
            }
        }
    }

    /// The next line without its end.
    fn read_line(&mut self) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        let mut line = Zeroizing::new(Vec::with_capacity(256));
        let rest = (MAX_SAID - self.said) as u64;
        let read = (&mut self.plugin).take(rest).read_until(b'\n', &mut line);
        self.said += line.len();
        match read {
            Ok(_) if line.last() == Some(&b'\n') => {
                line.pop();
                Ok(line)
            }
            Ok(_) if self.said >= MAX_SAID => Err(self.broken("it says more than 4 MiB")),
            _ => Err(self.ended()),
        }
    }

    fn ended(&mut self) -> PluginError {
        let how = self.plugin.get_mut().end();
        PluginError::Ended {
            program: self.program.clone(),
            how: printable(how.as_bytes()),
        }
    }

    fn broken(&self, what: &'static str) -> PluginError {
        let program = self.program.clone();
        PluginError::Protocol { program, what }
    }

    fn refused(&self, errors: &[String]) -> PluginError {
        let program = self.program.clone();
        let messages = errors.join("; ");
        PluginError::Refused { program, messages }
    }
}

/// What a plugin says, without what could steer a terminal, and cut where nobody reads on.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown = text.trim_end().chars().take(MAX_MESSAGE);
    shown
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::{Identity as _, Recipient as _};
    use proptest::prelude::*;
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    /// A plugin that says what it was told to, whatever it hears, and writes that down.
    struct Script {
        says: Cursor<Vec<u8>>,
        hears: Arc<Mutex<Vec<u8>>>,
    }

    impl Read for Script {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.says.read(bytes)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.hears.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Plugin for Script {
        fn end(&mut self) -> String {
            "exit status: 3 (no\u{1b}[31m token)".to_owned()
        }
    }

    /// The only plugin there is, `age-plugin-x`, and somebody who answers its questions.
    struct World {
        says: Vec<u8>,
        hears: Arc<Mutex<Vec<u8>>>,
        told: Vec<String>,
    }

    impl Plugins for World {
        fn start(&mut self, program: &str, argument: &str) -> io::Result<Option<Box<dyn Plugin>>> {
            if program != "age-plugin-x" {
                return Ok(None);
            }
            assert!(["--age-plugin=recipient-v1", "--age-plugin=identity-v1"].contains(&argument));
            let hears = Arc::clone(&self.hears);
            let says = Cursor::new(self.says.clone());
            Ok(Some(Box::new(Script { says, hears })))
        }
    }

    #[derive(Default)]
    struct Answers(Vec<String>);

    impl Prompt for Answers {
        fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
            None
        }

        fn secret(&mut self, program: &str, question: &str) -> Option<Zeroizing<String>> {
            self.0.push(format!("{program} secret {question}"));
            Some(Zeroizing::new("1234".to_owned()))
        }

        fn choose(&mut self, _: &str, question: &str, yes: &str, no: Option<&str>) -> Option<bool> {
            self.0.push(format!("choose {question} {yes} {no:?}"));
            no.map(|_| false)
        }

        fn message(&mut self, _: &str, text: &str) -> bool {
            self.0.push(format!("message {text}"));
            true
        }
    }

    fn world(says: &str) -> World {
        World {
            says: says.as_bytes().to_vec(),
            hears: Arc::default(),
            told: Vec::new(),
        }
    }

    fn heard(world: &World) -> String {
        String::from_utf8(world.hears.lock().expect("lock").clone()).expect("text")
    }

    type Wrapped = (Vec<Stanza>, HashSet<String>);

    fn wrap(world: &mut World, name: &str) -> Result<Wrapped, PluginError> {
        let mut prompt = Answers::default();
        let host = Host {
            plugins: world,
            prompt: &mut prompt,
        };
        let recipient = Recipient {
            name,
            text: "age1x1recipient",
            host: RefCell::new(host),
        };
        let wrapped = recipient.wrap_file_key(&FileKey::init_with_mut(|key| key.fill(1)));
        world.told = prompt.0;
        wrapped.map_err(|error| match error {
            EncryptError::Io(error) => error.downcast().expect("a plugin's error"),
            error => panic!("{error}"),
        })
    }

    fn unwrap(world: &mut World) -> Option<Result<[u8; 16], PluginError>> {
        let mut prompt = Answers::default();
        let host = Host {
            plugins: world,
            prompt: &mut prompt,
        };
        let identity = Identity {
            name: "x",
            text: "AGE-PLUGIN-X-1IDENTITY",
            host: RefCell::new(host),
        };
        let stanzas = ["one", "two"].map(|tag| Stanza {
            tag: tag.to_owned(),
            args: vec!["arg".to_owned()],
            body: vec![2; 50],
        });
        let unwrapped = identity.unwrap_stanzas(&stanzas);
        world.told = prompt.0;
        Some(match unwrapped? {
            Ok(key) => Ok(*key.expose_secret()),
            Err(DecryptError::Io(error)) => Err(error.downcast().expect("a plugin's error")),
            Err(error) => panic!("{error}"),
        })
    }

    #[test]
    fn a_file_key_is_wrapped() {
        let mut world = world(
            "-> labels postquantum\n\n-> sing\n\n-> recipient-stanza 0 x a b\nAAEC\n-> done\n\n",
        );
        let (stanzas, labels) = wrap(&mut world, "x").expect("stanzas");
        let expected = Stanza {
            tag: "x".to_owned(),
            args: vec!["a".to_owned(), "b".to_owned()],
            body: vec![0, 1, 2],
        };
        assert_eq!(stanzas, [expected]);
        assert_eq!(labels, HashSet::from(["postquantum".to_owned()]));
        assert_eq!(
            heard(&world),
            "-> add-recipient age1x1recipient\n\n-> extension-labels\n\n\
             -> wrap-file-key\nAQEBAQEBAQEBAQEBAQEBAQ\n-> done\n\n\
             -> ok\n\n-> unsupported\n\n-> ok\n\n"
        );
    }

    #[test]
    fn a_file_key_is_unwrapped() {
        let mut world = world("-> file-key 0\nBwcHBwcHBwcHBwcHBwcHBw\n-> done\n\n");
        assert_eq!(unwrap(&mut world), Some(Ok([7; 16])));
        let line = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC\nAgI";
        assert_eq!(
            heard(&world),
            format!(
                "-> add-identity AGE-PLUGIN-X-1IDENTITY\n\n-> recipient-stanza 0 one arg\n{line}\n\
                 -> recipient-stanza 0 two arg\n{line}\n-> done\n\n-> ok\n\n"
            )
        );
        assert_eq!(unwrap(&mut self::world("-> done\n\n")), None);
    }

    #[test]
    fn questions_are_handed_on_without_what_steers_a_terminal() {
        // "PIN\x1b[31m?", "touch it", "sure?" with "yes" and "no", then with "fine" alone
        let mut world = world(
            "-> msg\ndG91Y2ggaXQ\n-> request-secret\nUElOG1szMW0/\n-> request-public\n\n\
             -> confirm eWVz bm8\nc3VyZT8\n-> confirm ZmluZQ\nc3VyZT8\n-> done\n\n",
        );
        assert_eq!(unwrap(&mut world), None);
        assert_eq!(
            world.told,
            [
                "message touch it",
                "age-plugin-x secret PIN\u{fffd}[31m?",
                "choose sure? yes Some(\"no\")",
                "choose sure? fine None"
            ]
        );
        let answers = "-> ok\n\n-> ok\nMTIzNA\n-> fail\n\n-> ok no\n\n-> fail\n\n";
        assert!(heard(&world).ends_with(answers));
    }

    #[test]
    fn what_a_plugin_refuses_is_said_in_its_words() {
        let says = "-> error internal\nbm8gdG9rZW4\n-> error recipient 0\nYmFk\n-> done\n\n";
        let error = wrap(&mut world(says), "x").unwrap_err();
        assert_eq!(error.to_string(), "age-plugin-x: no token; bad");
        let error = unwrap(&mut world(says)).expect("an answer").unwrap_err();
        assert_eq!(error.to_string(), "age-plugin-x: no token; bad");
    }

    #[test]
    fn a_plugin_that_is_missing_or_ends_is_said_so() {
        assert_eq!(
            wrap(&mut world(""), "y").unwrap_err().to_string(),
            "age-plugin-y is not installed: it is in no directory of PATH"
        );
        for says in ["", "-> recipient-stanza 0 x", "-> msg\nAAAA"] {
            assert_eq!(
                wrap(&mut world(says), "x").unwrap_err().to_string(),
                "age-plugin-x ended before its work was done: exit status: 3 (no\u{fffd}[31m token)"
            );
        }
    }

    #[test]
    fn what_the_protocol_does_not_know_is_refused() {
        let key = "-> file-key 0\nBwcHBwcHBwcHBwcHBwcHBw\n";
        for says in [
            "Usage: x\n",
            "->\n\n",
            "->  \n\n",
            "-> msg\nAB\n",
            "-> msg\nA A\n",
            "-> confirm\n\n",
            "-> confirm a b c\n\n",
            "-> file-key 1\nBwcHBwcHBwcHBwcHBwcHBw\n",
            "-> file-key 0\nBwcH\n",
            &format!("{key}{key}"),
            &format!("-> msg\n{}\n", "A".repeat(68)),
        ] {
            let error = unwrap(&mut world(says)).expect("an answer").unwrap_err();
            assert!(
                matches!(error, PluginError::Protocol { .. }),
                "{says} {error}"
            );
        }
        for says in [
            "-> done\n\n",
            "-> recipient-stanza 1 x\n\n",
            "-> recipient-stanza 0\n\n",
            "-> labels a a\n\n",
            "-> labels a\n\n-> labels b\n\n",
        ] {
            let error = wrap(&mut world(says), "x").unwrap_err();
            assert!(
                matches!(error, PluginError::Protocol { .. }),
                "{says} {error}"
            );
        }
    }

    #[test]
    fn a_plugin_that_never_stops_talking_is_stopped() {
        let song = format!("-> sing {}\n\n", "la".repeat(2_000)).repeat(1_200);
        for says in [song, "a".repeat(5 << 20)] {
            let error = unwrap(&mut world(&says)).expect("an answer").unwrap_err();
            assert!(
                error.to_string().ends_with("it says more than 4 MiB"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_name_is_a_part_of_a_file_name_and_nothing_else() {
        for name in ["yubikey", "x", "A-b_c.d+9"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "", ".", "..", "-x", ".x", "a/b", "a\\b", "a b", "é", "a\0", "a:b",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_plugin_says_makes_it_panic(
            says in "(-> (msg|done|error|confirm|file-key|labels|recipient-stanza)( [0-9A-Za-z]{0,3}){0,3}\n([A-Za-z]{0,66}\n){0,2}){0,5}",
            noise in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut world = world(&says);
            world.says.extend(noise);
            let _ = unwrap(&mut world);
            let _ = wrap(&mut world, "x");
        }
    }
}
