//! A world so small that what is made up collides.

use std::{collections::BTreeMap, fmt};

use portproof_ports::{
    AttributeName, Counter, CredentialId, Document, Email, Expected, Identifier, IdentityId,
    Invalid, KeyId, LookupDigest, PageRequest, PasskeyBytes, PasswordHash, Phone, PolicyId,
    PrivateKey, ProviderId, ProviderSubject, RoleId, RuleId, Scope, SealedBytes, SessionDigest,
    Span, SubjectId, TenantId, Text, Timestamp, Username, Version,
};
use proptest::{
    collection, option,
    sample::select,
    strategy::{BoxedStrategy, Just, Strategy, Union},
};
use serde_json::json;

use crate::suites::fixture::minute;

/// How small a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many tenants.
    pub(crate) tenants: usize,
    /// How many ids of a kind, and how many other values.
    pub(crate) ids: usize,
    /// How many instants.
    pub(crate) instants: u16,
    /// Whether calls happen in turn. Then lists are walked page by page, and what need not be one
    /// step takes part, too.
    pub(crate) in_turn: bool,
}

impl Size {
    /// For calls in turn.
    pub(crate) const SEQUENCE: Self = Self {
        tenants: 2,
        ids: 3,
        instants: 6,
        in_turn: true,
    };
    /// For calls in turn that meet more often.
    pub(crate) const NARROW: Self = Self {
        tenants: 1,
        ids: 2,
        instants: 3,
        in_turn: true,
    };
    /// For calls at once: everybody wants the same.
    pub(crate) const RACE: Self = Self {
        tenants: 1,
        ids: 2,
        instants: 3,
        in_turn: false,
    };
}

/// What a small world has few of.
pub(crate) trait Few: Sized {
    /// All there are, the plainest first.
    fn few(size: Size) -> Vec<Self>;
}

/// What can be made up in a small world.
pub(crate) trait Small: Sized {
    /// One of them; shrinks to the plainest.
    fn small(size: Size) -> BoxedStrategy<Self>;
}

impl<T: Few + Clone + fmt::Debug + 'static> Small for T {
    fn small(size: Size) -> BoxedStrategy<Self> {
        select(Self::few(size)).boxed()
    }
}

impl<T: Small + Clone + fmt::Debug + 'static> Small for Option<T> {
    fn small(size: Size) -> BoxedStrategy<Self> {
        option::of(T::small(size)).boxed()
    }
}

impl<T: Small + Clone + fmt::Debug + 'static> Small for Vec<T> {
    fn small(size: Size) -> BoxedStrategy<Self> {
        collection::vec(T::small(size), 0..=3).boxed()
    }
}

impl<K, V> Small for BTreeMap<K, V>
where
    K: Small + Clone + Ord + fmt::Debug + 'static,
    V: Small + Clone + fmt::Debug + 'static,
{
    fn small(size: Size) -> BoxedStrategy<Self> {
        collection::btree_map(K::small(size), V::small(size), 0..=3).boxed()
    }
}

/// A struct or a variant, each field of which is made up: `small! { size; NewSession { id, data } }`.
macro_rules! small {
    ($size:expr; $($path:ident)::+ { $($field:ident),+ $(,)? }) => {{
        use ::proptest::strategy::Strategy as _;
        ($($crate::model::small::made($size, stringify!($field)),)+)
            .prop_map(|($($field,)+)| $($path)::+ { $($field),+ })
            .boxed()
    }};
}
pub(crate) use small;

/// The calls of a port, each as often as its weight says.
macro_rules! calls {
    ($size:expr; $($weight:literal $call:ident { $($argument:ident),+ $(,)? })+) => {
        $crate::model::small::one_of(vec![
            $(($weight, $crate::model::small::small! { $size; Self::$call { $($argument),+ } })),+
        ])
    };
}
pub(crate) use calls;

/// A field of [`small!`].
pub(super) fn made<T: Small>(size: Size, _field: &str) -> BoxedStrategy<T> {
    T::small(size)
}

/// A variant of one value, made up.
pub(super) fn of<T, U>(size: Size, variant: fn(T) -> U) -> BoxedStrategy<U>
where
    T: Small + fmt::Debug + 'static,
    U: fmt::Debug + 'static,
{
    T::small(size).prop_map(variant).boxed()
}

/// This value.
pub(super) fn just<T: Clone + fmt::Debug + 'static>(value: T) -> BoxedStrategy<T> {
    Just(value).boxed()
}

/// One of these, each as often as its weight says; shrinks to the first.
pub(super) fn one_of<T: fmt::Debug + 'static>(
    choices: Vec<(u32, BoxedStrategy<T>)>,
) -> BoxedStrategy<T> {
    Union::new_weighted(choices).boxed()
}

/// The first of these; that all are valid is a test of this file.
fn valid<T, V: Copy>(size: usize, values: &[V], make: impl Fn(V) -> Result<T, Invalid>) -> Vec<T> {
    let first = values.iter().take(size);
    first.filter_map(|value| make(*value).ok()).collect()
}

macro_rules! few_ids {
    ($($id:ident: $($text:literal)*;)*) => {$(
        impl Few for $id {
            fn few(size: Size) -> Vec<Self> {
                valid(size.ids, &[$($text),*], |text: &str| Self::new(text))
            }
        }
    )*};
}

