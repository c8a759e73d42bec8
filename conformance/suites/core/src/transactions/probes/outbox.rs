//! The probe of the outbox: its record is an item that was given up, so that a list has it.

use portproof_ports::{
    ItemId, ItemKind, NewItem, PortError, PortResult, Ports, Span, TenantId, Text, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::START;

pub(super) struct Items;

#[async_trait]
impl Probe for Items {
    fn port(&self) -> &'static str {
        "outbox"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let store = port!(ports.outbox);
        // A kind of its own, so that nobody else claims it.
        let kind = ItemKind::new(name)?;
        let item = NewItem {
            id: ItemId::new(name)?,
            kind: kind.clone(),
            due_at: START,
            payload: data(name)?,
        };
        store.put(tenant, item, START).await?;
        let claimed = store
            .claim(tenant, &kind, 1, Span::minutes(1), START)
            .await?;
        for item in claimed {
            let trouble = Text::new("refused")?;
            store
                .give_up(tenant, &item.claim(), &trouble, START)
                .await?;
        }
        Ok(())
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.outbox), ItemId::new(name)?);
        let listed = store.list_given_up(tenant, &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
