#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::http::HttpProvider;
use crate::http::testing::{
    Reply, Told, at_once, check_cuts, events, pretty, provider, read, request, settings, shown,
};
use crate::{LlmProvider as _, NoCredentials, ProviderKind};

const KIND: ProviderKind = ProviderKind::OpenAi;

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "model": "m-1-2026-01-01",
           "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null})
}

fn call(index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: &Value) -> Value {
    let mut call = json!({"type": "function", "function": {"arguments": arguments}});
    if let Some(index) = index {
        call["index"] = index.into();
    }
    if let Some(id) = id {
        call["id"] = id.into();
    }
    if let Some(name) = name {
        call["function"]["name"] = name.into();
    }
    json!({"tool_calls": [call]})
}

fn done(chunks: &[Value]) -> String {
    events(chunks) + "data: [DONE]\n\n"
}

/// An answer with text and two calls.
fn answer() -> String {
    done(&[
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"content": "Größe "}), None),
        chunk(&json!({"content": "👍"}), None),
        chunk(&call(Some(0), Some("call_1"), Some("mcp_read"), &json!("")), None),
        chunk(&call(Some(0), None, None, &json!("{\"path\": \"a")), None),
        chunk(&call(Some(1), Some("call_2"), Some("bash"), &json!("")), None),
        chunk(&call(Some(0), None, None, &json!(".txt\", \"n\": 1.0}")), None),
        chunk(&json!({}), Some("tool_calls")),
        json!({"id": "c1", "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109,
            "prompt_tokens_details": {"cached_tokens": 60}}}),
    ])
}

#[test]
fn a_request_is_written_as_servers_take_it() {
    let told = Told::new([Reply::new(200, &answer())]);
    at_once(provider(KIND, &told).complete(&request())).unwrap();
    insta::assert_snapshot!(pretty(&told.bodies()[0]));
    assert_eq!(told.requests.lock().unwrap()[0].url, "http://localhost:1/v1/chat/completions");
    assert_eq!(told.sent("authorization").unwrap(), "Bearer sk-secret-key");
}

#[test]
fn an_answer_is_read() {
    insta::assert_snapshot!(pretty(&shown(KIND, &answer())));
}

#[test]
fn an_answer_that_did_not_come_as_a_stream_is_read() {
    let body = json!({"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": [{"type": "text", "text": "hello"}],
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "bash", "arguments": {"command": "ls"}}}],
    }}], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "cost": 0.25}});
    insta::assert_snapshot!(pretty(&shown(KIND, &body.to_string())));
}

#[test]
fn where_a_stream_is_cut_does_not_matter() {
    check_cuts(KIND, &answer(), 1);
    check_cuts(KIND, &format!("\u{feff}: hello\r\n{}", answer().replace('\n', "\r\n")), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn how_a_stream_is_cut_does_not_matter(size in 1_usize..300) {
        let body = answer().into_bytes();
        let pieces = body.chunks(size).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(read(KIND, pieces).0, read(KIND, vec![body]).0);
    }

    #[test]
    fn nothing_that_comes_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), after in any::<bool>()) {
        let mut body = if after { answer().into_bytes()[..500].to_vec() } else { Vec::new() };
        body.extend(bytes);
        prop_assert!(read(KIND, vec![body]).1.is_some());
    }
}

