use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use mimir_api::{ErrorCode, Models};
use mimir_shared_providers::{
    ChatRequest, ChatResponse, ChatStream, LlmProvider, PriceTable, ProviderError, ScriptedAnswer, ScriptedProvider,
    Usage,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Options, World, profile, world_with};

/// In these tests, a million tokens of `cheap` cost a dollar whichever way.
fn models(provider: Arc<dyn LlmProvider>) -> Models {
    let prices = r#"{"models": {"cheap": {"input": 1, "output": 1}, "dear": {"input": 1000, "output": 5000}}}"#;
    Models { provider, prices: Arc::new(PriceTable::from_json(prices).unwrap()) }
}

fn scripted(usage: Usage) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::repeating(ScriptedAnswer::new("hello", usage)))
}

fn world(llm: impl Into<Value>, provider: Arc<dyn LlmProvider>) -> World {
    world_with(Options {
        capabilities: json!({ "llm": llm.into() }),
        models: Some(models(provider)),
        ..Options::default()
    })
}

async fn spent(world: &World) -> f64 {
    world.call("llm.budget", json!({})).await.unwrap()["spent"].as_f64().unwrap()
}

#[tokio::test]
async fn answers_and_counts_what_it_cost() {
    let provider = scripted(Usage::new(100_000, 50_000));
    let world = world(json!({ "enabled": true, "budget": 1.0, "models": ["ch*"] }), Arc::clone(&provider) as _);
    let args = json!({ "model": "cheap", "messages": "hi", "maxTokens": 200_000, "temperature": 0.5 });
    let answer = world.call("llm.chat", args).await.unwrap();
    assert_eq!(
        answer,
        json!({
            "text": "hello",
            "message": { "role": "assistant", "content": "hello" },
            "stop": "end",
            "usage": { "inputTokens": 100_000, "outputTokens": 50_000, "cacheReadTokens": 0, "cacheWriteTokens": 0 },
            "cost": 0.15,
            "model": "cheap",
        })
    );
    let asked = &provider.requests()[0];
    assert_eq!((asked.max_output_tokens, asked.temperature), (200_000, Some(0.5)));
    let budget = world.call("llm.budget", json!({})).await.unwrap();
    assert_eq!(budget, json!({ "limit": 1.0, "spent": 0.15, "remaining": 0.85 }));
    let cost = json!({ "model": "cheap", "usage": { "inputTokens": 1_000_000 } });
    world.check("llm.calculateCost", cost, Ok(json!(1.0))).await;
    let unknown = json!({ "model": "chosen", "usage": {} });
    world.check("llm.calculateCost", unknown, Ok(Value::Null)).await;
    let count = world.call("llm.countTokens", json!({ "model": "cheap", "messages": "hi" })).await.unwrap();
    assert!(count.as_u64().unwrap() > 1);
    let line = world.audit.records().into_iter().find(|record| record.detail["op"] == "llm.chat").unwrap();
    assert_eq!((line.detail["cost"].as_f64(), line.detail["outputTokens"].as_u64()), (Some(0.15), Some(50_000)));
    assert!(!line.detail.to_string().contains("hello"), "no contents");
}

