//! Calls as data: what lets one wrapper serve every method of every port.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Cursor, PageRequest, PortResult, TenantId};

/// What a call on a port is while it runs.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = PortResult<T>> + Send + 'a>>;

/// A port: the trait object of a storage trait, with its calls as data.
///
/// Implemented by [`#[port]`](macro@crate::port) for `dyn Trait`, never by hand. It gives whatever stands
/// between an engine and an adapter (a recorder, a layer, a transport, a deliberate fault) one place
/// to stand, instead of a method for each method of each port.
pub trait Port: Send + Sync + 'static {
    /// The port's name, as rules and manifests spell it: `session`.
    const NAME: &'static str;
    /// The names of the port's methods, in the order of the trait.
    const METHODS: &'static [&'static str];
    /// A call, with its arguments.
    type Call: PortCall;

    /// Runs a call: the same as calling the method.
    ///
    /// # Errors
    ///
    /// Those of the method.
    fn call<'a>(&'a self, call: Self::Call) -> PortFuture<'a, <Self::Call as PortCall>::Answer>;

    /// Turns a handler of calls into an implementation of the port.
    fn via(handler: Arc<dyn Handler<Self::Call>>) -> Arc<Self>;
}

/// A call on a port, as data.
pub trait PortCall:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What a successful call answers.
    type Answer: PortAnswer;

    /// The name of the method that it calls.
    fn method(&self) -> &'static str;

    /// The tenant that it is about: the method's argument of type [`TenantId`].
    fn tenant_mut(&mut self) -> Option<&mut TenantId>;

    /// The page that it asks for: the method's argument of type [`PageRequest`].
    fn page_mut(&mut self) -> Option<&mut PageRequest>;
}

/// What a successful call answers, as data.
pub trait PortAnswer:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Takes out the cursor of the next page, which is for its adapter alone to understand: what
    /// remains can be compared with what another adapter answers. `None` where there is no page, or
    /// no next one.
    fn take_next(&mut self) -> Option<Cursor>;
}

/// Whatever answers the calls of a port.
///
/// ```
/// use std::sync::Arc;
/// use portproof_ports::{
///     Handler, Port, PortCall, PortResult, SessionStore, SessionStoreAnswer, SessionStoreCall,
///     async_trait,
/// };
///
/// /// Says which methods are called, and hands the calls on.
/// struct Spy(Arc<dyn SessionStore>);
///
/// #[async_trait]
/// impl Handler<SessionStoreCall> for Spy {
///     async fn handle(&self, call: SessionStoreCall) -> PortResult<SessionStoreAnswer> {
///         eprintln!("{}", call.method());
///         self.0.call(call).await
///     }
/// }
///
/// fn spied(store: Arc<dyn SessionStore>) -> Arc<dyn SessionStore> {
///     <dyn SessionStore>::via(Arc::new(Spy(store)))
/// }
/// ```
#[async_trait]
pub trait Handler<C: PortCall>: Send + Sync {
    /// Answers one call.
    ///
    /// # Errors
    ///
    /// Those of the called method. An answer that belongs to another method reaches the caller as
    /// [`PortError::Backend`](crate::PortError::Backend).
    async fn handle(&self, call: C) -> PortResult<C::Answer>;
}

/// A port that is answered by a [`Handler`]; made by [`Port::via`].
pub struct Via<C: PortCall>(Arc<dyn Handler<C>>);

impl<C: PortCall> Via<C> {
    /// The port that `handler` answers.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler<C>>) -> Self {
        Self(handler)
    }

    /// Hands a call to the handler.
    ///
    /// # Errors
    ///
    /// Those of the handler.
    pub async fn handle(&self, call: C) -> PortResult<C::Answer> {
        self.0.handle(call).await
    }
}

impl<C: PortCall> fmt::Debug for Via<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Via")
    }
}
