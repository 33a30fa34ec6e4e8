//! Signing in: by a code on another device, and through the browser.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mimir_api::{
    ApiError, ApiLimits, Asked, Asker, Browser, ErrorCode, HostRequest, Origin, Question, Redirect, Redirects,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::harness::{Options, World, profile, world_with};

const TOKEN: &str = "at-0123456789";

type Form = BTreeMap<String, String>;

/// Where each form went, and what it held.
type Seen = Arc<Mutex<Vec<(String, Form)>>>;

/// A service that gives these answers, one after the other, and the forms that it was sent.
fn service(answers: impl FnOnce(u16) -> Vec<(u16, String)>) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = answers(port);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut form = vec![0; length];
            reader.read_exact(&mut form).unwrap();
            let form = url::form_urlencoded::parse(&form).into_owned().collect();
            keep.lock().unwrap().push((first.split(' ').nth(1).unwrap().to_owned(), form));
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
        }
    });
    (port, seen)
}

fn error(code: &str) -> (u16, String) {
    (400, json!({ "error": code }).to_string())
}

fn token() -> (u16, String) {
    (
        200,
        json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-0123456789"})
            .to_string(),
    )
}

fn world(browser: Option<Arc<dyn Browser>>, asker: Option<Arc<dyn Asker>>) -> World {
    let limits = ApiLimits { sign_in_second: Duration::from_millis(1), ..ApiLimits::default() };
    world_with(Options { limits, browser, asker, ..Options::default() })
}

async fn call(world: &World, op: &str, args: Value) -> Result<Value, ApiError> {
    let origin = Origin { auth: Some("sso".into()), ..Origin::default() };
    let args = args.to_string();
    world.context.call(HostRequest { plugin: profile("p", "/plugins/p"), origin, op, args: &args }).await
}

fn expected() -> Value {
    json!({"token": TOKEN, "refreshToken": "rt-0123456789", "expiresIn": 3600.0, "scope": null})
}

