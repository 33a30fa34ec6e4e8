use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Usage;

/// What models cost. The built-in table is `data/prices.json`: list prices for one ordinary request, without discounts
/// for batches or surcharges for regions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceTable {
    models: BTreeMap<String, Price>,
}

/// The model that is none costs nothing, unless its scenario says so itself.
const FREE: Price = Price { input: 0.0, output: 0.0, cache_read: None, cache_write: None, long_prompt: None };

/// The price of a model, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Input that is neither read from nor written to the prompt cache.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input read from the prompt cache; where absent, it costs as much as other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Input written to the prompt cache for the shortest time; where absent, it costs as much as other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// What a request with a long prompt costs instead, its output included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_prompt: Option<LongPrompt>,
}

/// The price of requests with a long prompt, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LongPrompt {
    /// The number of tokens in the prompt, cached ones included, above which this price holds.
    pub above: u64,
    /// Input that is neither read from nor written to the prompt cache.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input read from the prompt cache.
    pub cache_read: f64,
    /// Input written to the prompt cache.
    pub cache_write: f64,
}

/// A table of prices could not be read.
#[derive(Debug, Error)]
#[error("the table of model prices is not valid")]
pub struct InvalidPrices(#[source] serde_json::Error);

static BUILTIN: LazyLock<PriceTable> = LazyLock::new(|| {
    PriceTable::from_json(include_str!("../data/prices.json")).expect("the built-in table is read by a test")
});

impl PriceTable {
    /// The list prices that Mimir knows.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads a table in the format of `data/prices.json`.
    pub fn from_json(text: &str) -> Result<Self, InvalidPrices> {
        serde_json::from_str(text).map_err(InvalidPrices)
    }

    /// The price of `model`: by its whole name, else without a provider in front (`anthropic/…`), a variant in brackets
    /// (`…[1m]`) or a date at the end (`…-20251001`, `…-2026-04-01`). `scripted`, alone or with a role, is free.
    pub fn price(&self, model: &str) -> Option<&Price> {
        let is_scripted = model == "scripted" || model.starts_with("scripted/");
        let found = self.models.get(model);
        found.or_else(|| if is_scripted { Some(&FREE) } else { self.models.get(plain_name(model)) })
    }

    /// What `usage` of one request to `model` costs, in US dollars; nothing for a model that has no known price.
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<f64> {
        self.price(model).map(|price| price.cost(usage))
    }

    /// Adds a price, or replaces the one there was.
    pub fn insert(&mut self, model: impl Into<String>, price: Price) {
        self.models.insert(model.into(), price);
    }

    /// All models with a price, by name.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.models.iter().map(|(model, price)| (model.as_str(), price))
    }
}

impl Price {
    /// What `usage` of one request costs, in US dollars.
    pub fn cost(&self, usage: &Usage) -> f64 {
        let (input, output, read, write) = match self.long_prompt {
            Some(long) if usage.prompt_tokens() > long.above => {
                (long.input, long.output, long.cache_read, long.cache_write)
            }
            _ => {
                (self.input, self.output, self.cache_read.unwrap_or(self.input), self.cache_write.unwrap_or(self.input))
            }
        };
        (usage.input_tokens as f64 * input
            + usage.output_tokens as f64 * output
            + usage.cache_read_tokens as f64 * read
            + usage.cache_write_tokens as f64 * write)
            / 1e6
    }
}

impl Price {
    /// The most that one request with so many tokens can cost, in US dollars, whatever becomes of the prompt's cache.
    pub fn most(&self, prompt_tokens: u64, output_tokens: u64) -> f64 {
        let kinds = [
            Usage { input_tokens: prompt_tokens, ..Usage::default() },
            Usage { cache_read_tokens: prompt_tokens, ..Usage::default() },
            Usage { cache_write_tokens: prompt_tokens, ..Usage::default() },
        ];
        let costs = kinds.map(|usage| self.cost(&Usage { output_tokens, ..usage }));
        costs.into_iter().fold(0.0, f64::max)
    }
}

