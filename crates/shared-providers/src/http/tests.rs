#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::HttpProvider;
use super::testing::{Reply, Told, at_once, provider, request, settings};
use crate::{
    Credentials, CredentialsError, LlmProvider as _, NoCredentials, ProviderError, ProviderKind, Secret, Token,
};

const KIND: ProviderKind = ProviderKind::OpenAi;

fn answer() -> Reply {
    Reply::new(200, &json!({"choices": [{"message": {"content": "hi"}}]}).to_string())
}

/// Gives tokens, one after the other.
struct Tokens {
    left: Mutex<Vec<&'static str>>,
    refused: Mutex<Vec<String>>,
}

#[async_trait]
impl Credentials for Tokens {
    async fn token(&self, provider: &str) -> Result<Option<Token>, CredentialsError> {
        assert_eq!(provider, "p");
        match self.left.lock().unwrap().pop() {
            Some("fail") => Err(CredentialsError("the login was given up".to_owned())),
            token => Ok(token.map(|token| Token::from(Secret::new(token)))),
        }
    }

    async fn renewed(&self, provider: &str, refused: &Secret) -> Result<Option<Token>, CredentialsError> {
        self.refused.lock().unwrap().push(refused.expose().to_owned());
        self.token(provider).await
    }
}

/// Asks with these tokens (the last one first) and answers; gives the requests' `authorization`, what was refused, and
/// what came of it.
fn check_tokens(tokens: &[&'static str], replies: Vec<Reply>, sent: &[&str], refused: &[&str], expected: &str) {
    let told = Told::new(replies);
    let tokens = Arc::new(Tokens { left: Mutex::new(tokens.to_vec()), refused: Mutex::default() });
    let provider = HttpProvider::new(settings(KIND), Arc::clone(&told) as _, Arc::clone(&tokens) as _).unwrap();
    let came = match at_once(provider.complete(&request())) {
        Ok(answer) => answer.message.plain_text(),
        Err(error) => error.to_string(),
    };
    assert_eq!(came, expected);
    assert_eq!(*tokens.refused.lock().unwrap(), refused);
    let requests = told.requests.lock().unwrap();
    let authorization = requests.iter().map(|request| {
        let header = request.headers.iter().find(|(name, _)| name == "authorization");
        header.map_or("", |(_, value)| value.expose())
    });
    assert_eq!(authorization.collect::<Vec<_>>(), sent);
}

#[test]
fn a_token_goes_before_the_key_and_is_renewed_once() {
    let no = || Reply::new(401, "");
    check_tokens(&[], vec![answer()], &["Bearer sk-secret-key"], &[], "hi");
    check_tokens(&["one"], vec![answer()], &["Bearer one"], &[], "hi");
    check_tokens(&["two", "one"], vec![no(), answer()], &["Bearer one", "Bearer two"], &["one"], "hi");
    let refused = "p does not accept the credentials";
    check_tokens(&["three", "two", "one"], vec![no(), no()], &["Bearer one", "Bearer two"], &["one"], refused);
    check_tokens(&["one"], vec![no()], &["Bearer one"], &["one"], refused);
    check_tokens(&[], vec![no()], &["Bearer sk-secret-key"], &[], refused);
    let failed = "the credentials for p can't be had: the login was given up";
    check_tokens(&["fail"], vec![], &[], &[], failed);
    check_tokens(&["fail", "one"], vec![no()], &["Bearer one"], &["one"], failed);
}

#[test]
fn that_there_is_no_key_is_said() {
    let told = Told::new([Reply::new(401, "")]);
    let mut settings = settings(KIND);
    settings.api_key = Some(Secret::new(" "));
    let provider = HttpProvider::new(settings, told, Arc::new(NoCredentials)).unwrap();
    let error = at_once(provider.complete(&request())).unwrap_err();
    assert_eq!(error.to_string(), "p needs a key, and there is none");
}

#[test]
fn headers_of_the_settings_replace_those_of_the_dialect() {
    let told = Told::new([answer()]);
    let mut settings = settings(KIND);
    settings.headers = vec![("Authorization".into(), Secret::new("Token x")), ("x-team".into(), Secret::new("y"))];
    let provider = HttpProvider::new(settings, Arc::clone(&told) as _, Arc::new(NoCredentials)).unwrap();
    at_once(provider.complete(&request())).unwrap();
    assert_eq!((told.sent("authorization"), told.sent("Authorization")), (None, Some("Token x".to_owned())));
    assert_eq!(told.sent("x-team").unwrap(), "y");
    let request = format!("{:?}", told.requests.lock().unwrap()[0]);
    assert!(request.contains("x-team") && !request.contains("Token x") && !request.contains("a.txt"), "{request}");
}

/// Signs in with headers.
struct Headers;

#[async_trait]
impl Credentials for Headers {
    async fn token(&self, _: &str) -> Result<Option<Token>, CredentialsError> {
        let headers = [("x-tenant", "tenant-4711"), ("x-team", "plugin"), ("Accept-Encoding", "gzip"), ("accept", "x")];
        let headers = headers.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
        Ok(Some(Token { secret: Secret::new("one"), headers }))
    }
}

#[test]
fn headers_of_a_token_are_sent_and_never_told() {
    let told = Told::new([answer(), Reply::new(500, "tenant-4711 is not known")]);
    let mut settings = settings(KIND);
    settings.headers = vec![("x-team".into(), Secret::new("user"))];
    let provider = HttpProvider::new(settings, Arc::clone(&told) as _, Arc::new(Headers)).unwrap();
    at_once(provider.complete(&request())).unwrap();
    assert_eq!(told.sent("x-tenant").as_deref(), Some("tenant-4711"));
    assert_eq!(told.sent("authorization").as_deref(), Some("Bearer one"));
    // The user's word counts more, and how the answer is read is nobody else's business
    assert_eq!(told.sent("x-team").as_deref(), Some("user"));
    assert_eq!((told.sent("accept-encoding").as_deref(), told.sent("Accept-Encoding")), (Some("identity"), None));
    assert!(told.sent("accept").unwrap().contains("text/event-stream"));
    let error = at_once(provider.complete(&request())).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("tenant-4711"), "{error:?}");
}

