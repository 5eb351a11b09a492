//! Another user of this system: who it is, and becoming it, for good.

use super::failure::{Failure, Outcome, Status};
use std::ffi::OsString;
use std::path::PathBuf;

/// A user of this system.
pub struct User {
    name: String,
    home: PathBuf,
    #[cfg(unix)]
    id: nix::unistd::Uid,
    #[cfg(unix)]
    group: nix::unistd::Gid,
}

impl User {
    /// The variables that tell programs whose they are.
    pub fn variables(&self) -> [(&'static str, OsString); 3] {
        [
            ("HOME", self.home.clone().into()),
            ("USER", self.name.clone().into()),
            ("LOGNAME", self.name.clone().into()),
        ]
    }
}

#[cfg(unix)]
impl User {
    /// The user called `name`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(name: &str) -> Outcome<Self> {
        let found = nix::unistd::User::from_name(name).map_err(|error| failure(name, error))?;
        let found = found.ok_or_else(|| failure(name, "there is no such user"))?;
        Ok(Self {
            name: found.name,
            home: found.dir,
            id: found.uid,
            group: found.gid,
        })
    }

    /// Makes this process one of the user's: groups first, then group, then user, after which
    /// there is no way back.
    ///
    /// # Errors
    /// Where this process may not, as a rule because it is not root's.
    #[cfg(not(target_vendor = "apple"))]
    pub fn assume(&self) -> Outcome {
        use nix::unistd::{getegid, geteuid, getgrouplist, setgid, setgroups, setuid};
        let failed = |error: nix::Error| {
            failure(&self.name, error).hint("only root may run commands as another user")
        };
        let name = std::ffi::CString::new(self.name.as_str());
        let name = name.map_err(|error| failure(&self.name, error))?;
        let groups = getgrouplist(&name, self.group).map_err(failed)?;
        setgroups(&groups).map_err(failed)?;
        setgid(self.group).map_err(failed)?;
        setuid(self.id).map_err(failed)?;
        super::process::harden_again();
        let is_so = geteuid() == self.id && getegid() == self.group;
        let regains_root = !self.id.is_root() && setuid(nix::unistd::ROOT).is_ok();
        if !is_so || regains_root {
            return Err(failure(&self.name, "the system did not give up root"));
        }
        Ok(())
    }

    /// There is no call for it there that is safe.
    #[cfg(target_vendor = "apple")]
    pub fn assume(&self) -> Outcome {
        let _ = (self.id, self.group);
        Err(failure(&self.name, "--user does not work on this system"))
    }
}

#[cfg(not(unix))]
impl User {
    /// There is no such thing.
    ///
    /// # Errors
    /// Always.
    pub fn find(name: &str) -> Outcome<Self> {
        Err(failure(name, "--user does not work on this system"))
    }

    /// There is no such thing.
    ///
    /// # Errors
    /// Always.
    pub fn assume(&self) -> Outcome {
        Err(failure(&self.name, "--user does not work on this system"))
    }
}

fn failure(name: &str, problem: impl std::fmt::Display) -> Failure {
    let message = format!("cannot become the user {name}: {problem}");
    Failure::new(Status::General, message)
}
