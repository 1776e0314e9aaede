//! What browsers may do on the API's listener: fetch the approver's page, and call, as gRPC-web, the services
//! that the page works with. Looked at before any service is; other callers of gRPC pass untouched.
//!
//! Nobody gets further than before: a call needs its token all the same. What is refused here is what only
//! browsers do, being led by somebody else's page: calls from a foreign origin, and names that lead to this
//! address though they are not ours (DNS rebinding). No answer ever allows another origin to read it.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use countersign_api::v1::approval_service_server::SERVICE_NAME as APPROVALS;
use countersign_api::v1::identity_service_server::SERVICE_NAME as IDENTITY;

use super::page::Page;

/// The services that the page works with; the only ones that answer gRPC-web.
const OPEN_TO_BROWSERS: [&str; 2] = [APPROVALS, IDENTITY];

const GRPC: &str = "application/grpc";
const GRPC_WEB: &str = "application/grpc-web";

/// Under which addresses browsers reach the API.
#[derive(Debug, Clone)]
pub struct Site {
    tls: bool,
    public: Option<PublicUrl>,
}

impl Site {
    /// A listener without TLS: under loopback's names only, whatever the port (it may be forwarded).
    #[must_use]
    pub const fn plain() -> Self {
        Self { tls: false, public: None }
    }

    /// A listener with TLS: under the names of its certificate, which browsers check.
    #[must_use]
    pub const fn tls() -> Self {
        Self { tls: true, public: None }
    }

    /// Besides, under the address of a proxy before it.
    #[must_use]
    pub fn or_at(self, public: Option<PublicUrl>) -> Self {
        Self { public, ..self }
    }

    /// The origin of our page for a browser that reached us under this name; `None`: the name is not ours.
    fn origin(&self, authority: &str) -> Option<String> {
        if let Some(public) = self.public.as_ref().filter(|public| public.authority() == authority) {
            return Some(public.0.clone());
        }
        match self.tls {
            true => Some(format!("https://{authority}")),
            false => is_loopback(authority).then(|| format!("http://{authority}")),
        }
    }
}

/// The address under which people reach the page: `https://`, a host, perhaps a port, nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Why a text is no [`PublicUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write it like `https://countersign.example`, with a port if need be, and nothing behind it")]
pub struct BadPublicUrl;

impl FromStr for PublicUrl {
    type Err = BadPublicUrl;

    fn from_str(text: &str) -> Result<Self, BadPublicUrl> {
        let uri: Uri = text.parse().map_err(|_| BadPublicUrl)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let origin = authority.map(|authority| format!("https://{}", authority.as_str().to_lowercase()));
        let origin = origin.ok_or(BadPublicUrl)?;
        let whole = text.to_lowercase();
        if whole.strip_suffix('/').unwrap_or(&whole) != origin {
            return Err(BadPublicUrl);
        }
        Ok(Self(origin.strip_suffix(":443").unwrap_or(&origin).to_owned()))
    }
}

impl PublicUrl {
    fn authority(&self) -> &str {
        self.0.strip_prefix("https://").unwrap_or_default()
    }
}

/// Who comes.
#[derive(Debug, PartialEq, Eq)]
enum Comes {
    /// A caller of gRPC that is no browser.
    Program,
    /// Somebody who wants a file of the page.
    ForPage,
    /// The page, with a call.
    WithCall,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    UnknownHost,
    ForeignOrigin,
    NoSuchService,
    NotAPage(Method),
    NotGrpcWeb,
}

