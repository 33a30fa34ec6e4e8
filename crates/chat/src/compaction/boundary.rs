use mimir_shared_providers::{Message, Role};

use crate::context;

/// How many of the last messages stay as they are: about `wanted`, but fewer if those have more than `tokens`, and never so
/// that a call is put away and its result is not. 0 if everything is put away, all of them if nothing can be.
pub(super) fn kept(messages: &[&Message], wanted: usize, tokens: u64) -> usize {
    let mut size = 0_u64;
    let sized = messages.iter().rev().take(wanted).take_while(|message| {
        size = size.saturating_add(context::estimate(message));
        size <= tokens
    });
    let mut first = messages.len() - sized.count();
    // A result belongs to the answer before it. To keep a few messages more is better than to lose the last ones, unless
    // nothing would be left to put away.
    let back = (0..=first).rev().find(|&at| may_be_first(messages, at)).unwrap_or_default();
    if back > 0 {
        return messages.len() - back;
    }
    while first < messages.len() && !may_be_first(messages, first) {
        first += 1;
    }
    messages.len() - first
}

fn may_be_first(messages: &[&Message], at: usize) -> bool {
    messages.get(at).is_none_or(|message| message.role != Role::Tool)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use mimir_shared_providers::{Content, KnownPart, Part};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::ToolCall;

    /// `u` a person's words, `a` an answer, `c` an answer with one call, `d` with two, `t` a result, each with the right calls.
    fn conversation(plan: &str) -> Vec<Message> {
        let mut count = 0;
        let mut open: Vec<String> = Vec::new();
        let mut call = || {
            count += 1;
            format!("c{count}")
        };
        let mut messages = Vec::new();
        for kind in plan.chars() {
            let asking = |ids: &[String]| {
                let parts = ids.iter().map(|id| {
                    let (id, name) = (id.clone(), "bash".to_owned());
                    Part::Known(KnownPart::ToolCall { id, name, args: json!({}), extra: Map::new() })
                });
                Message { content: Content::Parts(parts.collect()), ..Message::text(Role::Assistant, "") }
            };
            messages.push(match kind {
                'u' => Message::text(Role::User, "words"),
                'c' | 'd' => {
                    open = if kind == 'c' { vec![call()] } else { vec![call(), call()] };
                    asking(&open)
                }
                't' if !open.is_empty() => {
                    let call = ToolCall { id: open.remove(0), name: "bash".to_owned(), args: Value::Null };
                    context::result_message(&call, json!("ok"), false)
                }
                _ => Message::text(Role::Assistant, "words"),
            });
        }
        messages
    }

    fn check(plan: &str, wanted: usize, expected: &str) {
        let messages = conversation(plan);
        let messages: Vec<&Message> = messages.iter().collect();
        let kept = kept(&messages, wanted, u64::MAX);
        assert_eq!(&plan[plan.len() - kept..], expected, "{plan} {wanted}");
    }

    #[test]
    fn cuts_where_nothing_belongs_together() {
        check("uaua", 2, "ua");
        check("uctctct", 2, "ct");
        check("uctctct", 3, "ctct");
        check("udttdtt", 1, "dtt");
        check("udttdtt", 4, "dttdtt");
        check("uau", 0, "");
        check("", 4, "");
        // Nothing is left to put away in front: rather less is kept
        check("ctua", 3, "ua");
        check("ua", 5, "ua");
        check("dtt", 2, "");
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let mut messages = conversation("uaua");
        messages[3].content = Content::Text("x".repeat(10_000));
        let messages: Vec<&Message> = messages.iter().collect();
        assert_eq!(kept(&messages, 2, 100), 0);
        assert_eq!(kept(&messages, 2, 10_000), 2);
    }

    proptest! {
        #[test]
        fn no_call_is_parted_from_its_result(
            turns in prop::collection::vec(prop::sample::select(vec!["u", "a", "ct", "dtt", "ctct"]), 0..20),
            wanted in 0_usize..12,
            tokens in prop::sample::select(vec![0_u64, 40, 200, u64::MAX]),
        ) {
            let messages = conversation(&turns.concat());
            let messages: Vec<&Message> = messages.iter().collect();
            let (away, left) = messages.split_at(messages.len() - kept(&messages, wanted, tokens));
            for part in [away, left] {
                let asked: HashSet<String> = part.iter().flat_map(|message| context::call_ids(message)).collect();
                let answered: HashSet<String> =
                    part.iter().flat_map(|message| context::answered(message)).map(str::to_owned).collect();
                prop_assert_eq!(asked, answered);
            }
        }
    }
}
