use super::file::{InvalidScenario, Turn};

/// The most turns that a scenario may come to.
const MOST: usize = 20_000;

/// One turn as it will be played, with what `${i}` stands for.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) turn: Turn,
    /// The rounds of the loops around it, the innermost last.
    pub(super) rounds: Vec<u64>,
}

/// All turns, the repeated ones as often as they come.
pub(super) fn plan(turns: &[Turn]) -> Result<Vec<Step>, InvalidScenario> {
    let mut steps = Vec::new();
    unroll(turns, &mut Vec::new(), &mut steps)?;
    Ok(steps)
}

fn unroll(turns: &[Turn], rounds: &mut Vec<u64>, steps: &mut Vec<Step>) -> Result<(), InvalidScenario> {
    for turn in turns {
        let Some(times) = turn.repeat else {
            if !turn.turns.is_empty() {
                return Err(InvalidScenario::Form("`turns` within a turn need `repeat`".to_owned()));
            }
            push(steps, turn.clone(), rounds)?;
            continue;
        };
        for round in 1..=times {
            rounds.push(round);
            if turn.turns.is_empty() {
                push(steps, Turn { repeat: None, ..turn.clone() }, rounds)?;
            } else {
                unroll(&turn.turns, rounds, steps)?;
            }
            rounds.pop();
        }
    }
    Ok(())
}

fn push(steps: &mut Vec<Step>, turn: Turn, rounds: &[u64]) -> Result<(), InvalidScenario> {
    if steps.len() == MOST {
        return Err(InvalidScenario::TooLong { most: MOST });
    }
    steps.push(Step { turn, rounds: rounds.to_vec() });
    Ok(())
}
