use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mimir_shared_config::PluginId;
use mimir_shared_providers::{BudgetExceeded, BudgetMeter, Reservation};

/// A plugin, in a session or outside of any.
type Payer = (PluginId, Option<Arc<str>>);

/// What each plugin spends on language models, session by session. What it calls outside of any session counts as one
/// session of its own.
#[derive(Default)]
pub(crate) struct Ledger {
    meters: Mutex<HashMap<Payer, BudgetMeter>>,
}

impl Ledger {
    /// The meter of a plugin in a session, with the limit that holds now, in US dollars.
    pub(crate) fn meter(&self, plugin: &PluginId, session: Option<&Arc<str>>, limit: Option<f64>) -> BudgetMeter {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = meters.entry((plugin.clone(), session.cloned())).or_insert_with(|| BudgetMeter::new(limit));
        meter.set_limit(limit);
        meter.clone()
    }
}

/// What one call has set aside. As soon as the provider was asked, a call that ends without an account of what it used
/// (dropped, cut off) counts as the most that it may have cost.
pub(crate) struct Charge {
    meter: BudgetMeter,
    reservation: Option<Reservation>,
    most: f64,
    is_sent: bool,
}

impl Charge {
    /// Sets `most` US dollars aside.
    pub(crate) fn reserve(meter: BudgetMeter, most: f64) -> Result<Self, BudgetExceeded> {
        let reservation = Some(meter.reserve(most)?);
        Ok(Self { meter, reservation, most, is_sent: false })
    }

    /// A charge that nothing was set aside for; what the call costs is counted all the same.
    pub(crate) fn unreserved(meter: BudgetMeter, most: f64) -> Self {
        Self { meter, reservation: None, most, is_sent: false }
    }

    /// The provider is asked from here on.
    pub(crate) fn sent(&mut self) {
        self.is_sent = true;
    }

    /// The call cost this much, in US dollars.
    pub(crate) fn settle(mut self, dollars: f64) {
        self.count(dollars);
    }

    fn count(&mut self, dollars: f64) {
        self.is_sent = false;
        match self.reservation.take() {
            Some(reservation) => reservation.settle(dollars),
            None => self.meter.record(dollars),
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.is_sent {
            self.count(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    #[test]
    fn each_plugin_and_session_has_a_meter_of_its_own() {
        let ledger = Ledger::default();
        let (p, q) = (PluginId::new("p").unwrap(), PluginId::new("q").unwrap());
        let (one, two): (Arc<str>, Arc<str>) = ("1".into(), "2".into());
        ledger.meter(&p, Some(&one), Some(1.0)).record(0.5);
        let spent = |plugin, session| ledger.meter(plugin, session, Some(1.0)).spent();
        assert_eq!(
            [spent(&p, Some(&one)), spent(&p, Some(&two)), spent(&p, None), spent(&q, Some(&one))],
            [0.5, 0.0, 0.0, 0.0]
        );
        assert_eq!(ledger.meter(&p, Some(&one), Some(0.75)).remaining(), Some(0.25));
    }

    #[test]
    fn a_call_that_was_cut_off_counts_as_its_most() {
        let check = |is_sent: bool, settled: Option<f64>, expected: f64| {
            let meter = BudgetMeter::new(Some(10.0));
            let mut charge = Charge::reserve(meter.clone(), 2.0).unwrap();
            if is_sent {
                charge.sent();
            }
            match settled {
                Some(dollars) => charge.settle(dollars),
                None => drop(charge),
            }
            assert_eq!((meter.spent(), meter.remaining()), (expected, Some(10.0 - expected)));
        };
        check(false, None, 0.0);
        check(true, None, 2.0);
        check(true, Some(0.5), 0.5);
        check(true, Some(0.0), 0.0);
        check(true, Some(3.0), 3.0);
    }
}
