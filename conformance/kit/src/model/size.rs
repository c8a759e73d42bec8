//! How small the worlds are that calls are made up in.

/// How small a world is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// How many tenants.
    pub tenants: usize,
    /// How many ids of a kind, and how many other values.
    pub ids: usize,
    /// How many instants.
    pub instants: usize,
    /// Whether calls happen in turn. Then lists are walked page by page, and what need not be one
    /// step takes part, too.
    pub in_turn: bool,
}

impl Size {
    /// For calls in turn.
    pub const SEQUENCE: Self = Self {
        tenants: 2,
        ids: 6,
        instants: 9,
        in_turn: true,
    };
    /// For calls in turn on several things of one tenant.
    pub const CROWD: Self = Self {
        tenants: 1,
        ..Self::SEQUENCE
    };
    /// For calls in turn that meet more often.
    pub const NARROW: Self = Self {
        tenants: 1,
        ids: 2,
        instants: 4,
        in_turn: true,
    };
    /// For calls in turn that all mean the same one: what becomes of it takes several of them.
    pub const SINGLE: Self = Self {
        tenants: 1,
        ids: 1,
        instants: 6,
        in_turn: true,
    };
    /// For calls at once: everybody wants the same.
    pub const RACE: Self = Self {
        tenants: 1,
        ids: 2,
        instants: 3,
        in_turn: false,
    };
}
