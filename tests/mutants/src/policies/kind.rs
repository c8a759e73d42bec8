//! Calls on policies and roles as one: a fault is written once, and put into both.

use std::{fmt::Debug, future::Future, sync::Arc};

use portproof::mutants::{Handle, Mutant, faulty};
use portproof_ports::{
    Expected, Page, PageRequest, Policy, PolicyDraft, PolicyId, PolicyStore,
    PolicyStoreAnswer as Answer, PolicyStoreCall as Call, Port, PortResult, Ports, Role, RoleDraft,
    RoleId, TenantId, Timestamp, Version, async_trait,
};
use serde_json::Value;

/// The port that a fault is put in front of.
pub(super) type Store = Arc<dyn PolicyStore>;

/// A call on policies, or on roles.
#[derive(Clone)]
pub(super) enum Op<K: Kind> {
    Save(TenantId, Expected, K::Draft, Timestamp),
    Get(TenantId, K::Id),
    Delete(TenantId, K::Id),
    List(TenantId, PageRequest),
}

/// Policies or roles.
#[async_trait]
pub(super) trait Kind: Clone + Send + Sync + Sized + 'static {
    type Id: Clone + Ord + PartialEq + Send + Sync + 'static;
    type Draft: Clone + Debug + PartialEq + Send + Sync + 'static;
    type Stored: Clone + Debug + Send + Sync + 'static;

    /// The call, if it is on this kind.
    fn op(call: Call) -> Result<Op<Self>, Box<Call>>;
    fn id(text: &str) -> PortResult<Self::Id>;
    fn text(id: &Self::Id) -> &str;
    fn id_of(draft: &Self::Draft) -> &Self::Id;
    fn draft(stored: &mut Self::Stored) -> &mut Self::Draft;
    fn version(stored: &mut Self::Stored) -> &mut Version;
    /// When it was created and updated.
    fn times(stored: &mut Self::Stored) -> [&mut Timestamp; 2];
    /// The draft as JSON.
    fn json(draft: &Self::Draft) -> Value;
    /// The draft with its JSON changed.
    fn edited(draft: Self::Draft, edit: impl FnOnce(&mut Value)) -> Self::Draft;

    async fn save(
        store: &Store,
        tenant: &TenantId,
        expected: Expected,
        draft: Self::Draft,
        now: Timestamp,
    ) -> PortResult<Self::Stored>;
    async fn get(
        store: &Store,
        tenant: &TenantId,
        id: &Self::Id,
    ) -> PortResult<Option<Self::Stored>>;
    async fn delete(store: &Store, tenant: &TenantId, id: &Self::Id) -> PortResult<bool>;
    async fn list(
        store: &Store,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> PortResult<Page<Self::Stored>>;

    fn saved(stored: Self::Stored) -> Answer;
    fn got(stored: Option<Self::Stored>) -> Answer;
    fn deleted(there: bool) -> Answer;
    fn listed(page: Page<Self::Stored>) -> Answer;

    /// Answers a call rightly.
    async fn run(store: &Store, op: Op<Self>) -> PortResult<Answer> {
        Ok(match op {
            Op::Save(tenant, expected, draft, now) => {
                Self::saved(Self::save(store, &tenant, expected, draft, now).await?)
            }
            Op::Get(tenant, id) => Self::got(Self::get(store, &tenant, &id).await?),
            Op::Delete(tenant, id) => Self::deleted(Self::delete(store, &tenant, &id).await?),
            Op::List(tenant, page) => Self::listed(Self::list(store, &tenant, &page).await?),
        })
    }
}

/// The policies.
#[derive(Clone)]
pub(super) struct Policies;
/// The roles.
#[derive(Clone)]
pub(super) struct Roles;

