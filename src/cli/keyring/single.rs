//! One key on its own, as a key service is asked for it: no file, no groups, no other keys.

use super::Keyring;
use crate::cli::plugins::PathPlugins;
use crate::cli::prompt::Terminal;
use crate::keys::{Gpg, MasterKey, Prompt, Unlocker, UnwrapError};
use zeroize::Zeroizing;

/// Where nobody is asked.
struct Nobody;

impl Prompt for Nobody {
    fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
        None
    }
}

impl Keyring<'_> {
    /// From now on an identity opens nothing but what is for its own recipient.
    pub fn only_own(&mut self) {
        self.identities.only_own();
    }

    /// What is wrapped for one key of this machine. Where this process may not ask (`asks`), the
    /// programs that it runs still may.
    ///
    /// # Errors
    /// Everything that was tried in vain.
    pub fn part(
        &mut self,
        key: &dyn MasterKey,
        gpg: &mut dyn Gpg,
        asks: bool,
    ) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        self.ask_commands_for(std::iter::once(key));
        let environment = &self.context.environment;
        let (mut terminal, mut nobody) = (Terminal::new(environment), Nobody);
        let prompt: &mut dyn Prompt = if asks { &mut terminal } else { &mut nobody };
        let part = key.unwrap(&mut Unlocker {
            gpg: Some(gpg),
            plugins: Some(&mut PathPlugins::new(environment)),
            prompt: Some(prompt),
            ..Unlocker::new(&mut self.identities)
        });
        // nobody beside this process is to hold them
        drop(self.identities.take_unlocked());
        part
    }

    /// As [`Keyring::part`], by what is open already.
    pub fn part_silently(&mut self, key: &dyn MasterKey) -> Option<Zeroizing<Vec<u8>>> {
        let part = key.unwrap(&mut Unlocker::new(&mut self.identities));
        part.ok()
    }

    /// Whether an identity stayed shut for an answer that was wrong, or that nobody gave: whoever
    /// makes a new ring is asked again.
    pub fn may_ask_again(&self) -> bool {
        use crate::keys::age::IdentityProblem;
        let mut problems = self.identities.problems().iter();
        problems.any(|(_, problem)| {
            matches!(
                problem,
                IdentityProblem::WrongPassphrase | IdentityProblem::NoPassphrase
            )
        })
    }
}
