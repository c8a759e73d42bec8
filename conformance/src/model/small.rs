//! A world so small that what is made up collides.

use std::{collections::BTreeMap, fmt};

use portproof_ports::{
    AttributeName, ClientId, CodeDigest, CodeKind, Counter, CredentialId, Document, Email,
    EntityId, EntityKind, EventId, EventKind, Expected, FamilyId, Identifier, IdentityId, Invalid,
    InvitationDigest, ItemId, ItemKind, KeyId, LookupDigest, ObjectId, ObjectType, OrganizationId,
    PageRequest, PasskeyBytes, PasswordHash, Phone, PolicyId, PrivateKey, ProviderId,
    ProviderSubject, RefreshDigest, Relation, RoleId, RuleId, Scope, SealedBytes, SessionDigest,
    SessionRef, Slug, Span, StreamId, SubjectId, TenantId, Text, Timestamp, UniqueName,
    UniqueValue, Username, Version,
};
use proptest::{
    collection, option,
    sample::select,
    strategy::{BoxedStrategy, Just, Strategy, Union},
};
use serde_json::json;

use crate::suites::fixture::{START, just_before, minute};

/// How small a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many tenants.
    pub(crate) tenants: usize,
    /// How many ids of a kind, and how many other values.
    pub(crate) ids: usize,
    /// How many instants.
    pub(crate) instants: usize,
    /// Whether calls happen in turn. Then lists are walked page by page, and what need not be one
    /// step takes part, too.
    pub(crate) in_turn: bool,
}

