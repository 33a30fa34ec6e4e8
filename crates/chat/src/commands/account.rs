use std::fmt::Write as _;

use mimir_shared_providers::Role;

use super::text::{dollars, number};
use super::{Failed, Ran};
use crate::agent::Agent;
use crate::chat::lock;
use crate::context;
use crate::cost::Kind;

pub(super) async fn cost(agent: &Agent, arguments: &str) -> Result<Ran, Failed> {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    match words.as_slice() {
        [] => show(agent).await,
        ["session", amount] => raise(agent, Kind::Session, amount),
        ["day", amount] => raise(agent, Kind::Day, amount),
        _ => Err(Failed::words(
            "`/cost` shows what was spent; `/cost session AMOUNT` and `/cost day AMOUNT` set a budget",
        )),
    }
}

async fn show(agent: &Agent) -> Result<Ran, Failed> {
    let totals = agent.live.shared.ports.store.totals(agent.live.id()).await?;
    let of = |kind| match lock(&agent.live.purse).limit(kind) {
        Some(limit) => format!(" of {}", dollars(limit)),
        None => String::new(),
    };
    let usage = totals.usage;
    let mut text = format!(
        "this session  {}{}\ntoday (UTC)   {}{}\ntokens        {} in, {} out",
        dollars(totals.session),
        of(Kind::Session),
        dollars(totals.day),
        of(Kind::Day),
        number(usage.prompt_tokens()),
        number(usage.output_tokens),
    );
    if usage.cache_read_tokens > 0 {
        let _ = write!(text, "; {} of the input from the cache", number(usage.cache_read_tokens));
    }
    for model in agent.live.shared.unpriced() {
        let _ = write!(text, "\nnot known      what `{}` costs: it is counted as $0", super::text::one_line(&model));
    }
    Ok(Ran::Said(text))
}

fn raise(agent: &Agent, kind: Kind, amount: &str) -> Result<Ran, Failed> {
    if !agent.live.shared.settings.budget.may_be_raised {
        return Err(Failed::words("the budget can't be changed here"));
    }
    let limit = amount.trim_start_matches('$').parse::<f64>().ok().filter(|limit| limit.is_finite() && *limit >= 0.0);
    let Some(limit) = limit else {
        return Err(Failed::Words(format!("`{}` is no amount of US dollars", super::text::one_line(amount))));
    };
    lock(&agent.live.purse).raise(kind, limit);
    Ok(Ran::Said(format!("the budget of the {} is {} until this process ends", kind.name(), dollars(limit))))
}

pub(super) async fn context(agent: &Agent, _: &str) -> Result<Ran, Failed> {
    let stored = agent.live.conversation().await?;
    let request = agent.unsent(stored).await;
    let total = agent.count(&request).await?;
    let (system, messages): (Vec<_>, Vec<_>) = request.messages.iter().partition(|it| it.role == Role::System);
    let count = messages.len();
    let parts = [
        ("system", context::estimate(&system), String::new()),
        ("messages", context::estimate(&messages), format!("  {count} messages")),
        ("tools", context::estimate(&request.tools), format!("  {} tools", request.tools.len())),
    ];
    // The provider counts the whole; how it falls into parts is estimated
    let estimated: u64 = parts.iter().map(|(_, tokens, _)| tokens).sum::<u64>().max(1);
    let mut text = String::new();
    for (name, tokens, remark) in parts {
        let share = (u128::from(tokens) * u128::from(total) / u128::from(estimated)) as u64;
        let _ = writeln!(text, "{name:9} {:>10} tokens{remark}", number(share));
    }
    let settings = agent.live.shared.settings.compaction;
    let limit = if settings.enabled {
        format!(" of {}, then it is summed up", number(settings.threshold_tokens))
    } else {
        String::new()
    };
    let _ = write!(text, "{:9} {:>10} tokens{limit}", "together", number(total));
    Ok(Ran::Said(text))
}