macro_rules! kind {
    (
        $kind:ident, $id:ident, $draft:ident, $stored:ident, $field:ident,
        [$save:ident, $get:ident, $delete:ident, $list:ident],
        [$Save:ident, $Get:ident, $Delete:ident, $List:ident]
    ) => {
        #[async_trait]
        impl Kind for $kind {
            type Id = $id;
            type Draft = $draft;
            type Stored = $stored;

            fn op(call: Call) -> Result<Op<Self>, Box<Call>> {
                Ok(match call {
                    Call::$Save {
                        tenant,
                        expected,
                        $field,
                        now,
                    } => Op::Save(tenant, expected, $field, now),
                    Call::$Get { tenant, id } => Op::Get(tenant, id),
                    Call::$Delete { tenant, id } => Op::Delete(tenant, id),
                    Call::$List { tenant, page } => Op::List(tenant, page),
                    other => return Err(Box::new(other)),
                })
            }
            fn id(text: &str) -> PortResult<$id> {
                Ok($id::new(text)?)
            }
            fn text(id: &$id) -> &str {
                id.as_str()
            }
            fn id_of(draft: &$draft) -> &$id {
                &draft.id
            }
            fn draft(stored: &mut $stored) -> &mut $draft {
                &mut stored.draft
            }
            fn version(stored: &mut $stored) -> &mut Version {
                &mut stored.version
            }
            fn times(stored: &mut $stored) -> [&mut Timestamp; 2] {
                [&mut stored.created_at, &mut stored.updated_at]
            }
            fn json(draft: &$draft) -> Value {
                serde_json::to_value(draft).unwrap_or_default()
            }
            fn edited(draft: $draft, edit: impl FnOnce(&mut Value)) -> $draft {
                let mut json = Self::json(&draft);
                edit(&mut json);
                serde_json::from_value(json).unwrap_or(draft)
            }
            async fn save(
                store: &Store,
                tenant: &TenantId,
                expected: Expected,
                draft: $draft,
                now: Timestamp,
            ) -> PortResult<$stored> {
                store.$save(tenant, expected, draft, now).await
            }
            async fn get(
                store: &Store,
                tenant: &TenantId,
                id: &$id,
            ) -> PortResult<Option<$stored>> {
                store.$get(tenant, id).await
            }
            async fn delete(store: &Store, tenant: &TenantId, id: &$id) -> PortResult<bool> {
                store.$delete(tenant, id).await
            }
            async fn list(
                store: &Store,
                tenant: &TenantId,
                page: &PageRequest,
            ) -> PortResult<Page<$stored>> {
                store.$list(tenant, page).await
            }
            fn saved(stored: $stored) -> Answer {
                Answer::$Save(stored)
            }
            fn got(stored: Option<$stored>) -> Answer {
                Answer::$Get(stored)
            }
            fn deleted(there: bool) -> Answer {
                Answer::$Delete(there)
            }
            fn listed(page: Page<$stored>) -> Answer {
                Answer::$List(page)
            }
        }
    };
}

kind!(
    Policies,
    PolicyId,
    PolicyDraft,
    Policy,
    policy,
    [save_policy, get_policy, delete_policy, list_policies],
    [SavePolicy, GetPolicy, DeletePolicy, ListPolicies]
);
kind!(
    Roles,
    RoleId,
    RoleDraft,
    Role,
    role,
    [save_role, get_role, delete_role, list_roles],
    [SaveRole, GetRole, DeleteRole, ListRoles]
);

/// A mutant whose policies, or roles, are answered as `fault` says.
pub(super) fn mutant<K, F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    K: Kind,
    F: Fn(Store, Op<K>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    on_handles(id, breaks, |_| true, fault)
}

/// A mutant with the fault on those handles only that `handles` chooses.
pub(super) fn on_handles<K, F, A>(
    id: &'static str,
    breaks: &'static str,
    handles: impl Fn(Handle) -> bool + Send + Sync + 'static,
    fault: F,
) -> Mutant<Ports>
where
    K: Kind,
    F: Fn(Store, Op<K>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, handle| {
        if handles(handle) {
            ports.policies = ports.policies.map(|port| with(port, fault.clone()));
        }
        ports
    })
}

/// The port with a fault in the calls on one kind.
pub(super) fn with<K, F, A>(port: Store, fault: F) -> Store
where
    K: Kind,
    F: Fn(Store, Op<K>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    faulty(port, move |port: Store, call| {
        let fault = fault.clone();
        async move {
            match K::op(call) {
                Ok(op) => fault(port, op).await,
                Err(call) => port.call(*call).await,
            }
        }
    })
}

/// A mutant that loses something of what is saved: `edit` changes the draft's JSON.
pub(super) fn edits<K: Kind>(
    id: &'static str,
    breaks: &'static str,
    edit: fn(&mut Value),
) -> Mutant<Ports> {
    mutant::<K, _, _>(id, breaks, move |store, op| async move {
        match op {
            Op::Save(tenant, expected, draft, now) => {
                let draft = K::edited(draft, edit);
                K::run(&store, Op::Save(tenant, expected, draft, now)).await
            }
            op => K::run(&store, op).await,
        }
    })
}

/// A mutant that answers saves, or reads, with something changed.
pub(super) fn answers<K: Kind>(
    id: &'static str,
    breaks: &'static str,
    saves: bool,
    reads: bool,
    change: fn(&mut K::Stored),
) -> Mutant<Ports> {
    mutant::<K, _, _>(id, breaks, move |store, op| async move {
        match op {
            Op::Save(tenant, expected, draft, now) => {
                let mut saved = K::save(&store, &tenant, expected, draft, now).await?;
                if saves {
                    change(&mut saved);
                }
                Ok(K::saved(saved))
            }
            Op::Get(tenant, id) if reads => {
                let mut found = K::get(&store, &tenant, &id).await?;
                found.iter_mut().for_each(change);
                Ok(K::got(found))
            }
            Op::List(tenant, page) if reads => {
                let mut page = K::list(&store, &tenant, &page).await?;
                page.items.iter_mut().for_each(change);
                Ok(K::listed(page))
            }
            op => K::run(&store, op).await,
        }
    })
}

/// Time for others, as a round trip to a database gives them.
pub(super) async fn round_trip() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
