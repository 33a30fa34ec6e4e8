use serde_json::Value;

use crate::turn::Done;

/// After how many equal calls with equal results the model is told of it.
const TOO_OFTEN: u32 = 5;

/// Notices when a model does the same again and again and learns nothing from it.
#[derive(Debug, Default)]
pub(crate) struct Repetition {
    last: Option<(String, Value, Value)>,
    count: u32,
    is_told: bool,
}

impl Repetition {
    /// What to tell the model after the calls of one answer, once in a conversation's run.
    pub(crate) fn heed(&mut self, done: Vec<Done>) -> Option<String> {
        let mut notice = None;
        // Calls of the same answer were asked for before any result was read
        let mut is_counted = false;
        for Done { call, result } in done {
            let this = (call.name, call.args, result);
            if self.last.as_ref() != Some(&this) {
                self.last = Some(this);
                self.count = 1;
            } else if !is_counted {
                self.count += 1;
            }
            is_counted = true;
            if self.count >= TOO_OFTEN && !self.is_told {
                self.is_told = true;
                let (name, ..) = self.last.as_ref()?;
                notice = Some(format!(
                    "The tool `{name}` was called {TOO_OFTEN} times in a row with the same arguments and gave the same result each \
                     time. Another time will not change that: do something else, or say what keeps you from going on."
                ));
            }
        }
        notice
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ToolCall;

    fn check(results: &[&str], expected: usize) {
        let mut repetition = Repetition::default();
        let mut told = 0;
        for (number, result) in results.iter().enumerate() {
            let call = ToolCall { id: number.to_string(), name: "bash".to_owned(), args: json!({"command": "ls"}) };
            told += usize::from(repetition.heed(vec![Done { call, result: json!(result) }]).is_some());
        }
        assert_eq!(told, expected, "{results:?}");
    }

    #[test]
    fn the_same_five_times_is_told_once() {
        check(&["a"; 4], 0);
        check(&["a"; 5], 1);
        check(&["a"; 20], 1);
        check(&["a", "a", "a", "a", "b", "a", "a", "a", "a"], 0);
    }
}
