//! Targets: adapters under test, as their authors describe them.

use std::{collections::BTreeSet, error::Error};

use portproof_ports::Ports;

use crate::{Profile, Stores, Suite};

/// What opening a store answers; the error is shown to whoever runs the suites.
pub type Opened<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The hooks that a target may have, which rules can ask for like any capability.
pub const HOOKS: [&str; 2] = ["reopen", "dump"];

/// An adapter under test.
///
/// ```
/// # extern crate portproof_kit as portproof;
/// use portproof::{Manifest, Opened, Profile, Target, async_trait};
/// use portproof_memory::MemoryAdapter;
/// use portproof_ports::Ports;
///
/// struct Memory;
///
/// #[async_trait]
/// impl Target for Memory {
///     fn manifest(&self) -> Manifest {
///         Manifest::new("memory")
///             .lacks("reopen", "it ends with its process")
///             .lacks("dump", "it keeps nothing outside its process")
///             .profiles(Profile::ALL)
///     }
///
///     async fn open(&self) -> Opened<Ports> {
///         Ok(MemoryAdapter::new().ports())
///     }
/// }
/// ```
#[async_trait::async_trait]
pub trait Target<S: Stores = Ports>: Send + Sync + 'static {
    /// What the adapter claims: static data, so that listing the rules opens no store.
    fn manifest(&self) -> Manifest;

    /// Opens the store that the cases run on. It need not be empty; each case keeps to tenants of
    /// its own.
    async fn open(&self) -> Opened<S>;

    /// A second handle on the same store, as another process of an engine would have it; races and
    /// checks alternate between the two. Without one of its own, a target gives the first again.
    async fn second(&self, first: &S) -> Opened<S> {
        Ok(first.clone())
    }

    /// Opens the same store anew, as after a restart: the hook `reopen`.
    async fn reopen(&self) -> Option<Opened<S>> {
        None
    }

    /// Everything that the backend keeps, as bytes, to look for what must not be there: the hook
    /// `dump`.
    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        None
    }
}

/// What a target claims, written negatively: everything of the core but what it lists, and of the
/// profiles that it adds.
///
/// So a new rule applies to every adapter until its author has looked at it. A target may lack
/// whole ports, the hooks in [`HOOKS`], and the capabilities that rules name; what else a port's
/// rules ask for is what makes it that port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    adapter: String,
    profiles: BTreeSet<Profile>,
    lacks: Vec<(String, String)>,
    waives: Vec<(String, String)>,
}

impl Manifest {
    /// Claims everything of the core for the adapter of this name.
    #[must_use]
    pub fn new(adapter: impl Into<String>) -> Self {
        Self {
            adapter: adapter.into(),
            profiles: BTreeSet::from([Profile::Core]),
            lacks: Vec::new(),
            waives: Vec::new(),
        }
    }

    /// Claims a further profile, with all its ports. A port of a profile that is not claimed must
    /// not be offered.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profiles.insert(profile);
        self
    }

    /// Claims further profiles; all there are, with [`Profile::ALL`].
    #[must_use]
    pub fn profiles(mut self, profiles: impl IntoIterator<Item = Profile>) -> Self {
        self.profiles.extend(profiles);
        self
    }

    /// Disclaims a port, a hook or a capability, for a reason. Its rules are shown as not claimed,
    /// and what is disclaimed must be refused.
    #[must_use]
    pub fn lacks(mut self, what: impl Into<String>, reason: impl Into<String>) -> Self {
        self.lacks.push((what.into(), reason.into()));
        self
    }

    /// Admits that the adapter breaks a rule, for a reason. The rule is checked all the same, and
    /// must be broken: a waiver that is not needed any more is an error.
    #[must_use]
    pub fn waives(mut self, rule: impl Into<String>, reason: impl Into<String>) -> Self {
        self.waives.push((rule.into(), reason.into()));
        self
    }

    /// The same claims, for an adapter of another name.
    #[must_use]
    pub fn renamed(mut self, adapter: impl Into<String>) -> Self {
        self.adapter = adapter.into();
        self
    }

    /// The adapter's name.
    #[must_use]
    pub fn adapter(&self) -> &str {
        &self.adapter
    }

    /// Whether the target claims this profile.
    #[must_use]
    pub fn claims(&self, profile: Profile) -> bool {
        self.profiles.contains(&profile)
    }

    /// Why the target lacks this, if it does.
    #[must_use]
    pub fn reason_for_lacking(&self, what: &str) -> Option<&str> {
        reason(&self.lacks, what)
    }

    /// Why the target may break this rule, if it may.
    #[must_use]
    pub fn waiver(&self, rule: &str) -> Option<&str> {
        reason(&self.waives, rule)
    }

    /// What is disclaimed, with the reasons.
    pub fn disclaimed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lacks.iter().map(|(what, why)| (&**what, &**why))
    }

    /// What is wrong with the manifest itself, for these suites.
    #[must_use]
    pub fn problems<S>(&self, suites: &[Suite<S>]) -> Vec<String> {
        let rules = || {
            suites
                .iter()
                .flat_map(|suite| &suite.cases)
                .map(|case| &case.rule)
        };
        let ports = suites.iter().map(|suite| suite.port);
        let capabilities: BTreeSet<&str> = ports
            .chain(HOOKS)
            .chain(rules().filter_map(|rule| rule.capability))
            .collect();
        let ids: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
        let mut problems = Vec::new();
        if self.adapter.trim().is_empty() {
            problems.push("the adapter has no name".to_owned());
        }
        check_entries(
            &self.lacks,
            &capabilities,
            "lacks",
            "not something to lack",
            &mut problems,
        );
        check_entries(&self.waives, &ids, "waives", "not a rule", &mut problems);
        problems
    }
}

fn reason<'a>(entries: &'a [(String, String)], what: &str) -> Option<&'a str> {
    entries
        .iter()
        .find(|(entry, _)| entry == what)
        .map(|(_, why)| &**why)
}

fn check_entries(
    entries: &[(String, String)],
    known: &BTreeSet<&str>,
    verb: &str,
    unknown: &str,
    problems: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for (what, why) in entries {
        if !known.contains(&**what) {
            problems.push(format!("it {verb} {what:?}, which is {unknown}"));
        }
        if why.trim().is_empty() {
            problems.push(format!("it {verb} {what:?} without a reason"));
        }
        if !seen.insert(what) {
            problems.push(format!("it {verb} {what:?} twice"));
        }
    }
}
