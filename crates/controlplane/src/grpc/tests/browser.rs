//! What a browser gets over HTTP/1.1: the page, the calls that the page makes, and nothing that others could abuse.

use countersign_api::v1::identity_service_client::IdentityServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

const LIST: &str = "/countersign.v1.ApprovalService/ListApprovals";

/// A gRPC-web message without a field set.
const EMPTY: &str = "\0\0\0\0\0";

impl Served {
    /// Sends these bytes on a connection of its own; the whole answer.
    async fn http1(&self, start: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request =
            format!("{start} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("\r\n{body}"));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A call as the page makes it, but from this origin and under this name.
    async fn call(&self, path: &str, token: &str, host: &str, origin: &str) -> String {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("host", host),
            ("origin", origin),
            ("content-type", "application/grpc-web+proto"),
            ("authorization", bearer.as_str()),
        ];
        self.http1(&format!("POST {path}"), &headers, EMPTY).await
    }
}

#[tokio::test]
async fn the_page_and_its_calls_are_answered_over_http_1() {
    let served = Served::new().await;
    let host = served.address.to_string();
    let own = format!("http://{host}");
    let page = served.http1("GET /", &[("host", &host)], "").await;
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("content-security-policy: default-src 'none'"),
        "{page}"
    );
    assert!(page.contains("<div id=\"page\">"), "{page}");
    let token = served.token(&human("bob", &["dba"])).await;
    let answer = served.call(LIST, token.0.expose(), &host, &own).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("grpc-status:0"), "{answer}");
    assert!(answer.contains("cache-control: no-store") && !answer.contains("access-control"), "{answer}");
    // A refused token reads the same to the page as to everybody.
    let refused = served.call(LIST, "cst_0000", &host, &own).await;
    assert!(refused.contains("grpc-status: 16") && refused.contains("countersign-code: CS"), "{refused}");
}

#[tokio::test]
async fn a_browser_led_by_somebody_elses_page_gets_nothing() {
    let served = Served::new().await;
    let host = served.address.to_string();
    let own = format!("http://{host}");
    let token = served.operator().await;
    let token = token.expose();
    let foreign = served.call(LIST, token, &host, "https://evil.example").await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let rebound = served.call(LIST, token, "evil.example", "http://evil.example").await;
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    for service in ["SessionService/IssueToken", "BundleService/GetBundle", "AuditService/ListRecordings"] {
        let answer = served.call(&format!("/countersign.v1.{service}"), token, &host, &own).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{service}: {answer}");
    }
    // Not even reflection and health, which ask for no token.
    let health = served.call("/grpc.health.v1.Health/Check", token, &host, &own).await;
    assert!(health.starts_with("HTTP/1.1 404"), "{health}");
    let decide =
        served.http1("GET /countersign.v1.ApprovalService/DecideApproval", &[("host", &host)], "").await;
    assert!(decide.starts_with("HTTP/1.1 404"), "{decide}");
}

#[tokio::test]
async fn everybody_is_told_who_they_are_and_whether_they_may_decide() {
    let served = Served::new().await;
    let bearer = served.token(&human("bob", &["dba"])).await;
    let mut bob = IdentityServiceClient::with_interceptor(served.channel().await, bearer);
    let caller = bob.get_caller(v1::GetCallerRequest {}).await.unwrap().into_inner();
    assert_eq!(caller.principal, Some((&human("bob", &["dba"])).into()));
    assert_eq!(caller.expire_time.unwrap().seconds, 1_700_000_000 + 24 * 3600);
    let mut nobody = IdentityServiceClient::new(served.channel().await);
    let refused = nobody.get_caller(v1::GetCallerRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    let session = served.scratch.session(&agent()).await;
    served.scratch.hold(&session, "DELETE FROM carts").await;
    let may = async |who: &Principal| {
        let listed = served.approvals(who).await.list_approvals(v1::ListApprovalsRequest::default()).await;
        let entry = listed.unwrap().into_inner().approvals.remove(0);
        assert_eq!(entry.environment.as_deref(), Some("production"));
        assert_eq!(entry.does, "sql:delete carts");
        entry.cannot_decide
    };
    assert_eq!(may(&human("bob", &["dba"])).await, None);
    assert!(may(&human("alice", &["dba"])).await.unwrap().contains("asked for this command"));
    assert!(may(&human("olga", &["admin"])).await.unwrap().ends_with("your token is in admin"));
}
