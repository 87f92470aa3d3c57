//! Permissions of members: the four roles, as values and as types.

use async_graphql::Enum;

/// Role of a member in a team and on its websites. Each role includes the permissions of the lower ones.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Level 1: can read everything.
    Viewer,
    /// Level 2: can also change content and basic settings.
    Editor,
    /// Level 3: can also manage integrations, API keys, websites and members.
    Admin,
    /// Level 4: can also manage billing and delete.
    Owner,
}

impl Role {
    /// The level in rows and REST: 1 viewer, 2 editor, 3 admin, 4 owner.
    #[must_use]
    pub fn level(self) -> i16 {
        match self {
            Self::Viewer => 1,
            Self::Editor => 2,
            Self::Admin => 3,
            Self::Owner => 4,
        }
    }

    /// The role of a level; `None` for an invalid level.
    #[must_use]
    pub fn of_level(level: i16) -> Option<Self> {
        [Self::Viewer, Self::Editor, Self::Admin, Self::Owner].into_iter().find(|role| role.level() == level)
    }

    /// Lower-case name, as in messages and REST.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

mod sealed {
    /// Keeps the set of levels closed.
    pub trait Sealed {}
}

/// A role as a type parameter of a proof.
pub trait Level: sealed::Sealed + Send + Sync + 'static {
    /// The role.
    const ROLE: Role;
}

/// A level that includes `L`.
pub trait AtLeast<L: Level>: Level {}

macro_rules! levels {
    ($( $(#[$doc:meta])* $level:ident includes $($below:ident)* ; )+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $level;
        impl sealed::Sealed for $level {}
        impl Level for $level { const ROLE: Role = Role::$level; }
        $( impl AtLeast<$below> for $level {} )*
    )+ };
}

levels! {
    /// Proof level of [`Role::Viewer`].
    Viewer includes Viewer;
    /// Proof level of [`Role::Editor`].
    Editor includes Viewer Editor;
    /// Proof level of [`Role::Admin`].
    Admin includes Viewer Editor Admin;
    /// Proof level of [`Role::Owner`].
    Owner includes Viewer Editor Admin Owner;
}