/// The calls of an answer as `name(arguments)#id`.
fn check_calls(chunks: &[Value], expected: &[&str]) {
    let shown = shown(KIND, &done(chunks));
    let parts = shown["content"].as_array().unwrap_or_else(|| panic!("{shown}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = parts.iter().filter(|part| part["type"] == "toolCall");
    let calls: Vec<String> =
        calls.map(|call| format!("{}({})#{}", text(&call["name"]), call["args"], text(&call["id"]))).collect();
    assert_eq!(calls, expected);
    assert_eq!(shown["stop"], "toolCalls");
}

#[test]
fn calls_are_told_apart_however_a_server_numbers_them() {
    let stop = || chunk(&json!({}), Some("stop"));
    // Whole calls, one an event, all with the same number
    check_calls(
        &[
            chunk(&call(Some(0), Some("a"), Some("bash"), &json!("{\"x\":1}")), None),
            chunk(&call(Some(0), Some("b"), Some("bash"), &json!("{\"x\":2}")), None),
            stop(),
        ],
        &["bash({\"x\":1})#a", "bash({\"x\":2})#b"],
    );
    // Neither a number nor an id; arguments as an object
    check_calls(
        &[
            chunk(&call(None, None, Some("bash"), &json!({"x": 1})), None),
            chunk(&call(None, None, Some("bash"), &json!({"x": 2})), None),
            stop(),
        ],
        &["bash({\"x\":1})#call_7_1", "bash({\"x\":2})#call_7_2"],
    );
    // The id with every piece
    check_calls(
        &[
            chunk(&call(Some(0), Some("a"), Some("bash"), &json!("{\"x\"")), None),
            chunk(&call(Some(0), Some("a"), None, &json!(":1}")), None),
            stop(),
        ],
        &["bash({\"x\":1})#a"],
    );
    // An id with control characters, and a null
    check_calls(
        &[chunk(&call(Some(3), Some("a\u{1b}"), Some("ba\u{1b}sh"), &Value::Null), None), stop()],
        &["bash({})#call_7_1"],
    );
}

#[test]
fn an_end_is_an_end_in_every_form() {
    let hi = |finish| chunk(&json!({"content": "hi"}), finish);
    let check = |body: &str, stop: &str, is_estimated: bool| {
        let shown = shown(KIND, body);
        assert_eq!(
            (&shown["stop"], &shown["usageIsEstimated"]),
            (&json!(stop), &json!(is_estimated)),
            "{body} {shown}"
        );
    };
    check(&done(&[hi(Some("stop"))]), "end", true);
    check(&events(&[hi(Some("stop"))]), "end", true);
    check(&done(&[hi(None)]), "end", true);
    check(done(&[hi(None)]).trim_end(), "end", true);
    check(&done(&[hi(Some("length"))]), "maxTokens", true);
    check(&done(&[hi(Some("content_filter"))]), "refused", true);
    check(&done(&[hi(Some("odd"))]), "odd", true);
    check(&done(&[hi(Some("tool_calls"))]), "end", true);
    check(&done(&[chunk(&json!({"refusal": "no"}), None), hi(Some("stop"))]), "refused", true);
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    check(&done(&[hi(Some("stop")), usage]), "end", false);
    let nothing = json!({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}});
    check(&done(&[hi(Some("stop")), nothing]), "end", true);
}

#[test]
fn what_is_no_answer_is_said() {
    let check = |body: &str, expected: &str| {
        let shown = shown(KIND, body);
        assert_eq!(shown["error"].as_str().unwrap_or_default(), expected, "{shown}");
    };
    let begun = events(&[chunk(&json!({"content": "so far"}), None)]);
    let nonsense = "p sent an answer that can't be understood: ";
    check(&begun, "the answer of p broke off: the connection ended");
    check(&format!("{begun}data: {{\"error\": {{\"message\": \"down\"}}}}\n\n"), "the answer of p broke off: down");
    check(
        "data: {\"error\": {\"message\": \"slow down\", \"type\": \"rate_limit_exceeded\"}}\n\n",
        "p asks for fewer requests",
    );
    check(
        "data: {\"error\": {\"message\": \"sk-secret-key is wrong\"}}\n\n",
        "p is not available (status 500): … is wrong",
    );
    check("data: [DONE]\n\n", &format!("{nonsense}it ends without having begun"));
    check("data: 1\n\n", &format!("{nonsense}an event is no object"));
    check("{}", &format!("{nonsense}there is no message in it"));
    check("[1", "the answer of p broke off: the connection ended");
    check("{\"error\": \"model not found\"}", "p is not available (status 500): model not found");
}

#[test]
fn a_server_that_knows_less_is_asked_for_less() {
    let refused = |message: &str| Reply::new(400, &json!({"error": {"message": message}}).to_string());
    let told = Told::new([
        refused("Unknown parameter: stream_options"),
        refused("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
        Reply::new(200, &answer()),
        Reply::new(200, &answer()),
        refused("max_completion_tokens is too large"),
    ]);
    let provider = provider(KIND, &told);
    for _ in 0..2 {
        at_once(provider.complete(&request())).unwrap();
    }
    let error = at_once(provider.complete(&request())).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let has =
        |body: &Value| ["stream_options", "max_tokens", "max_completion_tokens"].map(|key| body.get(key).is_some());
    let sent: Vec<_> = told.bodies().iter().map(has).collect();
    let adapted = [false, false, true];
    assert_eq!(sent, [[true, true, false], [false, true, false], adapted, adapted, adapted]);

    let told =
        Told::new([refused("Extra inputs are not permitted: max_completion_tokens"), Reply::new(200, &answer())]);
    let mut settings = settings(KIND);
    settings.base_url = "https://api.openai.com/v1".to_owned();
    let provider =
        HttpProvider::new(settings, std::sync::Arc::clone(&told) as _, std::sync::Arc::new(NoCredentials)).unwrap();
    at_once(provider.complete(&request())).unwrap();
    assert_eq!(told.bodies().iter().map(has).collect::<Vec<_>>(), [[true, false, true], [true, true, false]]);
}

#[test]
fn tokens_are_estimated() {
    let told = Told::new([]);
    assert!(at_once(provider(KIND, &told).count_tokens(&request())).unwrap() > 200);
    assert!(told.requests.lock().unwrap().is_empty());
}