fn plain_name(model: &str) -> &str {
    let model = model.rsplit_once('/').map_or(model, |(_, name)| name);
    let model = model.split_once('[').map_or(model, |(name, _)| name);
    let without = |digits: &[usize]| {
        let mut rest = model;
        for count in digits {
            let (before, last) = rest.rsplit_once('-')?;
            if last.len() != *count || !last.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            rest = before;
        }
        Some(rest)
    };
    without(&[8]).or_else(|| without(&[2, 2, 4])).unwrap_or(model)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    fn check(model: &str, usage: Usage, expected: Option<f64>) {
        let cost = PriceTable::builtin().cost(model, &usage);
        match (cost, expected) {
            (Some(cost), Some(expected)) => assert!((cost - expected).abs() < 1e-9, "{model}: {cost} != {expected}"),
            (cost, expected) => assert_eq!(cost, expected, "{model}"),
        }
    }

    #[test]
    fn costs_what_the_list_says() {
        let million = Usage::new(1_000_000, 1_000_000);
        let cached = Usage { cache_read_tokens: 1_000_000, cache_write_tokens: 1_000_000, ..Usage::default() };
        check("claude-opus-5", million, Some(30.0));
        check("claude-opus-5", cached, Some(6.75));
        check("anthropic/claude-sonnet-4-5-20250929", million, Some(18.0));
        check("claude-sonnet-5-5[1m]", million, Some(12.0));
        check("gpt-5-2026-04-01", Usage::new(1_000, 0), Some(0.001_25));
        check("gpt-5", Usage { cache_write_tokens: 1_000_000, ..Usage::default() }, Some(1.25));
        check("gpt-5-12-34", million, None);
        check("gpt-4o-mini-2024-07-18", million, Some(0.75));
        check("openai/gpt-4.1", million, Some(10.0));
        check("openrouter/anthropic/claude-sonnet-4-5", million, Some(18.0));
        check("scripted", million, Some(0.0));
        check("scripted/explore", million, Some(0.0));
        check("local/scripted", million, None);
        check("no-such-model", million, None);
        check("", Usage::default(), None);
    }

    #[test]
    fn a_long_prompt_costs_more_in_whole() {
        check("claude-haiku-5-5", Usage::new(100_000, 1_000_000), Some(0.51));
        check("gpt-5.4", Usage::new(272_000, 1_000_000), Some(15.68));
        check("gpt-5.4", Usage::new(300_000, 1_000_000), Some(24.0));
        check("gpt-6.2-sol", Usage { cache_read_tokens: 300_000, ..Usage::default() }, Some(0.06));
        check("claude-haiku-5-5", Usage { cache_read_tokens: 1, ..Usage::new(100_000, 1_000_000) }, Some(2.550_000_05));
    }

    #[test]
    fn the_most_is_no_less_than_any_cost() {
        for (model, price) in PriceTable::builtin().models() {
            for prompt in [0, 10, 150_000, 300_000, 2_000_000] {
                let (third, rest) = (prompt / 3, prompt - prompt / 3 * 2);
                let mixed =
                    Usage { input_tokens: third, output_tokens: 7, cache_read_tokens: third, cache_write_tokens: rest };
                assert!(price.most(prompt, 7) + 1e-9 >= price.cost(&mixed), "{model} {prompt}");
            }
        }
    }

    #[test]
    fn every_builtin_price_is_plausible() {
        let mut seen = 0;
        for (model, price) in PriceTable::builtin().models() {
            seen += 1;
            assert!(price.input > 0.0 && price.output > price.input, "{model}");
            assert!(price.cache_read.is_none_or(|read| read < price.input), "{model}");
            assert_eq!(PriceTable::builtin().price(model), Some(price));
        }
        assert!(seen > 10);
    }

    #[test]
    fn a_misspelt_price_is_an_error() {
        let error =
            PriceTable::from_json(r#"{"models": {"m": {"input": 1, "output": 2, "cacheReed": 3}}}"#).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("cacheReed"));
    }
}
