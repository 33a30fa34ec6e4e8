use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// What may be spent on language models, and what has been. A call reserves what it may cost at most before it is made
/// and settles what it did cost after, so that calls at the same time can't spend the same dollar twice.
///
/// A clone meters the same budget. Amounts are US dollars, kept in whole billionths so that they add up exactly.
#[derive(Debug, Clone)]
pub struct BudgetMeter {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limit: Option<u64>,
    spent: u64,
    reserved: u64,
}

/// An amount that is set aside for one call. Dropped without [`Reservation::settle`], it is free again.
#[derive(Debug)]
#[must_use = "a reservation that is dropped is given back"]
pub struct Reservation {
    state: Arc<Mutex<State>>,
    amount: u64,
}

/// A call may cost more than is left of the budget.
#[derive(Debug, Clone, PartialEq, Error)]
#[error(
    "the budget of ${limit:.4} does not allow another ${requested:.4}: ${spent:.4} is spent and ${reserved:.4} reserved"
)]
pub struct BudgetExceeded {
    /// The limit, in US dollars.
    pub limit: f64,
    /// What was spent so far, in US dollars.
    pub spent: f64,
    /// What other calls have reserved, in US dollars.
    pub reserved: f64,
    /// What this call asked for, in US dollars.
    pub requested: f64,
}

const NANOS: f64 = 1e9;

/// Rounds up, and takes what is no amount of money for more than any budget has.
fn to_nanos(dollars: f64) -> u64 {
    if dollars.is_nan() { u64::MAX } else { (dollars * NANOS).ceil() as u64 }
}

/// A limit that is no number allows nothing.
fn limit_in_nanos(dollars: f64) -> u64 {
    if dollars.is_nan() { 0 } else { to_nanos(dollars) }
}

fn to_dollars(nanos: u64) -> f64 {
    nanos as f64 / NANOS
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change below is one assignment, so a panic elsewhere leaves the state whole
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BudgetMeter {
    /// A budget of `limit` US dollars, or one that only counts.
    pub fn new(limit: Option<f64>) -> Self {
        let limit = limit.map(limit_in_nanos);
        Self { state: Arc::new(Mutex::new(State { limit, spent: 0, reserved: 0 })) }
    }

    /// Sets another limit, for instance after it was granted anew. What was spent and reserved stays.
    pub fn set_limit(&self, limit: Option<f64>) {
        lock(&self.state).limit = limit.map(limit_in_nanos);
    }

    /// Sets aside `dollars`, the most that a call may cost.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if that much is not left.
    pub fn reserve(&self, dollars: f64) -> Result<Reservation, BudgetExceeded> {
        let amount = to_nanos(dollars);
        let mut state = lock(&self.state);
        let after = state.spent.saturating_add(state.reserved).saturating_add(amount);
        if let Some(limit) = state.limit
            && (after > limit || amount == u64::MAX)
        {
            return Err(BudgetExceeded {
                limit: to_dollars(limit),
                spent: to_dollars(state.spent),
                reserved: to_dollars(state.reserved),
                requested: dollars,
            });
        }
        state.reserved = state.reserved.saturating_add(amount);
        drop(state);
        Ok(Reservation { state: Arc::clone(&self.state), amount })
    }

    /// Counts what was spent without a reservation, for instance by a session that is resumed.
    pub fn record(&self, dollars: f64) {
        let mut state = lock(&self.state);
        state.spent = state.spent.saturating_add(to_nanos(dollars));
    }

    /// The limit, in US dollars.
    pub fn limit(&self) -> Option<f64> {
        lock(&self.state).limit.map(to_dollars)
    }

    /// What was spent so far, in US dollars.
    pub fn spent(&self) -> f64 {
        to_dollars(lock(&self.state).spent)
    }

    /// What can still be reserved, in US dollars; nothing if there is no limit.
    pub fn remaining(&self) -> Option<f64> {
        let state = lock(&self.state);
        state.limit.map(|limit| to_dollars(limit.saturating_sub(state.spent).saturating_sub(state.reserved)))
    }

    /// Whether more was spent than the limit, as happens when a call cost more than it had reserved.
    pub fn is_exceeded(&self) -> bool {
        let state = lock(&self.state);
        state.limit.is_some_and(|limit| state.spent > limit)
    }
}

impl Reservation {
    /// Replaces the reservation by what the call cost, in US dollars.
    pub fn settle(mut self, dollars: f64) {
        let mut state = lock(&self.state);
        state.reserved = state.reserved.saturating_sub(self.amount);
        state.spent = state.spent.saturating_add(to_nanos(dollars));
        drop(state);
        self.amount = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.reserved = state.reserved.saturating_sub(self.amount);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    #[test]
    fn reserves_settles_and_gives_back() {
        let meter = BudgetMeter::new(Some(1.0));
        let first = meter.reserve(0.6).unwrap();
        let error = meter.reserve(0.5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the budget of $1.0000 does not allow another $0.5000: $0.0000 is spent and $0.6000 reserved"
        );
        first.settle(0.1);
        assert_eq!((meter.spent(), meter.remaining()), (0.1, Some(0.9)));

        drop(meter.reserve(0.9).unwrap());
        assert_eq!(meter.remaining(), Some(0.9), "a dropped reservation is free again");

        meter.reserve(0.9).unwrap().settle(1.5);
        assert!(meter.is_exceeded());
        assert_eq!(meter.remaining(), Some(0.0));
        assert!(meter.reserve(0.000_001).is_err());
    }

    #[test]
    fn another_limit_keeps_what_was_spent() {
        let meter = BudgetMeter::new(Some(1.0));
        meter.reserve(0.5).unwrap().settle(0.5);
        meter.set_limit(Some(0.4));
        assert!(meter.reserve(0.01).is_err() && meter.is_exceeded());
        meter.set_limit(Some(2.0));
        assert_eq!(meter.remaining(), Some(1.5));
        meter.set_limit(Some(f64::NAN));
        assert!(meter.reserve(0.01).is_err());
    }

    #[test]
    fn without_a_limit_it_only_counts() {
        let meter = BudgetMeter::new(None);
        meter.reserve(1e6).unwrap().settle(2.5);
        meter.record(0.5);
        assert_eq!((meter.spent(), meter.limit(), meter.remaining(), meter.is_exceeded()), (3.0, None, None, false));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let meter = BudgetMeter::new(Some(1.0));
        assert!(meter.reserve(f64::NAN).is_err());
        assert!(meter.reserve(f64::INFINITY).is_err());
        meter.reserve(-5.0).unwrap().settle(-5.0);
        assert_eq!(meter.spent(), 0.0, "nobody earns by calling");
        assert!(BudgetMeter::new(Some(f64::NAN)).reserve(0.01).is_err());
    }

    #[test]
    fn calls_at_the_same_time_never_overspend() {
        let meter = BudgetMeter::new(Some(10.0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        if let Ok(reservation) = meter.reserve(0.01) {
                            reservation.settle(0.01);
                        }
                    }
                });
            }
        });
        assert_eq!(meter.spent(), 10.0);
        assert_eq!(meter.remaining(), Some(0.0));
    }
}
