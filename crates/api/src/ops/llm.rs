//! `ctx.llm`: what a call may cost is set aside before the provider is asked, and replaced by what it did cost.

mod stream;

use std::sync::Arc;

use mimir_shared_config::{Access, Llm};
use mimir_shared_platform::Guard;
use mimir_shared_providers::{
    BudgetExceeded, BudgetMeter, ChatRequest, ChatResponse, Message, ProviderError, Role, ToolDefinition, Usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::ledger::Charge;
use crate::{ApiError, ErrorCode, Models};

pub(crate) use self::stream::{Chats, cancel, read, stream};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChatArgs {
    model: String,
    messages: Messages,
    #[serde(default)]
    tools: Vec<ToolDefinition>,
    max_tokens: Option<u64>,
    temperature: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Messages {
    /// What the user says, alone.
    Text(String),
    Whole(Vec<Message>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CostArgs {
    model: String,
    usage: Usage,
}

pub(crate) async fn chat(call: &Arc<Call>) -> Result<Value, ApiError> {
    let args: ChatArgs = call.args()?;
    let (mut request, asked) = request(call, args)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    let models = models(call)?;
    let _turn = call.wait(call.turn.model()).await?;
    let mut charge = reserve(call, models, &mut request, asked).await?;
    charge.sent();
    match models.provider.complete(&request).await {
        Ok(response) => Ok(settled(call, models, &request, charge, &response)),
        Err(error) => Err(failed(charge, &error)),
    }
}

pub(crate) async fn count_tokens(call: &Arc<Call>) -> Result<Value, ApiError> {
    let args: ChatArgs = call.args()?;
    let (request, _) = request(call, args)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    let models = models(call)?;
    let _turn = call.wait(call.turn.model()).await?;
    models.provider.count_tokens(&request).await.map(Value::from).map_err(|error| failure(&error))
}

/// What a use of tokens costs, in US dollars; `null` for a model without a known price.
pub(crate) fn calculate_cost(call: &Arc<Call>) -> Result<Value, ApiError> {
    let CostArgs { model, usage } = call.args()?;
    check_model(call, &model)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    Ok(json!(models(call)?.prices.cost(&model, &usage)))
}

/// The budget of this session, in US dollars. `limit` and `remaining` are `null` where there is no limit.
pub(crate) fn budget(call: &Arc<Call>) -> Result<Value, ApiError> {
    let allowed = allowed(call)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    let meter = meter(call, &allowed);
    Ok(json!({ "limit": meter.limit(), "spent": meter.spent(), "remaining": meter.remaining() }))
}

/// What the provider will be asked, and how many tokens the answer was asked to have at most.
fn request(call: &Call, args: ChatArgs) -> Result<(ChatRequest, Option<u64>), ApiError> {
    let ChatArgs { model, messages, tools, max_tokens, temperature } = args;
    check_model(call, &model)?;
    if temperature.is_some_and(|temperature| !(0.0..=1.0).contains(&temperature)) {
        return Err(ApiError::invalid("`temperature` has to be from 0 to 1"));
    }
    if max_tokens == Some(0) {
        return Err(ApiError::invalid("`maxTokens` has to be at least 1"));
    }
    let messages = match messages {
        Messages::Text(text) => vec![Message::text(Role::User, text)],
        Messages::Whole(messages) => messages,
    };
    if messages.is_empty() {
        return Err(ApiError::invalid("there is no message"));
    }
    Ok((ChatRequest { model, messages, tools, max_output_tokens: 0, temperature }, max_tokens))
}

fn check_model(call: &Call, model: &str) -> Result<(), ApiError> {
    if model.is_empty() || model.len() > 200 || model.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ApiError::invalid("`model` is no name of a model"));
    }
    match call.check(&Access::Llm { model: model.to_owned() }) {
        Err(_) if !Guard::LlmModels.stands() && allowed(call).is_ok() => Ok(()),
        checked => checked,
    }
}

/// How much of models the plugin may use, if it may use any.
fn allowed(call: &Call) -> Result<Llm, ApiError> {
    let allowed = call.shared.ports.gate.llm(&call.plugin);
    if !allowed.enabled {
        call.check(&Access::Llm { model: "any".to_owned() })?;
        return Err(ApiError::new(ErrorCode::CapabilityDenied, "language models are not granted"));
    }
    Ok(allowed)
}

fn models(call: &Call) -> Result<&Models, ApiError> {
    call.shared.ports.models.as_ref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, "no provider of language models is set up here")
            .with_hint("`ctx.llm` works where Mimir runs with a provider, not in a replay")
    })
}

