//! `fetch`, with a host on the other side that answers by the path of the address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mimir_sandbox::{CallFailure, HostCall, HostCallError, HostCalls, LayerReport, LogLine, PluginSandbox};
use mimir_shared_config::PluginId;
use serde_json::{Value, json};

use crate::host::{before, handler, options, process};

/// Keeps what it was asked, and is the server as well: `/echo` answers with the request itself, as JSON.
#[derive(Default)]
struct FetchHost {
    requests: Mutex<Vec<Value>>,
    logs: Mutex<Vec<String>>,
    /// What is left of the bodies that are read piece by piece, by request.
    open: Mutex<HashMap<u64, Vec<&'static str>>>,
    cancelled: Mutex<Vec<u64>>,
}

impl FetchHost {
    async fn read(&self, id: u64) -> Result<String, HostCallError> {
        let next = {
            let mut open = self.open.lock().unwrap();
            let rest = open.get_mut(&id).unwrap();
            if rest.is_empty() { None } else { Some(rest.remove(0)) }
        };
        match next {
            None => Ok("null".into()),
            Some("hang") => std::future::pending().await,
            Some("broken") => Err(refusal("LIMIT", "the answer is too large", None)),
            Some(chunk) => Ok(json!(chunk).to_string()),
        }
    }

    /// An answer whose body is read later.
    fn stream(&self, url: &str, id: u64, pieces: &[&'static str]) -> String {
        self.open.lock().unwrap().insert(id, pieces.to_vec());
        json!({ "url": url, "status": 200, "headers": [], "stream": true, "redirected": false }).to_string()
    }
}

fn answer(url: &str, status: u16, headers: &[[&str; 2]], body: Option<&str>) -> String {
    let text = if status == 200 { "OK" } else { "" };
    json!({ "url": url, "status": status, "statusText": text, "headers": headers, "body": body, "redirected": false })
        .to_string()
}

fn refusal(code: &str, message: &str, capability: Option<&str>) -> HostCallError {
    HostCallError {
        code: code.into(),
        message: message.into(),
        capability: capability.map(Into::into),
        hint: capability.map(|_| "ask for it".into()),
    }
}

/// The bodies as base64: `hé`, `{"a":[1]}`, the bytes 0, 127, 128 and 255, `x=1&y=%20`, bytes that are no UTF-8.
const TEXT: &str = "aMOp";
const JSON: &str = "eyJhIjpbMV19";
const BYTES: &str = "AH+A/w==";
const FORM: &str = "eD0xJnk9JTIw";
const MULTIPART: &str = "LS1iDQpDb250ZW50LURpc3Bvc2l0aW9uOiBmb3JtLWRhdGE7IG5hbWU9ImEiDQoNCjENCi0tYi0tDQo=";

#[async_trait]
impl HostCalls for FetchHost {
    async fn call(&self, call: HostCall) -> Result<String, HostCallError> {
        let mut request: Value = serde_json::from_str(&call.args).unwrap();
        let id = request.as_object_mut().unwrap().remove("id").unwrap().as_u64().unwrap();
        match call.op.as_str() {
            "fetch" => {}
            "fetch.read" => return self.read(id).await,
            "fetch.cancel" => {
                self.cancelled.lock().unwrap().push(id);
                return Ok("null".into());
            }
            op => panic!("{op} is no part of fetch"),
        }
        self.requests.lock().unwrap().push(request.clone());
        let url = request["url"].as_str().unwrap();
        let plain = ["content-type", "text/plain;charset=utf-8"];
        Ok(match url.strip_prefix("https://host.test/").unwrap_or_default() {
            "text" => answer(url, 200, &[plain], Some(TEXT)),
            "json" => answer(url, 200, &[["content-type", "application/json"]], Some(JSON)),
            "bytes" => answer(url, 200, &[], Some(BYTES)),
            "form" => answer(url, 200, &[["content-type", "application/x-www-form-urlencoded"]], Some(FORM)),
            "multipart" => answer(url, 200, &[["content-type", "multipart/form-data; boundary=b"]], Some(MULTIPART)),
            "headers" => {
                answer(url, 200, &[["X-One", "1"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-one", "2"]], None)
            }
            "missing" => answer(url, 404, &[], Some(TEXT)),
            "empty" => answer(url, 204, &[], Some("")),
            "no-body" => answer(url, 200, &[], None),
            "moved" => {
                json!({ "url": "https://host.test/text#end", "status": 200, "statusText": "OK", "headers": [plain],
                "body": TEXT, "redirected": true })
                .to_string()
            }
            "stream" => self.stream(url, id, &[TEXT, JSON]),
            "stream-breaks" => self.stream(url, id, &[TEXT, "broken"]),
            "stream-hangs" => self.stream(url, id, &[TEXT, "hang"]),
            "hang" => std::future::pending().await,
            "denied" => return Err(refusal("CAPABILITY_DENIED", "no network", Some("network"))),
            "down" => return Err(refusal("IO", "connection refused", None)),
            "nonsense" => "{}".into(),
            path => panic!("nothing is at {path}"),
        })
    }

    fn log(&self, line: LogLine) {
        self.logs.lock().unwrap().push(format!("{}: {}", line.level, line.message));
    }

    fn process_ended(&self, _plugins: &[PluginId], _reason: &str) {}

    fn unsealed(&self, _missing: &[LayerReport]) {}

    fn failed(&self, plugin: &PluginId, failure: &CallFailure) {
        panic!("{plugin}: {failure}");
    }
}

/// Runs `body` as a handler; gives what it returned and what the host was asked.
async fn run(body: &str) -> (Result<String, CallFailure>, Vec<Value>) {
    let host = Arc::new(FetchHost::default());
    let sandbox = PluginSandbox::new(options(process()), Arc::clone(&host) as Arc<dyn HostCalls>, None);
    let mut image = handler("fetcher", &format!("async () => {{ const at = 'https://host.test/'; {body} }}"));
    image.limits.cpu = Duration::from_secs(2);
    let result = before(&sandbox.plugin(image)).await.result;
    assert!(host.logs.lock().unwrap().is_empty(), "{body}: {:?}", host.logs.lock().unwrap());
    let requests = std::mem::take(&mut *host.requests.lock().unwrap());
    (result, requests)
}

fn value(result: &Result<String, CallFailure>, body: &str) -> Value {
    let answer = result.as_ref().unwrap_or_else(|failure| panic!("{body}: {failure}"));
    serde_json::from_str::<Value>(answer).unwrap()["value"].clone()
}

async fn check_answer(body: &str, expected: Value) {
    let (result, requests) = run(body).await;
    assert_eq!(value(&result, body), expected, "{body}");
    assert!(!requests.is_empty(), "{body}: the host was not asked");
}

#[tokio::test]
async fn answers_are_read() {
    for (body, expected) in [
        ("return await (await fetch(at + 'text')).text()", json!("hé")),
        ("return await (await fetch(at + 'json')).json()", json!({ "a": [1] })),
        ("return [...await (await fetch(at + 'bytes')).bytes()]", json!([0, 127, 128, 255])),
        ("return [...new Uint8Array(await (await fetch(at + 'bytes')).arrayBuffer())]", json!([0, 127, 128, 255])),
        (
            "const blob = await (await fetch(at + 'json')).blob(); return [blob.size, blob.type]",
            json!([9, "application/json"]),
        ),
        ("return [...await (await fetch(at + 'form')).formData()]", json!([["x", "1"], ["y", " "]])),
        ("return [...await (await fetch(at + 'multipart')).formData()]", json!([["a", "1"]])),
        (
            "const out = []; for await (const chunk of (await fetch(at + 'text')).body) out.push(...chunk); return out",
            json!([104, 195, 169]),
        ),
        (
            "return await new Response((await fetch(at + 'text')).body.pipeThrough(new TextDecoderStream())
                .pipeThrough(new TextEncoderStream())).text()",
            json!("hé"),
        ),
        (
            "const a = await fetch(at + 'text'); const b = a.clone(); return [await a.text(), await b.text()]",
            json!(["hé", "hé"]),
        ),
        (
            "const r = await fetch(at + 'text'); await r.text(); try { await r.text() } catch (e) { return [r.bodyUsed, e.name] }",
            json!([true, "TypeError"]),
        ),
        ("try { await (await fetch(at + 'text')).json() } catch (e) { return e.name }", json!("SyntaxError")),
        (
            "const r = await fetch(at + 'text'); return [r.status, r.ok, r.statusText, r.type, r.url, r.redirected]",
            json!([200, true, "OK", "basic", "https://host.test/text", false]),
        ),
        ("const r = await fetch(at + 'missing'); return [r.status, r.ok, await r.text()]", json!([404, false, "hé"])),
        ("const r = await fetch(at + 'empty'); return [r.status, r.body, await r.text()]", json!([204, null, ""])),
        ("const r = await fetch(at + 'no-body'); return [r.status, r.body, await r.text()]", json!([200, null, ""])),
        ("const r = await fetch(at + 'text#part'); return r.url", json!("https://host.test/text")),
        ("const r = await fetch(at + 'moved'); return [r.redirected, r.url]", json!([true, "https://host.test/text"])),
        (
            "const { headers } = await fetch(at + 'headers'); return [headers.get('x-one'), headers.getSetCookie(), [...headers]]",
            json!(["1, 2", ["a=1", "b=2"], [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-one", "1, 2"]]]),
        ),
        (
            "const r = await fetch(at + 'text'); try { r.headers.set('a', 'b') } catch (e) { return e.name }",
            json!("TypeError"),
        ),
        ("const r = await fetch(at + 'text', { method: 'HEAD' }); return [r.body, await r.text()]", json!([null, ""])),
        (
            "return (await Promise.all(['text', 'missing', 'text'].map((path) => fetch(at + path)))).map((r) => r.status)",
            json!([200, 404, 200]),
        ),
    ] {
        check_answer(body, expected).await;
    }
}

#[tokio::test]
async fn failures_reject() {
    let caught = |call: &str| {
        format!(
            "try {{ await {call} }} catch (e) {{ return [e.name, e.message.replace(' (ask for it)', ''), e.code ?? null, e.capability ?? null, e.hint ?? null, e.cause?.name ?? null] }}"
        )
    };
    for (call, expected) in [
        (
            "fetch(at + 'denied')",
            json!([
                "TypeError",
                "fetch failed: no network",
                "CAPABILITY_DENIED",
                "network",
                "ask for it",
                "MimirError"
            ]),
        ),
        (
            "fetch(at + 'down')",
            json!(["TypeError", "fetch failed: connection refused", "IO", null, null, "MimirError"]),
        ),
        (
            "fetch(at + 'moved', { redirect: 'error' })",
            json!(["TypeError", "fetch failed: the answer was redirected", null, null, null, null]),
        ),
    ] {
        check_answer(&caught(call), expected).await;
    }
    // Whatever the host says, the plugin gets an error and not a crash.
    let body = "try { await fetch(at + 'nonsense') } catch (e) { return e instanceof Error }";
    check_answer(body, json!(true)).await;
}

#[tokio::test]
async fn what_is_wrong_before_the_request_never_reaches_the_host() {
    for (call, name) in [
        ("fetch()", "TypeError"),
        ("fetch('/relative')", "TypeError"),
        ("fetch('https://user:secret@host.test/text')", "TypeError"),
        ("fetch(at + 'text', { method: 'TRACE' })", "TypeError"),
        ("fetch(at + 'text', { body: 'x' })", "TypeError"),
        ("fetch(at + 'text', { headers: { 'a b': 'c' } })", "TypeError"),
        ("fetch(at + 'text', { redirect: 'manual' })", "TypeError"),
        ("fetch(at + 'text', { signal: AbortSignal.abort() })", "AbortError"),
        ("fetch(at + 'text', { signal: AbortSignal.abort(new RangeError('mine')) })", "RangeError"),
        ("fetch(new Request(at + 'text', { signal: AbortSignal.abort() }))", "AbortError"),
        ("fetch(at + 'text', { method: 'POST', duplex: 'half', body: ReadableStream.from(['text']) })", "TypeError"),
        (
            "fetch(at + 'text', { method: 'POST', duplex: 'half', body: new ReadableStream({ pull() { throw new RangeError('mine') } }) })",
            "RangeError",
        ),
    ] {
        let body = format!("try {{ await {call} }} catch (e) {{ return e.name }}");
        let (result, requests) = run(&body).await;
        assert_eq!(value(&result, &body), name, "{call}");
        assert!(requests.is_empty(), "{call}: {requests:?}");
    }
}

#[tokio::test]
async fn an_abort_ends_the_wait() {
    for (body, expected) in [
        (
            "const c = new AbortController(); const p = fetch(at + 'hang', { signal: c.signal }); c.abort();
             try { await p } catch (e) { return [e.name, e === c.signal.reason] }",
            json!(["AbortError", true]),
        ),
        (
            "const c = new AbortController(); setTimeout(() => c.abort(new RangeError('mine')), 1);
             try { await fetch(at + 'hang', { signal: c.signal }) } catch (e) { return [e.name, e.message] }",
            json!(["RangeError", "mine"]),
        ),
        ("try { await fetch(at + 'hang', { signal: AbortSignal.timeout(1) }) } catch (e) { return e.name }", json!("TimeoutError")),
        (
            "const c = new AbortController(); const request = new Request(at + 'hang', { signal: c.signal });
             setTimeout(() => c.abort(), 1); try { await fetch(request) } catch (e) { return e.name }",
            json!("AbortError"),
        ),
        // Too late: the answer is there.
        (
            "const c = new AbortController(); const r = await fetch(at + 'text', { signal: c.signal }); c.abort(); return r.status",
            json!(200),
        ),
        // One of two requests.
        (
            "const c = new AbortController(); const lost = fetch(at + 'hang', { signal: c.signal }).catch((e) => e.name);
             const r = await fetch(at + 'text'); c.abort(); return [r.status, await lost]",
            json!([200, "AbortError"]),
        ),
    ] {
        check_answer(body, expected).await;
    }
}

#[tokio::test]
async fn bodies_are_read_from_the_host_as_somebody_reads_them() {
    for (body, expected, cancelled) in [
        ("return await (await fetch(at + 'stream')).text()", json!("hé{\"a\":[1]}"), 0),
        (
            "const r = await fetch(at + 'stream'); const c = r.clone(); return [(await r.bytes()).length, (await c.text()).length]",
            json!([12, 11]),
            0,
        ),
        (
            "const out = []; for await (const chunk of (await fetch(at + 'stream')).body) out.push(chunk.length); return out",
            json!([3, 9]),
            0,
        ),
        // Who stops reading tells the host
        ("for await (const chunk of (await fetch(at + 'stream')).body) return chunk.length", json!(3), 1),
        ("await (await fetch(at + 'stream')).body.cancel(); return 1", json!(1), 1),
        ("const r = await fetch(at + 'stream', { method: 'HEAD' }); return r.body", json!(null), 1),
        (
            "try { await (await fetch(at + 'stream-breaks')).text() } catch (e) { return [e.name, e.message, e.code] }",
            json!(["TypeError", "fetch failed: the answer is too large", "LIMIT"]),
            0,
        ),
        // An abort reaches the body, too
        (
            "const c = new AbortController(); const r = await fetch(at + 'stream-hangs', { signal: c.signal });
             const text = r.text(); c.abort(); try { await text } catch (e) { return e === c.signal.reason }",
            json!(true),
            1,
        ),
        (
            "const c = new AbortController(); const r = await fetch(at + 'stream', { signal: c.signal });
             const text = await r.text(); c.abort(); return text.length",
            json!(11),
            0,
        ),
        (
            "const c = new AbortController(); const p = fetch(at + 'hang', { signal: c.signal }); await 0; c.abort();
             try { await p } catch (e) { return e.name }",
            json!("AbortError"),
            1,
        ),
    ] {
        let host = Arc::new(FetchHost::default());
        let sandbox = PluginSandbox::new(options(process()), Arc::clone(&host) as Arc<dyn HostCalls>, None);
        let mut image = handler("fetcher", &format!("async () => {{ const at = 'https://host.test/'; {body} }}"));
        image.limits.cpu = Duration::from_secs(2);
        let result = before(&sandbox.plugin(image)).await.result;
        assert_eq!(value(&result, body), expected, "{body}");
        // What was asked before the answer was given has arrived before it, but is not yet done
        for _ in 0..1_000 {
            if host.cancelled.lock().unwrap().len() >= cancelled {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(host.cancelled.lock().unwrap().len(), cancelled, "{body}");
    }
}

#[tokio::test]
async fn the_body_of_a_request_is_bounded() {
    let body = "let left = 100; const endless = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1 << 20)); left -= 1; if (!left) c.close() } });
        try { await fetch(at + 'text', { method: 'POST', duplex: 'half', body: endless }) } catch (e) { return [e.name, left > 80] }";
    let (result, requests) = run(body).await;
    assert_eq!(value(&result, body), json!(["RangeError", true]));
    assert!(requests.is_empty());
}

/// What the host is asked for `fetch(…)`.
async fn check_request(call: &str, expected: Value) {
    let body = format!("await fetch({call})");
    let (result, mut requests) = run(&body).await;
    assert_eq!(result.as_deref(), Ok("{}"), "{body}");
    assert_eq!(requests.len(), 1, "{body}");
    let mut request = requests.remove(0);
    // Bodies are easier to read as text.
    if let Some(body) = request.get("body").cloned() {
        request["body"] = decode(body.as_str().unwrap()).into();
    }
    assert_eq!(request, expected, "{body}");
}

/// Base64 to text, with `\xNN` for what is no ASCII.
fn decode(base64: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for group in base64.as_bytes().chunks(4) {
        let digits: Vec<usize> = group.iter().filter_map(|digit| ALPHABET.iter().position(|it| it == digit)).collect();
        let sum = digits.iter().fold(0usize, |sum, digit| sum << 6 | digit) << (6 * (4 - digits.len()));
        bytes.extend((0..digits.len() - 1).map(|index| (sum >> (16 - 8 * index)) as u8));
    }
    bytes
        .iter()
        .map(|byte| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("\\x{byte:02x}") })
        .collect()
}

#[tokio::test]
async fn requests_reach_the_host() {
    let text = |method: &str, headers: Value, body: &str| json!({ "url": "https://host.test/text", "method": method, "headers": headers, "body": body });
    let plain = || json!([["content-type", "text/plain;charset=UTF-8"]]);
    let bare =
        |method: &str, headers: Value| json!({ "url": "https://host.test/text", "method": method, "headers": headers });
    for (call, expected) in [
        ("at + 'text'", bare("GET", json!([]))),
        ("new URL(at + 'text')", bare("GET", json!([]))),
        ("'HTTPS://HOST.test:443/a/../text#part'", bare("GET", json!([]))),
        ("at + 'text', { method: 'delete' }", bare("DELETE", json!([]))),
        ("at + 'text', { method: 'PURGE' }", bare("PURGE", json!([]))),
        (
            "at + 'text', { headers: { 'X-B': ' 2 ', Accept: 'a' } }",
            bare("GET", json!([["x-b", "2"], ["accept", "a"]])),
        ),
        ("at + 'text', { headers: [['a', '1'], ['A', '2']] }", bare("GET", json!([["a", "1"], ["a", "2"]]))),
        ("at + 'text', { headers: new Headers({ a: '1' }) }", bare("GET", json!([["a", "1"]]))),
        ("at + 'text', { method: 'POST', body: 'hé' }", text("POST", plain(), "h\\xc3\\xa9")),
        ("at + 'text', { method: 'POST', body: '' }", text("POST", plain(), "")),
        (
            "at + 'text', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ a: 1 }) }",
            text("PUT", json!([["content-type", "application/json"]]), r#"{"a":1}"#),
        ),
        (
            "at + 'text', { method: 'POST', body: new URLSearchParams([['a', 'b c'], ['é', '&']]) }",
            text(
                "POST",
                json!([["content-type", "application/x-www-form-urlencoded;charset=UTF-8"]]),
                "a=b+c&%C3%A9=%26",
            ),
        ),
        (
            "at + 'text', { method: 'POST', body: new Blob(['in ', 'a blob'], { type: 'x/y' }) }",
            text("POST", json!([["content-type", "x/y"]]), "in a blob"),
        ),
        ("at + 'text', { method: 'POST', body: new Blob(['untyped']) }", text("POST", json!([]), "untyped")),
        (
            "at + 'text', { method: 'POST', body: new Uint8Array([97, 98, 99]).subarray(1) }",
            text("POST", json!([]), "bc"),
        ),
        ("at + 'text', { method: 'POST', body: new Uint8Array([97, 255]).buffer }", text("POST", json!([]), "a\\xff")),
        (
            "at + 'text', { method: 'POST', duplex: 'half', body: ReadableStream.from([new Uint8Array([97]), new Uint8Array([98])]) }",
            text("POST", json!([]), "ab"),
        ),
        ("new Request(at + 'text', { method: 'POST', body: 'one' })", text("POST", plain(), "one")),
        ("new Request(at + 'text', { method: 'POST', body: 'one' }), { body: 'two' }", text("POST", plain(), "two")),
    ] {
        check_request(call, expected).await;
    }
}

#[tokio::test]
async fn form_data_is_sent_as_multipart() {
    let body = "const form = new FormData(); form.append('a', 'ä'); form.append('file', new File(['content'], 'n.txt', { type: 't/t' }));
        await fetch(at + 'text', { method: 'POST', body: form })";
    let (result, requests) = run(body).await;
    assert_eq!(result.as_deref(), Ok("{}"));
    let kind = requests[0]["headers"][0][1].as_str().unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\\xc3\\xa4\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n.txt\"\r\nContent-Type: t/t\r\n\r\ncontent\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(decode(requests[0]["body"].as_str().unwrap()), expected);
}

#[tokio::test]
async fn the_signal_of_an_event_ends_its_requests() {
    let host = Arc::new(FetchHost::default());
    let sandbox = PluginSandbox::new(options(process()), Arc::clone(&host) as Arc<dyn HostCalls>, None);
    let mut image = handler(
        "slow",
        "async () => { try { await fetch('https://host.test/hang', { signal: ctx.signal }) } catch (e) { console.log(e.name); throw e } }",
    );
    image.limits.event = Duration::from_millis(100);
    let failure = before(&sandbox.plugin(image)).await.result.unwrap_err();
    assert_eq!(failure.to_string(), "did not answer within 100 ms");
    assert_eq!(*host.logs.lock().unwrap(), ["info: AbortError"]);
}