impl Refused {
    const fn status(&self) -> StatusCode {
        match self {
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::NoSuchService => StatusCode::NOT_FOUND,
            Self::NotAPage(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotGrpcWeb => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    const fn text(&self) -> &'static str {
        match self {
            Self::UnknownHost => {
                "this is not the name of this server; use the one it prints, or set `public_url`\n"
            }
            Self::ForeignOrigin => "calls are taken from the page of this server only\n",
            Self::NoSuchService => "no such service for browsers\n",
            Self::NotAPage(_) => "pages are fetched with GET, calls are sent with POST\n",
            Self::NotGrpcWeb => "calls are gRPC over HTTP/2, or gRPC-web\n",
        }
    }
}

/// What stands before the services.
#[derive(Debug, Clone)]
pub(super) struct Web {
    site: Site,
    page: Arc<Page>,
}

impl Web {
    pub(super) fn new(site: Site) -> Self {
        Self { site, page: Arc::new(Page::new()) }
    }
}

/// Lets a request pass, answers it with the page, or refuses it.
pub(super) async fn receive(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = match web.site.look_at(&request) {
        Ok(Comes::Program) => return next.run(request).await,
        Ok(Comes::WithCall) => next.run(request).await,
        Ok(Comes::ForPage) => return web.page.answer(request.uri().path(), request.headers()),
        Err(refused) => {
            tracing::info!(?refused, "a browser's request was refused");
            (refused.status(), refused.text()).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Site {
    fn look_at(&self, request: &Request) -> Result<Comes, Refused> {
        let headers = request.headers();
        let kind = text(headers, CONTENT_TYPE.as_str());
        let grpc_web = kind.starts_with(GRPC_WEB);
        // What browsers always send with a POST, and programs do not.
        let origin = headers.get(ORIGIN);
        if request.version() >= Version::HTTP_2 && kind.starts_with(GRPC) && !grpc_web && origin.is_none() {
            return Ok(Comes::Program);
        }
        let ours = authority(request).and_then(|authority| self.origin(&authority));
        let ours = ours.ok_or(Refused::UnknownHost)?;
        if origin.is_some_and(|origin| origin.as_bytes() != ours.as_bytes()) {
            return Err(Refused::ForeignOrigin);
        }
        match *request.method() {
            Method::GET | Method::HEAD => Ok(Comes::ForPage),
            Method::POST if !grpc_web => Err(Refused::NotGrpcWeb),
            Method::POST if is_open_to_browsers(request.uri().path()) => Ok(Comes::WithCall),
            Method::POST => Err(Refused::NoSuchService),
            ref other => Err(Refused::NotAPage(other.clone())),
        }
    }
}

fn is_open_to_browsers(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
    service.is_some_and(|service| OPEN_TO_BROWSERS.contains(&service))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The name under which we were reached, with the port, in lower case. HTTP/1 says it in a header, HTTP/2 in the address.
fn authority(request: &Request) -> Option<String> {
    let said = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(HOST)?.to_str().ok()?,
    };
    let authority: Authority = said.parse().ok()?;
    (!said.contains('@')).then(|| authority.as_str().to_lowercase())
}

fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn http1(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn call(host: &str, origin: Option<&str>) -> Request {
        let mut headers = vec![("host", host), ("content-type", "application/grpc-web+proto")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        http1("POST", "/countersign.v1.ApprovalService/ListApprovals", &headers)
    }

    #[test]
    fn a_page_of_another_origin_and_a_name_that_is_not_ours_are_refused() {
        let site = Site::plain();
        for host in ["127.0.0.1:7443", "localhost:9000", "[::1]:7443", "LOCALHOST:1"] {
            let own = format!("http://{}", host.to_lowercase());
            assert_eq!(site.look_at(&call(host, Some(&own))), Ok(Comes::WithCall), "{host}");
            assert_eq!(site.look_at(&call(host, None)), Ok(Comes::WithCall), "{host}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:8080", "https://127.0.0.1:7443", ""] {
            let refused = site.look_at(&call("127.0.0.1:7443", Some(origin)));
            assert_eq!(refused, Err(Refused::ForeignOrigin), "{origin}");
        }
        // Rebound: the name leads to us, and the origin is that of the page; only the name gives it away.
        for host in ["evil.example:7443", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:7443"]
        {
            let rebound = format!("http://{host}");
            assert_eq!(site.look_at(&call(host, Some(&rebound))), Err(Refused::UnknownHost), "{host}");
            let page = http1("GET", "/", &[("host", host)]);
            assert_eq!(site.look_at(&page), Err(Refused::UnknownHost), "{host}");
        }
        for nameless in [http1("GET", "/", &[]), http1("GET", "/", &[("host", "me@localhost")])] {
            assert_eq!(site.look_at(&nameless), Err(Refused::UnknownHost));
        }
    }

    #[test]
    fn behind_tls_names_are_the_certificates_and_behind_a_proxy_that_of_the_public_address() {
        let tls = Site::tls();
        let own = call("control.example", Some("https://control.example"));
        assert_eq!(tls.look_at(&own), Ok(Comes::WithCall));
        let foreign = call("control.example", Some("http://control.example"));
        assert_eq!(tls.look_at(&foreign), Err(Refused::ForeignOrigin));
        let behind = Site::plain().or_at(Some("https://Page.example:443/".parse().unwrap()));
        let own = call("page.example", Some("https://page.example"));
        assert_eq!(behind.look_at(&own), Ok(Comes::WithCall));
        let plain = call("page.example", Some("http://page.example"));
        assert_eq!(behind.look_at(&plain), Err(Refused::ForeignOrigin));
        let other = call("other.example", Some("https://other.example"));
        assert_eq!(behind.look_at(&other), Err(Refused::UnknownHost));
    }

    #[test]
    fn browsers_get_the_page_and_the_calls_that_it_makes_and_nothing_else() {
        let site = Site::plain();
        let host = ("host", "localhost:1");
        let grpc_web = ("content-type", "application/grpc-web");
        for path in ["/countersign.v1.SessionService/IssueToken", "/grpc.health.v1.Health/Check", "/", "//"] {
            let request = http1("POST", path, &[host, grpc_web]);
            assert_eq!(site.look_at(&request), Err(Refused::NoSuchService), "{path}");
        }
        let path = "/countersign.v1.ApprovalService/DecideApproval";
        for kind in ["application/grpc", "application/json", "text/plain"] {
            let request = http1("POST", path, &[host, ("content-type", kind)]);
            assert_eq!(site.look_at(&request), Err(Refused::NotGrpcWeb), "{kind}");
        }
        assert_eq!(site.look_at(&http1("GET", path, &[host, grpc_web])), Ok(Comes::ForPage));
        let preflight = http1("OPTIONS", path, &[host, ("origin", "http://localhost:1")]);
        assert_eq!(site.look_at(&preflight), Err(Refused::NotAPage(Method::OPTIONS)));
    }

    #[test]
    fn programs_pass_as_before_unless_a_browser_speaks_as_one() {
        let site = Site::plain();
        let mut program =
            http1("POST", "http://control.example/x.Y/Z", &[("content-type", "application/grpc")]);
        *program.version_mut() = Version::HTTP_2;
        assert_eq!(site.look_at(&program), Ok(Comes::Program));
        program.headers_mut().insert(ORIGIN, HeaderValue::from_static("http://control.example"));
        assert_eq!(site.look_at(&program), Err(Refused::UnknownHost));
    }

    #[test]
    fn a_public_address_is_an_origin() {
        for wrong in ["http://a.example", "https://a.example/x", "https://a@b.example", "a.example", "", "/"]
        {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
        assert_eq!("https://A.example:8443".parse::<PublicUrl>().unwrap().0, "https://a.example:8443");
    }
}
