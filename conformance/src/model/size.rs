//! How small the worlds are that calls are made up in.

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
        ids: 6,
        instants: 9,
        in_turn: true,
    };
    /// For calls in turn on several things of one tenant.
    pub(crate) const CROWD: Self = Self {
        tenants: 1,
        ..Self::SEQUENCE
    };
    /// For calls in turn that meet more often.
    pub(crate) const NARROW: Self = Self {
        tenants: 1,
        ids: 2,
        instants: 4,
        in_turn: true,
    };
    /// For calls in turn that all mean the same one: what becomes of it takes several of them.
    pub(crate) const SINGLE: Self = Self {
        tenants: 1,
        ids: 1,
        instants: 6,
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