fn meter(call: &Call, allowed: &Llm) -> BudgetMeter {
    call.shared.ledger.meter(&call.plugin.id, call.origin.session_id.as_ref(), allowed.budget)
}

/// Bounds the answer, and sets aside the most that the call may cost.
async fn reserve(
    call: &Call,
    models: &Models,
    request: &mut ChatRequest,
    asked: Option<u64>,
) -> Result<Charge, ApiError> {
    let allowed = allowed(call)?;
    let limits = &call.shared.limits;
    // A provider's count may be an estimate, and what a call costs beyond it is found out too late
    let counted = models.provider.count_tokens(request).await.map_err(|error| failure(&error))?;
    let prompt = counted.saturating_add(counted / 20).saturating_add(16);
    let limit = allowed.max_tokens.unwrap_or(u64::MAX).min(limits.tokens);
    let left = limit.saturating_sub(prompt);
    if Guard::LlmTokens.stands() && (left == 0 || asked.is_some_and(|asked| asked > left)) {
        let answer = asked.map(|asked| format!(" and {asked} of an answer")).unwrap_or_default();
        let message = format!("{prompt} tokens of a question{answer} are more than the {limit} that a call may use");
        return Err(ApiError::limit(message)
            .with_hint("make the question shorter or `maxTokens` smaller, or raise `capabilities.llm.maxTokens`"));
    }
    request.max_output_tokens = asked.unwrap_or(limits.answer_tokens.min(left)).max(1);
    let meter = meter(call, &allowed);
    let most = models.prices.price(&request.model).map(|price| price.most(prompt, request.max_output_tokens));
    call.note("reserved", most);
    match most {
        Some(most) if Guard::LlmReserved.stands() => Charge::reserve(meter, most).map_err(|error| exceeded(&error)),
        Some(most) => Ok(Charge::unreserved(meter, most)),
        None if allowed.budget.is_none() || !Guard::LlmReserved.stands() => Ok(Charge::unreserved(meter, 0.0)),
        None => Err(ApiError::limit(format!(
            "`{}` has no known price, so a budget can't be kept with it",
            request.model.escape_debug()
        ))
        .with_hint("call a model with a known price")),
    }
}

fn settled(call: &Call, models: &Models, request: &ChatRequest, charge: Charge, response: &ChatResponse) -> Value {
    // The model that answered may be a dated version of the one that was asked, or another one
    let costs = [&request.model, &response.model].map(|model| models.prices.cost(model, &response.usage));
    let cost = costs.into_iter().chain([response.cost]).flatten().reduce(f64::max);
    charge.settle(cost.unwrap_or(0.0));
    call.note("inputTokens", response.usage.prompt_tokens());
    call.note("outputTokens", response.usage.output_tokens);
    call.note("cost", cost);
    json!({
        "text": response.message.plain_text(),
        "message": response.message,
        "stop": response.stop.as_str(),
        "usage": response.usage,
        "cost": cost,
        "model": response.model,
    })
}

/// What a failed call gives back: all of it only where it is certain that nothing was used.
fn failed(charge: Charge, error: &ProviderError) -> ApiError {
    if error.is_free() {
        charge.settle(0.0);
    } else {
        drop(charge);
    }
    failure(error)
}

/// What went wrong, without its causes: they may show how Mimir reaches the provider.
fn failure(error: &ProviderError) -> ApiError {
    let code = match error {
        ProviderError::RateLimited { .. } | ProviderError::Budget(_) => ErrorCode::Limit,
        ProviderError::UnknownProvider { .. } | ProviderError::NoModel { .. } => ErrorCode::NotFound,
        ProviderError::Unauthorized { .. }
        | ProviderError::NoCredentials { .. }
        | ProviderError::Credentials { .. }
        | ProviderError::Unavailable { .. }
        | ProviderError::Rejected { .. }
        | ProviderError::Transport { .. }
        | ProviderError::Interrupted { .. }
        | ProviderError::InvalidReply { .. } => ErrorCode::Io,
    };
    ApiError::new(code, error.to_string())
}

fn exceeded(error: &BudgetExceeded) -> ApiError {
    ApiError::limit(error.to_string())
        .with_hint("raise `budget` under `capabilities.llm` in plugin.yml, or ask for fewer tokens")
}
