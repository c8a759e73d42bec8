//! Rules: what an adapter must keep, each with a stable id, a reason and a source.

use serde::Serialize;

use crate::Profile;

/// How binding a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An adapter that breaks it is not to be trusted with logins.
    Must,
    /// An adapter that breaks it has a reason, and says so with a waiver.
    Should,
}

/// What an adapter runs in, and rarely tries: the parts of the environment matrix that a rule may
/// depend on.
///
/// The matrix runs the rules that name an environment in it, and the whole catalogue on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// A pool of one connection: a call that takes a second one waits for itself. Rules about
    /// transactions, dropped calls and races name it.
    PoolOfOne,
    /// A session or a process far from UTC: an instant is stored or compared as local time. Rules
    /// about instants and ends name it.
    TimeZone,
    /// A database whose transactions begin stricter than the adapter expects: calls fail that would
    /// have waited. Rules about transactions, races and batches name it.
    Isolation,
    /// A database that sorts and compares texts as people do: ids that differ in case or accents
    /// are one. Rules about order, and about ids that are alike, name it.
    Collation,
    /// A port behind a reference, a box or an `Arc`: a call that reaches another method. The rule
    /// of each port that makes every call names it.
    Holder,
}

impl Environment {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::PoolOfOne,
        Self::TimeZone,
        Self::Isolation,
        Self::Collation,
        Self::Holder,
    ];
}

/// One sentence that an adapter keeps.
///
/// Made by [`#[rule]`](crate::rule) from a function's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `port::subject::behaviour`; never changed and never used again.
    pub id: &'static str,
    /// The profile of its port: what [`Suite::of_profile`](crate::Suite::of_profile) says.
    pub profile: Profile,
    /// How binding it is.
    pub level: Level,
    /// What a target must claim for the rule to apply; `None` for what every adapter of the port
    /// can do.
    pub capability: Option<&'static str>,
    /// Whether it applies where the capability is disclaimed, instead of where it is claimed.
    pub disclaimed: bool,
    /// The environments that could break it on an adapter that keeps it elsewhere.
    pub environments: &'static [Environment],
    /// What holds.
    pub text: &'static str,
    /// What happens to somebody when it does not.
    pub why: &'static str,
    /// Where it comes from: what broke where, or which decision of the contract.
    pub source: &'static str,
}

impl Rule {
    /// The port that it belongs to.
    #[must_use]
    pub fn port(&self) -> &'static str {
        self.id.split("::").next().unwrap_or(self.id)
    }

    /// Whether it runs before all others of its port, which are not run when it is broken.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.id.split("::").nth(1) == Some("preflight")
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// The published form of a rule.
        #[derive(Serialize)]
        struct Published<'a> {
            id: &'a str,
            port: &'a str,
            profile: Profile,
            level: Level,
            text: &'a str,
            why: &'a str,
            source: &'a str,
            capability: Option<&'a str>,
            disclaimed: bool,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            environments: &'a [Environment],
        }
        Published {
            id: self.id,
            port: self.port(),
            profile: self.profile,
            level: self.level,
            text: self.text,
            why: self.why,
            source: self.source,
            capability: self.capability,
            disclaimed: self.disclaimed,
            environments: self.environments,
        }
        .serialize(serializer)
    }
}
