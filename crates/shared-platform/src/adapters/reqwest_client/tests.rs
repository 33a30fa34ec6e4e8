//! TLS against a server of our own, with certificates made for the occasion. Here and not in `tests/it`: only from here can
//! a client be told to trust one of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::HttpResponse;

/// Who signs the certificates of these tests.
struct Authority {
    root: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().der().to_vec();
    Authority { root, issuer: Issuer::new(params, key) }
}

/// Answers one connection over TLS, if the client gets as far as asking.
async fn serve(params: CertificateParams, signed_by: Option<&Authority>) -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = match signed_by {
        Some(authority) => params.signed_by(&key, &authority.issuer),
        None => params.self_signed(&key),
    };
    let certificate = certificate.unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let Ok(mut socket) = TlsAcceptor::from(Arc::new(config)).accept(socket).await else { return };
        let mut request = [0; 4_096];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let _ = socket.shutdown().await;
    });
    port
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

async fn get(client: &ReqwestClient, host: &str, port: u16) -> Result<HttpResponse, PlatformError> {
    let request = HttpRequest {
        method: "GET".to_owned(),
        url: Url::parse(&format!("https://{host}:{port}/")).unwrap(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(20),
        body_limit: 1_000,
    };
    client.send(request, Arc::new(|_, _| Ok(()))).await
}

fn reasons(error: &PlatformError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_certificate_that_is_right_is_taken() {
    let authority = authority("trusted");
    let client = ReqwestClient::trusting(&authority.root);
    for (name, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1")] {
        let port = serve(named(&[name]), Some(&authority)).await;
        let answer = get(&client, host, port).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_wrong_is_not() {
    let (trusted, other) = (authority("trusted"), authority("other"));
    let client = ReqwestClient::trusting(&trusted.root);
    let with_dates = |from: i32, to: i32| {
        let mut params = named(&["localhost"]);
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params
    };
    for (what, params, signed_by, reason) in [
        ("another name", named(&["example.com", "*.localhost"]), Some(&trusted), "not valid for name"),
        ("another address", named(&["127.0.0.2"]), Some(&trusted), "not valid for name"),
        ("expired", with_dates(2_000, 2_001), Some(&trusted), "expired"),
        ("not valid yet", with_dates(4_000, 4_001), Some(&trusted), "not valid yet"),
        ("signed by itself", named(&["localhost"]), None, "UnknownIssuer"),
        ("signed by somebody else", named(&["localhost"]), Some(&other), "UnknownIssuer"),
    ] {
        let port = serve(params, signed_by).await;
        let error = get(&client, "localhost", port).await.unwrap_err();
        assert!(matches!(error, PlatformError::Network { .. }), "{what}: {error}");
        assert!(reasons(&error).contains(reason), "{what}: {}", reasons(&error));
    }
}

#[tokio::test]
async fn only_the_machines_certificates_are_trusted_without_a_test() {
    let authority = authority("trusted");
    let port = serve(named(&["localhost"]), Some(&authority)).await;
    let error = get(&ReqwestClient::new(), "localhost", port).await.unwrap_err();
    assert!(matches!(error, PlatformError::Network { .. }), "{error}");
}
