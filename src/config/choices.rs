//! Settings with a fixed set of values.

use clap::ValueEnum;
use schema::ports::{Limits, SignUp};
use serde::Deserialize;

use crate::http::FreeText;

/// Sign-up policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SignUpSetting {
    /// Open to everyone.
    Open,
    /// Requires an invitation by an admin of a team.
    Invite,
    /// Requires an invitation by the operator.
    Closed,
}

/// Whether plan limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LimitsSetting {
    /// No rate limit, quota or feature restriction.
    Off,
    /// Each team has the limits of its plan; new teams are on the plan Free.
    Plans,
}

/// Policy for GraphQL documents that are not persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FreeTextSetting {
    /// Allowed for everyone.
    Allowed,
    /// Allowed for everyone, and logged.
    Reported,
    /// Refused.
    Refused,
}

impl From<SignUpSetting> for SignUp {
    fn from(setting: SignUpSetting) -> Self {
        match setting {
            SignUpSetting::Open => Self::Open,
            SignUpSetting::Invite => Self::Invite,
            SignUpSetting::Closed => Self::Closed,
        }
    }
}

impl From<LimitsSetting> for Limits {
    fn from(setting: LimitsSetting) -> Self {
        match setting {
            LimitsSetting::Off => Self::Off,
            LimitsSetting::Plans => Self::Plans,
        }
    }
}

impl From<FreeTextSetting> for FreeText {
    fn from(setting: FreeTextSetting) -> Self {
        match setting {
            FreeTextSetting::Allowed => Self::Allowed,
            FreeTextSetting::Reported => Self::Reported,
            FreeTextSetting::Refused => Self::Refused,
        }
    }
}