#[test]
fn a_refusal_says_why_and_when_to_come_back() {
    let check = |reply: Reply, expected: &str, after: Option<u64>| {
        let error = at_once(provider(KIND, &Told::new([reply])).complete(&request())).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.retry_after(), after.map(Duration::from_millis), "{expected}");
    };
    let busy = || Reply::new(429, "");
    check(busy(), "p asks for fewer requests", None);
    check(busy().header("Retry-After", "1.5"), "p asks for fewer requests", Some(1_500));
    check(busy().header("retry-after", "9").header("retry-after-ms", "20"), "p asks for fewer requests", Some(20));
    check(busy().header("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), "p asks for fewer requests", None);
    check(busy().header("retry-after", "-1"), "p asks for fewer requests", None);
    check(busy().header("retry-after", "1e300"), "p asks for fewer requests", Some(86_400_000));
    check(Reply::new(503, "down"), "p is not available (status 503): down", None);
    check(
        Reply::new(307, "").header("location", "https://evil.example/?k=sk-secret-key"),
        "p refused the request with status 307: it sends on to https://evil.example/?k=…, which is not followed: check \
         its URL",
        None,
    );
    check(Reply::new(404, "no"), "p refused the request with status 404: no", None);
    let packed = answer().header("content-encoding", "gzip");
    check(packed, "p sent an answer that can't be understood: it is packed (gzip), which was not asked for", None);
    let mut broken = Reply::new(400, "{\"error\": ");
    broken.breaks = true;
    check(broken, "p refused the request with status 400: {\"error\":", None);
    let error = at_once(provider(KIND, &Told::new([])).complete(&request())).unwrap_err();
    assert!(matches!(&error, ProviderError::Transport { .. }) && error.is_retryable(), "{error}");
}

#[test]
fn a_connection_that_breaks_keeps_what_came() {
    let mut reply = Reply::new(200, "data: {\"choices\": [{\"delta\": {\"content\": \"so far\"}}]}\n\n");
    reply.breaks = true;
    let error = at_once(provider(KIND, &Told::new([reply])).complete(&request())).unwrap_err();
    assert_eq!(error.to_string(), "the answer of p broke off: the connection failed");
    let partial = error.partial().unwrap();
    assert_eq!((partial.message.plain_text().as_str(), partial.usage_is_estimated), ("so far", true));
    assert!(partial.usage.input_tokens > 0 && partial.usage.output_tokens > 0);
    assert!(error.is_retryable() && !error.is_free());
}

#[test]
fn answers_are_bounded() {
    let mut settings = settings(KIND);
    settings.limits.event_bytes = 1_000;
    let check = |reply: Reply| {
        let provider = HttpProvider::new(settings.clone(), Told::new([reply]), Arc::new(NoCredentials)).unwrap();
        let error = at_once(provider.complete(&request())).unwrap_err();
        assert!(matches!(&error, ProviderError::InvalidReply { .. }), "{error}");
    };
    check(Reply::new(200, &format!("data: {}", "x".repeat(2_000))));
    check(Reply::new(200, &" ".repeat(2_000)));
    check(Reply::new(200, &"data: x\n".repeat(200)));
}