#[tokio::test]
async fn refuses_what_is_not_granted_or_makes_no_sense() {
    let provider = scripted(Usage::default());
    let bounded = json!({ "enabled": true, "budget": 1.0, "models": ["cheap", "free"], "maxTokens": 1_000 });
    let world = world(bounded, Arc::clone(&provider) as _);
    let chat = |more: Value| {
        let mut args = json!({ "model": "cheap", "messages": "hi" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    for (args, code, part) in [
        (chat(json!({ "model": "dear" })), "CAPABILITY_DENIED", "`dear` is not among the plugin's `llm.models`"),
        (chat(json!({ "model": "cheap/dear" })), "CAPABILITY_DENIED", "not among"),
        (chat(json!({ "model": "dear\ncheap" })), "INVALID_ARGUMENT", "no name of a model"),
        (chat(json!({ "model": "" })), "INVALID_ARGUMENT", "no name of a model"),
        (chat(json!({ "model": "free" })), "LIMIT", "no known price"),
        (chat(json!({ "maxTokens": 1_000 })), "LIMIT", "more than the 1000 that a call may use"),
        (chat(json!({ "maxTokens": u64::MAX })), "LIMIT", "more than"),
        (chat(json!({ "messages": "x".repeat(10_000) })), "LIMIT", "more than"),
        (chat(json!({ "maxTokens": 0 })), "INVALID_ARGUMENT", "at least 1"),
        (chat(json!({ "maxTokens": -1 })), "INVALID_ARGUMENT", "llm.chat"),
        (chat(json!({ "maxTokens": 0.5 })), "INVALID_ARGUMENT", "llm.chat"),
        (chat(json!({ "maxTokens": 1e300 })), "INVALID_ARGUMENT", "llm.chat"),
        (chat(json!({ "maxTokens": "5" })), "INVALID_ARGUMENT", "llm.chat"),
        (chat(json!({ "temperature": -1 })), "INVALID_ARGUMENT", "temperature"),
        (chat(json!({ "temperature": 1e300 })), "INVALID_ARGUMENT", "temperature"),
        (chat(json!({ "messages": [] })), "INVALID_ARGUMENT", "no message"),
        (chat(json!({ "budget": 100 })), "INVALID_ARGUMENT", "llm.chat"),
    ] {
        world.check("llm.chat", args, Err((code, part))).await;
    }
    assert!(provider.requests().is_empty(), "nothing was asked");
    assert_eq!(spent(&world).await, 0.0);

    let none = world_with(Options { models: Some(models(provider)), ..Options::default() });
    for (op, args) in [
        ("llm.chat", chat(json!({}))),
        ("llm.countTokens", chat(json!({}))),
        ("llm.calculateCost", json!({ "model": "cheap", "usage": {} })),
        ("llm.budget", json!({})),
    ] {
        none.check(op, args, Err(("CAPABILITY_DENIED", "needs the capability `llm`"))).await;
    }
}

#[tokio::test]
async fn without_a_provider_it_says_what_to_do() {
    let world = world_with(Options { capabilities: json!({ "llm": { "enabled": true } }), ..Options::default() });
    let error = world.call("llm.chat", json!({ "model": "cheap", "messages": "hi" })).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    assert!(error.hint.unwrap().contains("provider"));
}

#[tokio::test]
async fn a_budget_is_for_a_plugin_and_a_session() {
    let world = world(json!({ "enabled": true, "budget": 0.01 }), scripted(Usage::new(5_000, 4_000)));
    let args = || json!({ "model": "cheap", "messages": "hi" });
    world.call("llm.chat", args()).await.unwrap();
    let error = world.call("llm.chat", args()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Limit);
    assert!(error.message.starts_with("the budget of $0.0100 does not allow another"), "{error}");
    // Another plugin has its own, a call that asks for less still fits
    world.call_as(&profile("q", "/plugins/q"), "llm.chat", args()).await.unwrap();
    world.call("llm.chat", json!({ "model": "cheap", "messages": "hi", "maxTokens": 100 })).await.unwrap();
    world.check("llm.chat", args(), Err(("LIMIT", "the budget of"))).await;
}

#[tokio::test]
async fn without_a_budget_an_unknown_price_is_no_obstacle() {
    let world = world(json!({ "enabled": true }), scripted(Usage::new(1, 1)));
    let answer = world.call("llm.chat", json!({ "model": "local", "messages": "hi" })).await.unwrap();
    assert_eq!((&answer["cost"], spent(&world).await), (&Value::Null, 0.0));
}

/// Holds every answer back until it is let go, and counts those who wait.
struct Slow {
    asked: AtomicUsize,
    go: Semaphore,
    answers: ScriptedProvider,
}

#[async_trait]
impl LlmProvider for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop(self.go.acquire().await);
        self.answers.complete(request).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.stream(request).await
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        // All have counted before any goes on
        tokio::task::yield_now().await;
        self.answers.count_tokens(request).await
    }
}

fn slow(script: Vec<ScriptedAnswer>, repeats: bool) -> Arc<Slow> {
    let answers = match script.as_slice() {
        [one] if repeats => ScriptedProvider::repeating(one.clone()),
        _ => ScriptedProvider::new(script),
    };
    Arc::new(Slow { asked: AtomicUsize::new(0), go: Semaphore::new(0), answers })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_calls_never_spend_a_dollar_twice() {
    let provider = slow(vec![ScriptedAnswer::new("x", Usage::new(40, 1_000))], true);
    // A call reserves a little more than a thousandth of a dollar: nine fit, ten do not
    let world = Arc::new(world(json!({ "enabled": true, "budget": 0.01 }), Arc::clone(&provider) as _));
    let calls = (0..200).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let args = json!({ "model": "cheap", "messages": "hi", "maxTokens": 1_000 });
            world.call("llm.chat", args).await.map_err(|error| error.code)
        })
    });
    let mut calls = calls.collect::<Vec<_>>();
    // Those that are refused come back while the others hold what they reserved
    let mut refused = 0;
    while refused < 191 {
        let (result, _, rest) = futures_select(calls).await;
        assert_eq!(result.unwrap_err(), ErrorCode::Limit);
        refused += 1;
        calls = rest;
    }
    assert_eq!(spent(&world).await, 0.0);
    provider.go.add_permits(1_000);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(provider.asked.load(Ordering::SeqCst), 9);
    assert!(spent(&world).await <= 0.01);
}

