use std::time::Duration;

use super::file::{Condition, Failure, FailureKind};
use super::fill::Seen;
use super::model::NAME;
use crate::ProviderError;

/// How much of what was found instead is shown, in characters.
const SHOWN: usize = 200;

/// What it says about a failure.
pub(super) fn words(failure: &Failure) -> String {
    failure.message.clone().unwrap_or_else(|| "the scenario says so".to_owned())
}

/// The error of a provider that fails so.
pub(super) fn failure(failure: &Failure) -> ProviderError {
    let provider = NAME.to_owned();
    let message = words(failure);
    let retry_after = failure.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match failure.kind {
        FailureKind::RateLimited => ProviderError::RateLimited { provider, retry_after },
        FailureKind::Overloaded => ProviderError::Unavailable { provider, status: 529, message, retry_after },
        FailureKind::Unauthorized => ProviderError::Unauthorized { provider },
        FailureKind::Rejected => ProviderError::Rejected { provider, status: 400, message },
        FailureKind::TooLong => {
            ProviderError::Rejected { provider, status: 400, message: format!("prompt is too long: {message}") }
        }
        FailureKind::Unreachable | FailureKind::Interrupted => {
            ProviderError::Transport { provider, source: message.into() }
        }
        FailureKind::Nonsense => ProviderError::InvalidReply { provider, detail: message },
    }
}

/// Something else was expected.
pub(super) fn unexpected(condition: &Condition, seen: &Seen<'_>) -> ProviderError {
    let found = seen.text();
    let found = if found.is_empty() { &seen.user } else { &found };
    let shown: String = found.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    let message = format!("the scenario expects {}, and found `{}`", in_words(condition), shown.trim());
    ProviderError::Rejected { provider: NAME.to_owned(), status: 417, message }
}

fn in_words(condition: &Condition) -> String {
    let Condition { tool, result, result_matches, is_error, user, user_matches, not, any } = condition;
    let quoted = |before: &str, text: &Option<String>| text.as_ref().map(|text| format!("{before} `{text}`"));
    let said = [
        quoted("a result of", tool),
        quoted("a result with", result),
        quoted("a result like", result_matches),
        is_error.map(|is_error| if is_error { "a failure" } else { "no failure" }.to_owned()),
        quoted("the person to say", user),
        quoted("the person to say something like", user_matches),
        not.as_ref().map(|condition| format!("not ({})", in_words(condition))),
        (!any.is_empty()).then(|| any.iter().map(in_words).collect::<Vec<_>>().join(" or ")),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(" and ") }
}
