//! Profiles: which ports are useful together.

use std::fmt;

use serde::Serialize;

/// A named set of ports that an engine needs together.
///
/// A target claims [`Core`](Self::Core) and what its [`Manifest`](crate::Manifest) adds: whoever
/// has only the core ports need not know that there are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// Who there is, who is logged in, by what, and what they may do: what every engine needs.
    /// Ports that the kit has never heard of belong here, too.
    Core,
    /// What an authorization server needs besides.
    Oauth,
    /// What an engine of many customers needs: who they are, and who belongs where.
    Directory,
    /// What happened, and what has yet to be told to others.
    Audit,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 4] = [Self::Core, Self::Oauth, Self::Directory, Self::Audit];

    /// Its name, as rules and the command line spell it: `oauth`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Oauth => "oauth",
            Self::Directory => "directory",
            Self::Audit => "audit",
        }
    }

    /// The variant's name, as a manifest spells it.
    pub(crate) const fn variant(self) -> &'static str {
        match self {
            Self::Core => "Core",
            Self::Oauth => "Oauth",
            Self::Directory => "Directory",
            Self::Audit => "Audit",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
