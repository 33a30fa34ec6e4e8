use std::sync::Arc;

use super::file::{Condition, InvalidScenario, Turn};

/// The most steps that a scenario may come to.
const MOST: usize = 20_000;

/// A scenario's turns as steps, one after the other: loops are unrolled, and conditions are jumps. So a number is all that
/// says where the model stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An answer, or a failure.
    Play { turn: Arc<Turn>, rounds: Rounds },
    /// Goes on at `to` unless it holds.
    Unless { condition: Condition, rounds: Rounds, to: usize },
    /// Goes on at that step.
    Jump(usize),
}

/// The rounds of the loops around a step, with the names of what counts them, the innermost last.
pub(super) type Rounds = Arc<[(Option<String>, u64)]>;

/// All turns, the repeated ones as often as they come. `place` is where they stand.
pub(super) fn plan(turns: Vec<Turn>, place: &str) -> Result<Plan, InvalidScenario> {
    let mut plan = Plan::default();
    plan.unroll_all(turns, place, &mut Vec::new())?;
    Ok(plan)
}

impl Plan {
    fn unroll_all(
        &mut self,
        turns: Vec<Turn>,
        place: &str,
        rounds: &mut Vec<(Option<String>, u64)>,
    ) -> Result<(), InvalidScenario> {
        for (index, turn) in turns.into_iter().enumerate() {
            self.unroll(turn, &format!("{place}[{index}]"), rounds)?;
        }
        Ok(())
    }

    fn unroll(
        &mut self,
        mut turn: Turn,
        place: &str,
        rounds: &mut Vec<(Option<String>, u64)>,
    ) -> Result<(), InvalidScenario> {
        let wrong = |problem: &str| InvalidScenario::Turn { place: place.to_owned(), problem: problem.to_owned() };
        let (inner, otherwise) = (std::mem::take(&mut turn.turns), turn.otherwise.take());
        if !turn.is_played() && inner.is_empty() {
            return Err(wrong(
                "the turn does nothing: let it `say` something, ask for tools (`calls`) or have `turns`",
            ));
        }
        if otherwise.is_some() && turn.when.is_none() {
            return Err(wrong("`else` needs `when`"));
        }
        if turn.counter.is_some() && turn.repeat.is_none() {
            return Err(wrong("`as` needs `repeat`"));
        }
        let (condition, repeat) = (turn.when.take(), turn.repeat.take());
        let counter = turn.counter.take();
        let turn = Arc::new(turn);
        for round in 1..=repeat.unwrap_or(1) {
            if repeat.is_some() {
                rounds.push((counter.clone(), round));
            }
            let branch = self.steps.len();
            if let Some(condition) = &condition {
                self.push(Step::Unless { condition: condition.clone(), rounds: rounds.as_slice().into(), to: branch })?;
            }
            if turn.is_played() {
                self.push(Step::Play { turn: Arc::clone(&turn), rounds: rounds.as_slice().into() })?;
            }
            self.unroll_all(inner.clone(), &format!("{place}.turns"), rounds)?;
            let jump = self.steps.len();
            if otherwise.is_some() {
                self.push(Step::Jump(jump))?;
            }
            let after = self.steps.len();
            if let Some(Step::Unless { to, .. }) = self.steps.get_mut(branch).filter(|_| condition.is_some()) {
                *to = after;
            }
            if let Some(otherwise) = &otherwise {
                self.unroll((**otherwise).clone(), &format!("{place}.else"), rounds)?;
                self.steps[jump] = Step::Jump(self.steps.len());
            }
            if repeat.is_some() {
                rounds.pop();
            }
        }
        Ok(())
    }

    fn push(&mut self, step: Step) -> Result<(), InvalidScenario> {
        if self.steps.len() == MOST {
            return Err(InvalidScenario::TooLong { most: MOST });
        }
        self.steps.push(step);
        Ok(())
    }
}
