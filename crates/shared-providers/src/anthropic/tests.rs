#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::http::testing::{Reply, Told, at_once, check_cuts, events, pretty, provider, read, request, shown};
use crate::{LlmProvider as _, Message, ProviderError, ProviderKind, Role};

const KIND: ProviderKind = ProviderKind::Anthropic;

/// An answer with text, thinking and two calls.
fn answer() -> String {
    let text =
        |text: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text}});
    let input = |more: &str| json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": more}});
    events(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": "m-1-20260101", "content": [], "stop_reason": null,
            "usage": {"input_tokens": 25, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 100, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "abc"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        text("Größe "),
        text("👍"),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "mcp_read", "input": {}}}),
        input(""),
        input("{\"path\": \"a"),
        input(".txt\", \"n\": 1.0}"),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "content_block_start", "index": 3, "content_block": {"type": "tool_use", "id": "toolu_2", "name": "bash", "input": {}}}),
        json!({"type": "content_block_stop", "index": 3}),
        json!({"type": "later_event", "what": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 15}}),
        json!({"type": "message_stop"}),
    ])
}

#[test]
fn a_request_is_written_as_the_service_takes_it() {
    let told = Told::new([Reply::new(200, &answer())]);
    at_once(provider(KIND, &told).complete(&request())).unwrap();
    insta::assert_snapshot!(pretty(&told.bodies()[0]));
    let sent = |name| told.sent(name).unwrap_or_default();
    assert_eq!(told.requests.lock().unwrap()[0].url, "http://localhost:1/v1/messages");
    assert_eq!((sent("x-api-key").as_str(), sent("anthropic-version").as_str()), ("sk-secret-key", "2023-06-01"));
    assert_eq!((sent("authorization").as_str(), sent("accept-encoding").as_str()), ("", "identity"));
}

#[test]
fn a_single_question_is_not_marked_for_the_cache() {
    let told = Told::new([Reply::new(200, &answer())]);
    let mut request = request();
    request.tools.clear();
    request.messages = vec![Message::text(Role::Assistant, "before "), Message::text(Role::Assistant, "after ")];
    at_once(provider(KIND, &told).complete(&request)).unwrap();
    assert_eq!(
        told.bodies()[0]["messages"],
        json!([
            {"role": "user", "content": "(what was said before is left out)"},
            {"role": "assistant", "content": [{"type": "text", "text": "before "}, {"type": "text", "text": "after"}]},
        ])
    );
    assert_eq!(told.bodies()[0].get("tools"), None);
    request.messages =
        vec![Message::text(Role::System, "a"), Message::text(Role::System, "b"), Message::text(Role::User, "c")];
    let told = Told::new([Reply::new(200, &answer())]);
    at_once(provider(KIND, &told).complete(&request)).unwrap();
    assert_eq!(told.bodies()[0]["system"], "a\n\nb");
    assert_eq!(told.bodies()[0]["messages"], json!([{"role": "user", "content": "c"}]));
}

#[test]
fn an_answer_is_read() {
    insta::assert_snapshot!(pretty(&shown(KIND, &answer())));
}

#[test]
fn an_answer_that_did_not_come_as_a_stream_is_read() {
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [
        {"type": "text", "text": "hello"}, {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}},
    ], "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 4}});
    insta::assert_snapshot!(pretty(&shown(KIND, &format!(" \n{body}"))));
}

#[test]
fn where_a_stream_is_cut_does_not_matter() {
    check_cuts(KIND, &answer(), 1);
    check_cuts(KIND, &answer().replace('\n', "\r\n"), 7);
    check_cuts(KIND, &format!(": hello\n\n{}", answer().replace('\n', "\r")), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn how_a_stream_is_cut_does_not_matter(sizes in proptest::collection::vec(1_usize..400, 1..40)) {
        let body = answer().into_bytes();
        let mut pieces = Vec::new();
        let mut rest = body.as_slice();
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read(KIND, pieces).0, read(KIND, vec![body]).0);
    }

    #[test]
    fn nothing_that_comes_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), after in any::<bool>()) {
        let mut body = if after { answer().into_bytes()[..600].to_vec() } else { Vec::new() };
        body.extend(bytes);
        prop_assert!(read(KIND, vec![body]).1.is_some());
    }
}

fn check_trouble(body: &str, expected: &str) {
    let shown = shown(KIND, body);
    assert_eq!(shown["error"].as_str().unwrap_or_default(), expected, "{shown}");
}