/// The first of some tasks that ends, and the others.
async fn futures_select<T>(mut tasks: Vec<tokio::task::JoinHandle<T>>) -> (T, usize, Vec<tokio::task::JoinHandle<T>>) {
    let (value, at) = std::future::poll_fn(|context| {
        for (at, task) in tasks.iter_mut().enumerate() {
            if let std::task::Poll::Ready(value) = std::pin::Pin::new(task).poll(context) {
                return std::task::Poll::Ready((value.unwrap(), at));
            }
        }
        std::task::Poll::Pending
    })
    .await;
    drop(tasks.swap_remove(at));
    (value, at, tasks)
}

#[tokio::test]
async fn a_call_that_was_cut_off_counts_as_its_most() {
    let provider = slow(Vec::new(), false);
    let world = Arc::new(world(json!({ "enabled": true, "budget": 0.01 }), Arc::clone(&provider) as _));
    let args = json!({ "model": "cheap", "messages": "hi", "maxTokens": 1_000 });
    let call = {
        let (world, args) = (Arc::clone(&world), args.clone());
        tokio::spawn(async move { world.call("llm.chat", args).await })
    };
    while provider.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(spent(&world).await, 0.0);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let after = spent(&world).await;
    assert!(after > 0.001 && after < 0.0011, "{after}");
    // An answer that can't be understood may have cost something as well
    provider.go.add_permits(1);
    world.check("llm.chat", args, Err(("IO", "the script is over"))).await;
    assert!(spent(&world).await > after);
}

#[tokio::test]
async fn a_streamed_answer_comes_in_pieces_and_is_settled_at_its_end() {
    let pieces = ScriptedAnswer { pieces: vec!["hel".into(), "lo".into()], usage: Usage::new(100, 900) };
    let provider = Arc::new(ScriptedProvider::repeating(pieces));
    let world = world(json!({ "enabled": true, "budget": 0.01 }), provider);
    let args = || json!({ "model": "cheap", "messages": "hi", "maxTokens": 1_000 });
    let open = || async { world.call("llm.stream", args()).await };
    let stream = open().await.unwrap();
    for piece in ["hel", "lo"] {
        world.check("llm.read", stream.clone(), Ok(json!({ "text": piece }))).await;
    }
    assert_eq!(spent(&world).await, 0.0);
    let end = world.call("llm.read", stream.clone()).await.unwrap();
    assert_eq!((&end["answer"]["text"], &end["answer"]["cost"]), (&json!("hello"), &json!(0.001)));
    assert_eq!(spent(&world).await, 0.001);
    world.check("llm.read", stream, Err(("NOT_FOUND", "has ended"))).await;

    // One that is given up, or whose plugin is gone, counts as its most
    let stream = open().await.unwrap();
    world.check("llm.cancel", stream.clone(), Ok(Value::Null)).await;
    world.check("llm.read", stream, Err(("NOT_FOUND", "given up"))).await;
    let after = spent(&world).await;
    assert!(after > 0.002, "{after}");
    let stream = open().await.unwrap();
    let other = world.call_as(&profile("q", "/plugins/q"), "llm.read", stream.clone()).await;
    assert_eq!(other.unwrap_err().code, ErrorCode::NotFound, "another plugin's number means nothing");
    world.context.forget_open(&profile("p", "/plugins/p").id);
    world.check("llm.read", stream, Err(("NOT_FOUND", "given up"))).await;
    assert!(spent(&world).await > after + 0.001);

    // Those that are open hold what they reserved
    let mut opened = 0;
    while open().await.is_ok() {
        opened += 1;
    }
    assert!((4..=8).contains(&opened), "{opened}");
    world.check("llm.stream", args(), Err(("LIMIT", ""))).await;
}