impl Size {
    /// For calls in turn.
    pub(crate) const SEQUENCE: Self = Self {
        tenants: 2,
        ids: 4,
        instants: 7,
        in_turn: true,
    };
    /// For calls in turn that meet more often.
    pub(crate) const NARROW: Self = Self {
        tenants: 1,
        ids: 2,
        instants: 4,
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

// What a backend that folds case, trims, or looks for patterns takes for one.
few_ids! {
    IdentityId: "ada" "Ada" "ada " "a%";
    CredentialId: "cd" "Cd" "cd " "c_";
    KeyId: "key" "Key" "key " "ke%";
    PolicyId: "po" "Po" "po " "p%";
    RuleId: "rule" "Rule" "rule " "rul%";
    RoleId: "ro" "Ro" "ro " "r%";
    SubjectId: "su" "Su" "su " "s_";
    Scope: "org" "Org" "null" "*";
    ClientId: "app" "App" "app " "a%";
    CodeKind: "ticket" "Ticket";
    EntityKind: "client" "Client";
    EntityId: "en" "En" "en " "e%";
    UniqueName: "name" "Name";
    UniqueValue: "v" "V" "v " "_";
    FamilyId: "fa" "Fa" "fa " "f_";
    SessionRef: "sid" "Sid" "sid " "s%";
    EventId: "ev" "Ev" "ev " "e%";
    EventKind: "login" "Login" "login " "log%";
    StreamId: "st" "St" "st " "s_";
    ObjectType: "doc" "do" "do:c" "d%";
    ObjectId: "a" "A" "c:a" "_";
    Relation: "in" "In" "in " "i_";
    OrganizationId: "or" "Or" "or " "o_";
    ItemId: "it" "It" "it " "i%";
    ItemKind: "mail" "Mail";
    Slug: "ac" "ac-0" "a" "0";
    AttributeName: "at" "At" "__proto__" "a_";
    ProviderId: "idp" "IdP" "idp:7" "id%";
    ProviderSubject: "7" "07" "7 " "7:7";
    Text: "x" "X" "" " x ";
    Email: "ada@example.com" "ada@example.org" "a.da@example.com" "ada@example.com.se";
    Username: "ada" "a.da" "áda" "ad";
    Phone: "+46812345678" "+46812345679" "+4681234567" "+468123456789";
}

macro_rules! few_digests {
    ($($digest:ident)*) => {$(
        impl Few for $digest {
            fn few(size: Size) -> Vec<Self> {
                let bearers = ["one", "two", "three", "four"];
                let first = bearers.iter().take(size.ids);
                first.map(|bearer| Self::of(bearer.as_bytes())).collect()
            }
        }
    )*};
}
few_digests! { CodeDigest InvitationDigest LookupDigest RefreshDigest SessionDigest }

macro_rules! few_bytes {
    ($($bytes:ident)*) => {$(
        impl Few for $bytes {
            fn few(size: Size) -> Vec<Self> {
                let values: [&[u8]; 4] = [b"one", b"\x00\xff\x00", b"three", b"one\n"];
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
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$DDDD",
        ];
        valid(size.ids, &phc, |phc: &str| Self::new(phc))
    }
}

impl Few for Document {
    fn few(size: Size) -> Vec<Self> {
        let documents = [
            json!({}),
            json!({"level": 2, "tags": ["Ä", null], "none": null}),
            json!(null),
            json!({"level": {"deep": false}, "wide": i64::MAX, "half": 0.5}),
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
        // Some are close together: an instant, and just before it.
        let all = [
            START,
            minute(1),
            just_before(minute(1)),
            minute(2),
            just_before(minute(2)),
            minute(3),
            minute(5),
        ];
        all.into_iter().take(size.instants).collect()
    }
}

impl Few for Span {
    fn few(_: Size) -> Vec<Self> {
        vec![Self::minutes(2), Self::minutes(1)]
    }
}

impl Few for Version {
    fn few(size: Size) -> Vec<Self> {
        valid(size.ids, &[1, 2, 3, 4], Self::new)
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

/// How many at most, where it is told which: of calls at once each wants one.
impl Few for u16 {
    fn few(size: Size) -> Vec<Self> {
        if size.in_turn {
            vec![1, 2, 1000, 1000, 1000, 0]
        } else {
            vec![1]
        }
    }
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

    fn has_all<T: Few>() {
        assert_eq!(
            T::few(Size::SEQUENCE).len(),
            4,
            "{}",
            std::any::type_name::<T>()
        );
    }

    #[test]
    fn everything_in_the_small_world_is_valid() {
        has_all::<IdentityId>();
        has_all::<CredentialId>();
        has_all::<KeyId>();
        has_all::<PolicyId>();
        has_all::<RuleId>();
        has_all::<RoleId>();
        has_all::<SubjectId>();
        has_all::<Scope>();
        has_all::<AttributeName>();
        has_all::<ProviderId>();
        has_all::<ProviderSubject>();
        has_all::<Text>();
        has_all::<Email>();
        has_all::<Username>();
        has_all::<Phone>();
        has_all::<ClientId>();
        has_all::<EntityId>();
        has_all::<UniqueValue>();
        has_all::<FamilyId>();
        has_all::<SessionRef>();
        has_all::<EventId>();
        has_all::<EventKind>();
        has_all::<StreamId>();
        has_all::<OrganizationId>();
        has_all::<Slug>();
        has_all::<InvitationDigest>();
        has_all::<CodeDigest>();
        has_all::<ObjectType>();
        has_all::<ObjectId>();
        has_all::<Relation>();
        has_all::<RefreshDigest>();
        has_all::<SessionDigest>();
        has_all::<LookupDigest>();
        has_all::<PasskeyBytes>();
        has_all::<PrivateKey>();
        has_all::<SealedBytes>();
        has_all::<PasswordHash>();
        has_all::<Document>();
        has_all::<Version>();
        assert_eq!(PageRequest::few(Size::SEQUENCE).len(), 3);
        assert_eq!(TenantId::few(Size::SEQUENCE).len(), 2);
        assert_eq!(Identifier::few(Size::SEQUENCE).len(), 9);
        assert_eq!(Counter::few(Size::SEQUENCE).len(), 4);
    }
}