#[track_caller]
fn check(found: Result<Value, ApiError>, wanted: Result<Value, (ErrorCode, &str)>) {
    match (found, wanted) {
        (Ok(found), Ok(wanted)) => assert_eq!(found.to_string().replace("3600,", "3600.0,"), wanted.to_string()),
        (Err(error), Err((code, part))) => {
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
        (found, wanted) => panic!("{found:?} is not {wanted:?}"),
    }
}

#[tokio::test]
async fn a_code_on_another_device() {
    let device = |port: u16| {
        let url = format!("http://127.0.0.1:{port}/device");
        let fields = json!({"device_code": "dc", "user_code": "AB\u{1b}[2JCD", "verification_uri": url, "interval": 1});
        (200, fields.to_string())
    };
    let ask = async |answers: Vec<(u16, String)>, wanted| {
        let (port, seen) = service(|port| [device(port)].into_iter().chain(answers).collect());
        let world = world(None, None);
        let args = json!({
            "clientId": "me", "scopes": ["a", "b"], "params": {"audience": "x", "grant_type": "mine"},
            "deviceUrl": format!("http://127.0.0.1:{port}/start"), "tokenUrl": format!("http://127.0.0.1:{port}/token"),
        });
        check(call(&world, "oauth.deviceCode", args).await, wanted);
        let forms = seen.lock().unwrap().clone();
        let text = |at: usize, name: &str| forms[at].1.get(name).cloned().unwrap_or_default();
        assert_eq!(
            (forms[0].0.as_str(), text(0, "client_id"), text(0, "scope")),
            ("/start", "me".into(), "a b".into())
        );
        if forms.len() > 1 {
            assert_eq!(text(1, "grant_type"), "urn:ietf:params:oauth:grant-type:device_code");
            assert_eq!((text(1, "device_code"), text(1, "audience")), ("dc".into(), "x".into()));
        }
        let told = world.notifier.notices().remove(0).2;
        assert!(told.contains("and enter the code AB [2JCD") && told.contains("/device"), "{told}");
        let audit = format!("{:?}", world.audit.records());
        assert!(!audit.contains(TOKEN) && audit.contains("oauth.deviceCode"), "{audit}");
    };
    let io = |part| Err((ErrorCode::Io, part));
    let failed = |part| Err((ErrorCode::Failed, part));
    ask(vec![error("authorization_pending"), error("slow_down"), (500, "?".into()), token()], Ok(expected())).await;
    ask(vec![error("access_denied")], failed("the person did not agree")).await;
    ask(vec![error("expired_token")], failed("nobody signed in in time")).await;
    ask(vec![error("inva\u{1b}lid_client <b>")], failed("the service refused: invalid_clientb")).await;
    ask(vec![(200, r#"{"access_token":"a b"}"#.into())], io("no token that a header could carry")).await;
    ask(vec![(200, r#"{"access_token":"abc","token_type":"mac"}"#.into())], io("no bearer token")).await;
    ask(vec![(500, String::new()), (500, "[]".into()), (502, "{}".into())], io("answered 502")).await;
}

/// What comes back to this machine: a target and a host, made of the page that was opened.
type Back = Box<dyn Fn(&BTreeMap<String, String>) -> (String, String) + Send + Sync>;

struct Person {
    backs: Mutex<VecDeque<Back>>,
    opened: Mutex<Option<String>>,
    answers: Arc<Mutex<Vec<u16>>>,
    says: Asked,
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, question: &Question) -> Asked {
        assert_eq!(question.line(), "the plugin p asks: open the browser to sign in to 127.0.0.1?");
        self.says.clone()
    }
}

struct Shared(Arc<Person>);

#[async_trait]
impl Browser for Shared {
    async fn listen(&self) -> Result<Box<dyn Redirects>, ApiError> {
        Ok(Box::new(Shared(Arc::clone(&self.0))))
    }

    async fn open(&self, url: &str) {
        *self.0.opened.lock().unwrap() = Some(url.to_owned());
    }
}

#[async_trait]
impl Redirects for Shared {
    fn port(&self) -> u16 {
        4711
    }

    async fn next(&mut self) -> Result<Box<dyn Redirect>, ApiError> {
        let page = self.0.opened.lock().unwrap().clone().unwrap();
        let query = Url::parse(&page).unwrap().query_pairs().into_owned().collect();
        let Some(back) = self.0.backs.lock().unwrap().pop_front() else {
            return Err(ApiError::new(ErrorCode::Io, "nobody comes"));
        };
        let (target, host) = back(&query);
        Ok(Box::new(Came { target, host, answers: Arc::clone(&self.0.answers) }))
    }
}

struct Came {
    target: String,
    host: String,
    answers: Arc<Mutex<Vec<u16>>>,
}

#[async_trait]
impl Redirect for Came {
    fn target(&self) -> &str {
        &self.target
    }

    fn host(&self) -> Option<&str> {
        Some(&self.host)
    }

    async fn answer(&self, status: u16, _text: &str) {
        self.answers.lock().unwrap().push(status);
    }
}

fn back(target: impl Fn(&str) -> String + Send + Sync + 'static) -> Back {
    Box::new(move |query| (target(&query["state"]), "127.0.0.1:4711".to_owned()))
}

#[tokio::test]
async fn through_the_browser() {
    let ask = async |backs: Vec<Back>, says: Asked, answers: Vec<(u16, String)>, wanted, pages: &[u16]| {
        let (port, seen) = service(|_| answers);
        let person = Arc::new(Person {
            backs: Mutex::new(backs.into()),
            opened: Mutex::default(),
            answers: Arc::default(),
            says,
        });
        let world = world(Some(Arc::new(Shared(Arc::clone(&person)))), Some(Arc::clone(&person) as _));
        let args = json!({
            "clientId": "me", "scopes": ["openid"], "params": {"state": "mine", "prompt": "login"},
            "authorizeUrl": format!("http://127.0.0.1:{port}/authorize?tenant=t"),
            "tokenUrl": format!("http://127.0.0.1:{port}/token"),
        });
        check(call(&world, "oauth.browser", args).await, wanted);
        assert_eq!(*person.answers.lock().unwrap(), pages);
        let opened = person.opened.lock().unwrap().clone();
        let Some(page) = opened else { return };
        assert!(world.notifier.notices()[0].2.contains(&page));
        let query: BTreeMap<String, String> = Url::parse(&page).unwrap().query_pairs().into_owned().collect();
        assert_eq!((query["tenant"].as_str(), query["prompt"].as_str()), ("t", "login"));
        assert_eq!(query["redirect_uri"], "http://127.0.0.1:4711/callback");
        if let [(path, form)] = seen.lock().unwrap().as_slice() {
            assert_eq!((path.as_str(), form["code"].as_str()), ("/token", "the code"));
            assert_eq!(form["redirect_uri"], query["redirect_uri"]);
            let challenge = base64::Engine::encode(
                &base64::engine::general_purpose::URL_SAFE_NO_PAD,
                Sha256::digest(&form["code_verifier"]),
            );
            assert_eq!((challenge, "S256"), (query["code_challenge"].clone(), query["code_challenge_method"].as_str()));
        }
    };
    let yes = || Asked::Answered(Question::YES.to_owned());
    let good = || back(|state| format!("/callback?code=the%20code&state={state}"));
    ask(vec![good()], yes(), vec![token()], Ok(expected()), &[200]).await;
    // Whoever does not know the state gets nothing, and does not keep the person from coming
    let strangers: Vec<Back> = vec![
        back(|_| "/callback?code=evil&state=mine".to_owned()),
        back(|_| "/callback?code=evil".to_owned()),
        back(|state| format!("/callback?code=evil&state={}", state.to_lowercase().replace(['a', 'b'], "c"))),
        back(|state| format!("/callback?code=evil&state={state}&state=mine")),
        back(|state| format!("/favicon.ico?code=evil&state={state}")),
        Box::new(|query| (format!("/callback?code=evil&state={}", query["state"]), "evil.test:4711".to_owned())),
        good(),
    ];
    ask(strangers, yes(), vec![token()], Ok(expected()), &[400, 400, 400, 400, 404, 400, 200]).await;
    let refused = back(|state| format!("/callback?error=access_denied&state={state}"));
    ask(vec![refused], yes(), vec![], Err((ErrorCode::Failed, "the person did not agree")), &[200]).await;
    ask(vec![good()], yes(), vec![error("invalid_grant")], Err((ErrorCode::Failed, "invalid_grant")), &[200]).await;
    ask(vec![good()], Asked::Declined, vec![], Err((ErrorCode::Failed, "the person did not agree")), &[]).await;
    let many = (0..100).map(|_| back(|_| "/".to_owned())).collect();
    ask(many, yes(), vec![], Err((ErrorCode::Failed, "too many requests")), &[404; 64]).await;
}

#[tokio::test]
async fn who_may_not() {
    let (port, seen) = service(|_| vec![token()]);
    let here = format!("http://127.0.0.1:{port}/token");
    let world = world(None, None);
    let refresh = |url: &str| json!({"clientId": "me", "tokenUrl": url, "refreshToken": "old-refresh-token"});
    // No event and no tool can ask people to sign in
    world.check("oauth.refresh", refresh(&here), Err(("UNSUPPORTED", "while an auth provider is asked"))).await;
    for (url, code, part) in [
        ("https://elsewhere.test/token", ErrorCode::CapabilityDenied, "elsewhere.test"),
        ("http://elsewhere.test/token", ErrorCode::InvalidArgument, "https://"),
        ("https://u:p@127.0.0.1/token", ErrorCode::InvalidArgument, "a name, a password"),
        ("nothing", ErrorCode::InvalidArgument, "no URL"),
    ] {
        check(call(&world, "oauth.refresh", refresh(url)).await, Err((code, part)));
    }
    let browser = json!({"clientId": "me", "authorizeUrl": here, "tokenUrl": here});
    check(call(&world, "oauth.browser", browser).await, Err((ErrorCode::Unsupported, "no way back")));
    assert!(seen.lock().unwrap().is_empty());
    check(call(&world, "oauth.refresh", refresh(&here)).await, Ok(expected()));
    assert_eq!(seen.lock().unwrap()[0].1["grant_type"], "refresh_token");
    // What was got is in no log from now on
    let line = format!(r#"{{"level":"info","message":"got {TOKEN}, had old-refresh-token"}}"#);
    let line: Value = serde_json::from_str(&line).unwrap();
    world.call("log", line).await.unwrap();
    assert_eq!(world.logs.0.lock().unwrap()[0].message, "got [removed], had [removed]");
}