// What a backend that folds case or trims takes for one.
few_ids! {
    IdentityId: "ada" "Ada" "ada ";
    CredentialId: "c" "C" "c ";
    KeyId: "k" "K" "k ";
    PolicyId: "p" "P" "p ";
    RuleId: "rule" "Rule" "rule ";
    RoleId: "r" "R" "r ";
    SubjectId: "s" "S" "s ";
    Scope: "org" "Org" "org ";
    AttributeName: "a" "A" "a ";
    ProviderId: "idp" "IdP" "idp ";
    ProviderSubject: "7" "07" "7 ";
    Text: "x" "X" "";
    Email: "ada@example.com" "ada@example.org" "a.da@example.com";
    Username: "ada" "a.da" "áda";
    Phone: "+46812345678" "+46812345679" "+4681234567";
}

macro_rules! few_digests {
    ($($digest:ident)*) => {$(
        impl Few for $digest {
            fn few(size: Size) -> Vec<Self> {
                let bearers = ["one", "two", "three"];
                let first = bearers.iter().take(size.ids);
                first.map(|bearer| Self::of(bearer.as_bytes())).collect()
            }
        }
    )*};
}
few_digests! { SessionDigest LookupDigest }

macro_rules! few_bytes {
    ($($bytes:ident)*) => {$(
        impl Few for $bytes {
            fn few(size: Size) -> Vec<Self> {
                let values: [&[u8]; 3] = [b"one", b"\x00\xff\x00", b"three"];
                valid(size.ids, &values, |bytes| Self::new(bytes.to_vec()))
            }
        }
    )*};
}
few_bytes! { PasskeyBytes PrivateKey SealedBytes }

impl Few for TenantId {
    fn few(size: Size) -> Vec<Self> {
        // These stand for the tenants that a run has; see `settle`.
        valid(size.tenants, &["first tenant", "second tenant"], |id| {
            Self::new(id)
        })
    }
}

impl Few for PasswordHash {
    fn few(size: Size) -> Vec<Self> {
        let phc = [
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$BBBB",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CCCC",
        ];
        valid(size.ids, &phc, |phc: &str| Self::new(phc))
    }
}

impl Few for Document {
    fn few(size: Size) -> Vec<Self> {
        let documents = [
            json!({}),
            json!({"level": 2, "tags": ["Ä", null]}),
            json!(null),
        ];
        let first = documents.into_iter().take(size.ids);
        first
            .filter_map(|document| Self::new(document).ok())
            .collect()
    }
}

impl Few for Identifier {
    fn few(size: Size) -> Vec<Self> {
        let size = Size {
            ids: size.ids.min(2),
            ..size
        };
        let mut all: Vec<_> = Email::few(size).into_iter().map(Self::Email).collect();
        all.extend(Username::few(size).into_iter().map(Self::Username));
        if size.in_turn {
            all.extend(Phone::few(size).into_iter().take(1).map(Self::Phone));
            for provider in ProviderId::few(size) {
                for subject in ProviderSubject::few(size) {
                    let provider = provider.clone();
                    all.push(Self::Federated { provider, subject });
                }
            }
        }
        all
    }
}

impl Few for Timestamp {
    fn few(size: Size) -> Vec<Self> {
        (0..size.instants).map(minute).collect()
    }
}

impl Few for Span {
    fn few(_: Size) -> Vec<Self> {
        vec![Self::minutes(2), Self::minutes(1)]
    }
}

impl Few for Version {
    fn few(size: Size) -> Vec<Self> {
        valid(size.ids, &[1, 2, 3], Self::new)
    }
}

impl Few for Counter {
    fn few(_: Size) -> Vec<Self> {
        valid(4, &[1, 2, 3, 0], Self::new)
    }
}

impl Few for PageRequest {
    fn few(size: Size) -> Vec<Self> {
        let limits: &[u16] = if size.in_turn { &[1, 2, 1000] } else { &[1000] };
        valid(limits.len(), limits, Self::first)
    }
}

/// Requests for first pages, of one size after the other, without end.
pub(super) fn pages(size: Size) -> impl Iterator<Item = PageRequest> {
    PageRequest::few(size).into_iter().cycle()
}

/// How many at most: always more than there are, since which of them goes is nobody's contract.
impl Few for u32 {
    fn few(_: Size) -> Vec<Self> {
        vec![1000]
    }
}

impl Few for i64 {
    fn few(_: Size) -> Vec<Self> {
        vec![0, -1, Self::MAX]
    }
}

impl Small for Expected {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, just(Self::Anything)),
            (1, just(Self::Absent)),
            (2, of(size, Self::Version)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_three<T: Few>() {
        assert_eq!(
            T::few(Size::SEQUENCE).len(),
            3,
            "{}",
            std::any::type_name::<T>()
        );
    }

    #[test]
    fn everything_in_the_small_world_is_valid() {
        has_three::<IdentityId>();
        has_three::<CredentialId>();
        has_three::<KeyId>();
        has_three::<PolicyId>();
        has_three::<RuleId>();
        has_three::<RoleId>();
        has_three::<SubjectId>();
        has_three::<Scope>();
        has_three::<AttributeName>();
        has_three::<ProviderId>();
        has_three::<ProviderSubject>();
        has_three::<Text>();
        has_three::<Email>();
        has_three::<Username>();
        has_three::<Phone>();
        has_three::<SessionDigest>();
        has_three::<LookupDigest>();
        has_three::<PasskeyBytes>();
        has_three::<PrivateKey>();
        has_three::<SealedBytes>();
        has_three::<PasswordHash>();
        has_three::<Document>();
        has_three::<Version>();
        has_three::<PageRequest>();
        assert_eq!(TenantId::few(Size::SEQUENCE).len(), 2);
        assert_eq!(Identifier::few(Size::SEQUENCE).len(), 9);
        assert_eq!(Counter::few(Size::SEQUENCE).len(), 4);
    }
}