#[test]
fn what_is_no_answer_is_said() {
    let start = events(&[
        json!({"type": "message_start", "message": {"model": "m"}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ]);
    let begun = start.clone()
        + &events(&[
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "so far"}}),
        ]);
    let overloaded = events(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy\u{7}"}})]);
    let nonsense = "p sent an answer that can't be understood: ";
    check_trouble(&overloaded, "p is not available (status 529): busy");
    check_trouble(&format!("{begun}{overloaded}"), "the answer of p broke off: busy");
    check_trouble(&begun, "the answer of p broke off: the connection ended");
    check_trouble("", "the answer of p broke off: it ended before it began");
    check_trouble("event: message_stop\ndata: {}\n\n", &format!("{nonsense}it ends without having begun"));
    check_trouble(&format!("{start}data: {{no\n\n"), &format!("{nonsense}an event of 3 bytes is no JSON"));
    check_trouble("<html><title>hi</title>", &format!("{nonsense}it is a page of HTML, `hi`"));
    check_trouble("hello", &format!("{nonsense}it is neither a stream of events nor JSON, but `hello`"));
    check_trouble("{\"content\": 1}", &format!("{nonsense}it has no content"));
    check_trouble("{\"content\": [", "the answer of p broke off: the connection ended");
    check_trouble(
        &json!({"type": "error", "error": {"type": "invalid_request_error", "message": "bad"}}).to_string(),
        "p refused the request with status 400: bad",
    );
    let mut many = start;
    for index in 1..200 {
        let block = json!({"type": "tool_use", "id": "x", "name": "y"});
        many += &events(&[json!({"type": "content_block_start", "index": index, "content_block": block})]);
    }
    check_trouble(&many, &format!("{nonsense}it has more than 128 calls of tools"));
}

#[test]
fn a_call_that_was_cut_off_is_not_kept() {
    let whole = answer();
    let cut = whole.find("toolu_2").unwrap();
    let shown = shown(KIND, &whole[..cut]);
    let kinds: Vec<&Value> = shown["partial"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["thinking", "text", "toolCall"], "{shown}");
    let cut = whole.find(".txt").unwrap();
    let shown = self::shown(KIND, &whole[..cut]);
    assert!(!shown["partial"].to_string().contains("toolCall"), "{shown}");
}

#[test]
fn arguments_that_are_none_stay_a_text() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for arguments in ["{\"a\": ", &deep] {
        let body = events(&[
            json!({"type": "message_start", "message": {}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "1", "name": "bash"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": arguments}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}),
            json!({"type": "message_stop"}),
        ]);
        let shown = shown(KIND, &body);
        assert_eq!((&shown["content"][0]["args"], &shown["stop"]), (&json!(arguments), &json!("maxTokens")), "{shown}");
    }
}

#[test]
fn a_service_that_counts_nothing_is_not_believed() {
    let nothing = answer().replace(": 25", ": 0").replace(":25,", ":0,").replace(":7,", ":0,").replace(":100,", ":0,");
    let nothing = nothing
        .replace("\"output_tokens\":15", "\"output_tokens\":0")
        .replace("\"output_tokens\":1}", "\"output_tokens\":0}");
    let shown = shown(KIND, &nothing);
    assert_eq!(shown["usageIsEstimated"], true, "{shown}");
    assert!(shown["usage"]["inputTokens"].as_u64() > Some(100) && shown["usage"]["outputTokens"].as_u64() > Some(5));
}

#[test]
fn tokens_are_counted_by_the_service_or_estimated() {
    let told = Told::new([Reply::new(200, "{\"input_tokens\": 42}"), Reply::new(404, "no"), Reply::new(401, "")]);
    let provider = provider(KIND, &told);
    assert_eq!(at_once(provider.count_tokens(&request())).unwrap(), 42);
    let body = &told.bodies()[0];
    assert!(
        body.get("max_tokens").is_none() && body.get("stream").is_none() && !body.to_string().contains("cache_control")
    );
    assert!(told.requests.lock().unwrap()[0].url.ends_with("/v1/messages/count_tokens"));
    assert!(at_once(provider.count_tokens(&request())).unwrap() > 200);
    assert!(matches!(at_once(provider.count_tokens(&request())), Err(ProviderError::Unauthorized { .. })));
    assert!(at_once(provider.count_tokens(&request())).unwrap() > 200, "out of reach");
}
