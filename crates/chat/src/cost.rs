//! What the models cost, and what may be spent.

use std::collections::HashSet;

use mimir_plugins::PluginId;
use mimir_plugins::events::BudgetDecision;
use mimir_shared_providers::{ChatResponse, Usage};

use crate::agent::Agent;
use crate::chat::lock;
use crate::ended::Halt;
use crate::{Budget, EndReason, Shown, StoreError, Totals};

/// The budgets of an open session, and what became of them.
#[derive(Debug)]
pub(crate) struct Purse {
    enabled: bool,
    limits: [Option<f64>; 2],
    /// The budgets of which it was said that they are exceeded, the day's with its day.
    announced: HashSet<(Kind, u64)>,
    /// A plugin's word that the agent must stop. It holds until the person raises a budget.
    stop: Option<Stop>,
}

/// Which budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Session,
    Day,
}

#[derive(Debug, Clone)]
struct Stop {
    limit: f64,
    by: Option<PluginId>,
    reason: String,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Session, Self::Day];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Day => "day",
        }
    }

    const fn total(self, totals: &Totals) -> f64 {
        match self {
            Self::Session => totals.session,
            Self::Day => totals.day,
        }
    }
}

impl Purse {
    pub(crate) fn new(budget: &Budget) -> Self {
        let limits = [budget.session, budget.day];
        Self { enabled: budget.enabled, limits, announced: HashSet::new(), stop: None }
    }

    pub(crate) const fn limit(&self, kind: Kind) -> Option<f64> {
        self.limits[kind as usize]
    }

    /// Sets another limit. What was said about the one before is forgotten, a plugin's stop included.
    pub(crate) fn raise(&mut self, kind: Kind, limit: f64) {
        self.limits[kind as usize] = Some(limit);
        self.announced.retain(|(announced, _)| *announced != kind);
        self.stop = None;
    }

    /// The budgets that are exceeded. An amount that is no number allows nothing.
    fn exceeded(&self, totals: &Totals) -> impl Iterator<Item = (Kind, f64, f64)> {
        let limits = Kind::ALL.into_iter().filter_map(|kind| Some((kind, self.limit(kind)?)));
        let totals = *totals;
        limits
            .map(move |(kind, limit)| (kind, limit, kind.total(&totals)))
            .filter(|(_, limit, total)| total > limit || limit.is_nan())
    }
}

impl Agent {
    /// Books what an answer cost, tells it, and asks plugins if that is too much.
    pub(crate) async fn spend(&self, asked: &str, answer: &ChatResponse) -> Result<(), StoreError> {
        let prices = &self.live.shared.ports.prices;
        let priced = answer.cost.or_else(|| prices.cost(&answer.model, &answer.usage));
        let priced = priced.or_else(|| prices.cost(asked, &answer.usage));
        if priced.is_none() && self.live.shared.finds_unpriced(asked) {
            let has_limit = Kind::ALL.iter().any(|kind| lock(&self.live.purse).limit(*kind).is_some());
            let end = if has_limit { ", and no budget ends its work" } else { "" };
            self.live.notice(&format!("the price of `{asked}` is not known: it is counted as $0{end}"));
        }
        self.book(asked, answer.usage, priced.unwrap_or_default()).await
    }

    /// The same for an answer that broke off before anybody said what it used.
    pub(crate) async fn spend_estimated(&self, model: &str, usage: Usage) -> Result<(), StoreError> {
        let cost = self.live.shared.ports.prices.cost(model, &usage).unwrap_or_default();
        self.book(model, usage, cost).await
    }

    async fn book(&self, model: &str, usage: Usage, cost: f64) -> Result<(), StoreError> {
        // A price that is none must not lower what was spent, nor make it unreadable
        let cost = if cost.is_finite() { cost.max(0.0) } else { 0.0 };
        let totals = self.live.shared.ports.store.spend(self.live.id(), model, usage, cost).await?;
        self.announcer.cost(&usage, cost, totals.session, model);
        self.live.show(Shown::Cost { cost, totals: &totals });
        Ok(())
    }

    /// Says of each budget that is newly exceeded that it is, asks the plugins what they think of it, and stops the agent if
    /// it must not go on.
    pub(crate) async fn heed_budget(&self) -> Result<(), Halt> {
        let totals = self.live.shared.ports.store.totals(self.live.id()).await?;
        let day = self.announcer.clock.now_ms() / 86_400_000;
        let (exceeded, enabled): (Vec<_>, _) = {
            let purse = lock(&self.live.purse);
            (purse.exceeded(&totals).collect(), purse.enabled)
        };
        for &(kind, limit, total) in &exceeded {
            let since = if kind == Kind::Day { day } else { 0 };
            if !lock(&self.live.purse).announced.insert((kind, since)) {
                continue;
            }
            let (by, reason) = match self.announcer.budget_exceeded(kind.name(), limit, total).await {
                BudgetDecision::GoOn => (None, None),
                BudgetDecision::Stop { by, reason } => {
                    lock(&self.live.purse).stop = Some(Stop { limit, by: by.clone(), reason: reason.clone() });
                    (by, Some(reason))
                }
            };
            let stops = enabled || reason.is_some();
            self.live.show(Shown::Budget { limit, total, stops, by: by.as_ref(), reason: reason.as_deref() });
        }
        let stop = lock(&self.live.purse).stop.clone();
        if let Some(Stop { limit, by, reason }) = stop {
            let reason = format!("{reason}; {}", self.way_out());
            return Err(Halt::Stopped(EndReason::Budget { limit, total: totals.session, by, reason }));
        }
        match exceeded.first() {
            Some(&(kind, limit, total)) if enabled => {
                let reason = format!("the budget of the {} is exceeded; {}", kind.name(), self.way_out());
                Err(Halt::Stopped(EndReason::Budget { limit, total, by: None, reason }))
            }
            _ => Ok(()),
        }
    }

    fn way_out(&self) -> &'static str {
        if self.live.shared.settings.budget.may_be_raised {
            "`/cost session AMOUNT` or `/cost day AMOUNT` raises it for now, `budget` in the configuration for good"
        } else {
            "it can't be raised here"
        }
    }
}
