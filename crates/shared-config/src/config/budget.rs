use serde::{Deserialize, Serialize};

/// What may be spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Budget {
    /// Whether it is watched.
    pub enabled: bool,
    /// What a session may cost, in US dollars. `None`: no bound.
    pub max_cost: Option<f64>,
    /// What all sessions of a day may cost together, in US dollars. `None`: no bound.
    pub max_cost_per_day: Option<f64>,
    /// Whether the company bounds it, so that nobody raises it while Mimir runs.
    #[serde(skip)]
    pub is_companys: bool,
}
