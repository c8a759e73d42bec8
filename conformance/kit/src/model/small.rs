//! What there is in a world so small that what is made up collides.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

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

use super::Size;
use crate::fixture::{START, just_before, minute};

/// Some 90 years.
const LONG: Span = Span::seconds(2_840_000_000);

/// What a small world has few of.
pub(crate) trait Few: Sized {
    /// Whether each is as good as another. Otherwise calls in turn mostly mean the first, so that a
    /// list has several items, and something becomes of what is stored.
    const EVEN: bool = false;

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
        let few = Self::few(size);
        if T::EVEN || !size.in_turn {
            return select(few).boxed();
        }
        mostly_first(&few)
    }
}

/// One of these, of several every other time the first.
pub(super) fn mostly_first<T: Clone + fmt::Debug + 'static>(few: &[T]) -> BoxedStrategy<T> {
    let others = few.len().saturating_sub(2);
    let first = few.first().cloned().into_iter().cycle().take(others);
    select(first.chain(few.iter().cloned()).collect::<Vec<_>>()).boxed()
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

/// The calls of a port, each as often as its weight says, and now and then whether it is ready.
macro_rules! calls {
    ($size:expr; $($weight:literal $call:ident { $($argument:ident),+ $(,)? })+) => {
        $crate::model::small::one_of(vec![
            $(($weight, $crate::model::small::small! { $size; Self::$call { $($argument),+ } })),+,
            (1, $crate::model::small::just(Self::Ready {})),
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
    IdentityId: "ada" "Ada" "ada " "a%" "ada.lovelace@example.com";
    CredentialId: "cd" "Cd" "cd " "c_";
    KeyId: "key" "Key" "key " "ke%";
    PolicyId: "po" "Po" "po " "p%" "p%6F" "ro";
    RuleId: "rule" "Rule" "rule " "rul%";
    RoleId: "ro" "Ro" "ro " "r%" " ro," "r%6F";
    SubjectId: "su" "Su" "su " "s_" " su:";
    Scope: "org" "Org" "null" "*";
    ClientId: "app" "App" "app " "a%" "an app of nobody";
    CodeKind: "ticket" "Ticket";
    EntityKind: "client" "Client" "clien_";
    EntityId: "en" "En" "en " "e%";
    UniqueName: "name" "Name";
    UniqueValue: "v" "V" "v " "_";
    FamilyId: "fa" "Fa" "fa " "f_";
    SessionRef: "sid" "Sid" "sid " "s%" "null";
    EventId: "ev" "Ev" "ev " "e%";
    EventKind: "login" "Login" "login " "log%" "log/in";
    StreamId: "st" "St" "st " "s_";
    ObjectType: "doc" "do" "do:c" "d%";
    ObjectId: "a" "A" "c:a" "_";
    Relation: "in" "In" "in " "i_";
    OrganizationId: "or" "Or" "or " "o_";
    ItemId: "it" "It" "it " "i%";
    ItemKind: "mail" "Mail" "mai";
    Slug: "ac" "ac-0" "a" "0";
    AttributeName: "at" "At" "__proto__" "a_";
    ProviderId: "idp" "IdP" "idp:7" "id%";
    ProviderSubject: "7" "07" "7 " "7:7";
    Email: "ada@example.com" "ada@example.org" "a.da@example.com" "ada@example.com.se";
    Username: "ada" "a.da" "áda" "ad";
    Phone: "+46812345678" "+46812345679" "+4681234567" "+468123456789";
}

impl Few for Text {
    fn few(size: Size) -> Vec<Self> {
        let mut all = valid(size.ids, &["x", "X", "", " x "], |text: &str| {
            Self::new(text)
        });
        if size.in_turn {
            all.extend(Self::new("long ".repeat(100)));
        }
        all
    }
}

macro_rules! few_digests {
    ($($digest:ident at_least $least:literal)*) => {$(
        impl Few for $digest {
            fn few(size: Size) -> Vec<Self> {
                // Two that differ in the last byte, which ends a line. (The first as a text ends in a
                // digit, so that it is one in the other case, too.)
                let mut last = *Self::of(b"one").as_bytes();
                last[31] = b'\r';
                let mut near = last;
                near[31] = b'\n';
                let one = Self::new(last);
                // The same letters, in the other case.
                let text: String = String::from(one.clone())
                    .chars()
                    .map(|c| if c.is_ascii_lowercase() {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    })
                    .collect();
                let mut all = vec![one, Self::of(b"two"), Self::new(near)];
                all.extend(Self::try_from(text));
                let least = if size.in_turn { $least } else { 0 };
                all.truncate(size.ids.max(least));
                all
            }
        }
    )*};
}
// A session is rotated to another id, a family of refresh tokens from one token to the next.
few_digests! {
    CodeDigest at_least 1
    InvitationDigest at_least 1
    LookupDigest at_least 2
    RefreshDigest at_least 4
    SessionDigest at_least 2
}

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
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let more = if size.in_turn {
            &DOCUMENTS[PLAIN..]
        } else {
            &[]
        };
        DOCUMENTS
            .iter()
            .take(size.ids.min(PLAIN))
            .chain(more)
            .cloned()
            .collect()
    }
}

/// How many of [`DOCUMENTS`] are small.
const PLAIN: usize = 4;

/// Documents, made once: clones share them.
static DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(|| {
    let documents = [
        json!({}),
        json!({"level": 2, "tags": ["Ä", null], "none": null}),
        json!(null),
        json!({"level": {"deep": false}, "wide": [9_007_199_254_740_993_i64, i64::MAX], "half": 0.5}),
        json!({"face": "🙂", "nested": {"none": null}, "name": "v"}),
        // More than 64 KiB.
        json!({"long": "long ".repeat(14_000)}),
    ];
    let valid = documents
        .into_iter()
        .filter_map(|document| Document::new(document).ok());
    valid.collect()
});

impl Few for Identifier {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let size = Size {
            ids: size.ids.min(2),
            ..size
        };
        let mut all: Vec<_> = Email::few(size).into_iter().map(Self::Email).collect();
        all.extend(Username::few(size).into_iter().map(Self::Username));
        if size.in_turn {
            all.extend(Phone::few(size).into_iter().take(1).map(Self::Phone));
            all.extend(Username::new("ada@example.com").map(Self::Username));
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
    const EVEN: bool = true;

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
            // In the 22nd century.
            START.after(LONG),
            minute(1).after(LONG),
        ];
        all.into_iter().take(size.instants).collect()
    }
}

