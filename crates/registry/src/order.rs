use std::collections::BTreeSet;

use mimir_shared_config::PluginId;

use crate::{Notice, Rank};

/// An order of subscribers, by index, and what was wrong with their wishes.
pub(crate) struct Ordered {
    pub(crate) indices: Vec<usize>,
    pub(crate) notices: Vec<Notice>,
}

/// Required by the company first, then as the configuration lists them, then by name. `before` and `after` pull a
/// subscriber ahead of those that must follow it and leave everyone else in place. A wish of a plugin that the company
/// does not require cannot put it before one that it does: otherwise any plugin could get ahead of the company's guard.
pub(crate) fn order(subscribers: &[(&PluginId, &Rank)]) -> Ordered {
    let mut by_rank: Vec<usize> = (0..subscribers.len()).collect();
    by_rank.sort_by_key(|&i| {
        let (name, rank) = subscribers[i];
        (!rank.required, rank.listed.unwrap_or(usize::MAX), name, i)
    });
    let mut notices = Vec::new();
    let predecessors = predecessors(subscribers, &by_rank, &mut notices);
    let mut walk = Walk { subscribers, predecessors, placed: Vec::new(), path: Vec::new(), notices };
    for index in by_rank {
        walk.place(index);
    }
    Ordered { indices: walk.placed, notices: walk.notices }
}

/// For each subscriber, those that must precede it, in the order of their ranks.
fn predecessors(subscribers: &[(&PluginId, &Rank)], by_rank: &[usize], notices: &mut Vec<Notice>) -> Vec<Vec<usize>> {
    let mut edges = vec![BTreeSet::new(); subscribers.len()];
    let place = |index: usize| by_rank.iter().position(|&i| i == index);
    for (declarer, (name, rank)) in subscribers.iter().enumerate() {
        for (other, (other_name, other_rank)) in subscribers.iter().enumerate() {
            if rank.after.contains(other_name) {
                edges[declarer].insert(place(other));
            }
            if rank.before.contains(other_name) {
                if other_rank.required && !rank.required {
                    let (plugin, required) = ((*name).clone(), (*other_name).clone());
                    notices.push(Notice::OrderIgnored { plugin, required });
                } else {
                    edges[other].insert(place(declarer));
                }
            }
        }
    }
    edges.into_iter().map(|places| places.into_iter().flatten().map(|place| by_rank[place]).collect()).collect()
}

struct Walk<'a> {
    subscribers: &'a [(&'a PluginId, &'a Rank)],
    predecessors: Vec<Vec<usize>>,
    placed: Vec<usize>,
    /// From whom the walk came, the outermost first.
    path: Vec<usize>,
    notices: Vec<Notice>,
}

impl Walk<'_> {
    fn place(&mut self, index: usize) {
        if self.placed.contains(&index) {
            return;
        }
        if let Some(start) = self.path.iter().position(|&i| i == index) {
            // The path goes from follower to predecessor, a cycle is told the other way round.
            let plugins = self.path[start..].iter().rev().map(|&i| self.subscribers[i].0.clone()).collect();
            self.notices.push(Notice::OrderCycle { plugins });
            return;
        }
        self.path.push(index);
        for predecessor in self.predecessors[index].clone() {
            self.place(predecessor);
        }
        self.path.pop();
        self.placed.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;

    /// A subscriber as text: `!` for required, `@2` for its place in the list, `<x` before x, `>x` after x.
    fn parse(text: &str) -> (PluginId, Rank) {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        let mut rank = Rank { required: name.starts_with('!'), ..Rank::default() };
        for word in words {
            let (kind, rest) = word.split_at(1);
            match kind {
                "@" => rank.listed = rest.parse().ok(),
                "<" => rank.before.push(id(rest)),
                _ => rank.after.push(id(rest)),
            }
        }
        (id(name.trim_start_matches('!')), rank)
    }

    fn check(subscribers: &[&str], expected: &str, notices: &[&str]) {
        let subscribers: Vec<_> = subscribers.iter().map(|text| parse(text)).collect();
        let borrowed: Vec<_> = subscribers.iter().map(|(name, rank)| (name, rank)).collect();
        let ordered = order(&borrowed);
        let names: Vec<_> = ordered.indices.iter().map(|&i| borrowed[i].0.as_str()).collect();
        assert_eq!(names.join(" "), expected);
        let told: Vec<_> = ordered.notices.iter().map(ToString::to_string).collect();
        assert_eq!(told, notices);
    }

    #[test]
    fn required_then_listed_then_by_name() {
        check(&[], "", &[]);
        check(&["c", "a", "b"], "a b c", &[]);
        check(&["a", "c @1", "b @0"], "b c a", &[]);
        check(&["a @0", "!z", "!y @1"], "y z a", &[]);
    }

    #[test]
    fn before_and_after_refine() {
        check(&["a", "b", "c <a"], "c a b", &[]);
        check(&["a >c", "b", "c"], "c a b", &[]);
        check(&["a @0 >b", "b @1 >c", "c @2", "d @3"], "c b a d", &[]);
        check(&["a >nobody <nobody", "b"], "a b", &[]);
        check(&["a >c >b", "b", "c"], "b c a", &[]);
    }

    #[test]
    fn only_the_required_plugin_itself_lets_others_ahead() {
        check(
            &["!guard", "a <guard"],
            "guard a",
            &["plugin `a` cannot come before `guard`, which the company requires"],
        );
        check(&["!guard >a", "a", "b", "!x"], "a guard x b", &[]);
        check(&["!guard", "!first <guard"], "first guard", &[]);
    }

    #[test]
    fn cycles_are_told_and_broken() {
        check(
            &["a >b", "b >a", "c"],
            "b a c",
            &["`before` and `after` go round in a circle: `b` before `a` before `b`"],
        );
        check(
            &["a <b", "b <c", "c <a"],
            "b c a",
            &["`before` and `after` go round in a circle: `b` before `c` before `a` before `b`"],
        );
        check(&["a <a"], "a", &["`before` and `after` go round in a circle: `a` before `a`"]);
    }
}