impl Few for Span {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let mut all = vec![Self::minutes(2), Self::minutes(1)];
        if size.in_turn {
            // No whole number of seconds, and more of them than fit into 32 bits.
            all.extend(Self::from_micros(60_000_001));
            all.push(LONG);
            // As long as there is time.
            all.extend(Self::from_micros(Timestamp::MAX.as_micros()));
        }
        all
    }
}

impl Few for Version {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let count = if size.in_turn { 4 } else { size.ids };
        valid(count, &[1, 2, 3, 4], Self::new)
    }
}

impl Few for Counter {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        valid(4, &[1, 2, 3, 0], Self::new)
    }
}

impl Few for PageRequest {
    const EVEN: bool = true;

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
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        if size.in_turn {
            vec![1, 2, 1000, 1000, 1000, 0]
        } else {
            vec![1]
        }
    }
}

/// How many at most: mostly more than there are. Which of them go first is nobody's contract, so that
/// what has a limit is called until it finds less.
impl Few for u32 {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        if size.in_turn {
            vec![1000, 1000, 2, 1, 0]
        } else {
            vec![1000]
        }
    }
}

/// When something ends: mostly not at once.
pub(super) fn ends() -> BoxedStrategy<Timestamp> {
    let far = START.after(LONG);
    select(vec![minute(4), minute(9), minute(2), minute(1), far]).boxed()
}

/// Whether a call that removes at most so many, and removed `count`, may have left some.
pub(super) fn is_full(at_most: u32, count: u64) -> bool {
    at_most > 0 && count >= u64::from(at_most)
}

impl Few for i64 {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        // The last but one is no double.
        vec![0, -1, 9_007_199_254_740_993, Self::MAX]
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
        has::<T>(4);
    }

    fn has<T: Few>(count: usize) {
        let name = std::any::type_name::<T>();
        assert_eq!(T::few(Size::SEQUENCE).len(), count, "{name}");
    }

    #[test]
    fn everything_in_the_small_world_is_valid() {
        has::<IdentityId>(5);
        has_all::<CredentialId>();
        has_all::<KeyId>();
        has::<PolicyId>(6);
        has_all::<RuleId>();
        has::<RoleId>(6);
        has::<SubjectId>(5);
        has_all::<Scope>();
        has_all::<AttributeName>();
        has_all::<ProviderId>();
        has_all::<ProviderSubject>();
        has_all::<Email>();
        has_all::<Username>();
        has_all::<Phone>();
        has::<ClientId>(5);
        has_all::<EntityId>();
        has_all::<UniqueValue>();
        has_all::<FamilyId>();
        has::<SessionRef>(5);
        has_all::<EventId>();
        has::<EventKind>(5);
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
        has_all::<Version>();
        has::<EntityKind>(3);
        has::<ItemKind>(3);
        has::<PageRequest>(3);
        has::<TenantId>(2);
        has::<Identifier>(10);
        has::<Counter>(4);
        has::<Text>(5);
        has::<Document>(6);
        has::<Timestamp>(9);
        has::<Span>(5);
    }
}
