//! The approver's page as it is served: the files of `ui/dist`, built into the program, and the headers that keep
//! what browsers do with them narrow. The files are all there is; everything else they get over the API.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_common::Digest;

/// Path, type, contents. The names stay the same from build to build: whoever has an old file asks whether it still
/// is the one, and two nodes of different versions serve the same names.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../../../ui/dist/index.html")),
    ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../../../ui/dist/app.js")),
    ("/app.css", "text/css; charset=utf-8", include_bytes!("../../../../ui/dist/app.css")),
    ("/icon.svg", "image/svg+xml", include_bytes!("../../../../ui/dist/icon.svg")),
    // Of the libraries in it.
    ("/licenses.md", "text/plain; charset=utf-8", include_bytes!("../../../../ui/dist/licenses.md")),
];

/// Our own files, calls to where they came from, nothing else; no script and no style in the page itself, no text
/// turned into markup, and nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// On every answer, also on those that have no file.
const HEADERS: [(HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    // Kept, and asked for each time whether it still holds.
    (CACHE_CONTROL, "no-cache"),
];

/// The page.
#[derive(Debug)]
pub(super) struct Page(Vec<File>);

#[derive(Debug)]
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static [u8],
    /// The digest of the content, in quotes.
    tag: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let file =
            |(path, kind, content)| File { path, kind, content, tag: format!("\"{}\"", Digest::of(content)) };
        Self(FILES.into_iter().map(file).collect())
    }

    /// The file at this path, or that there is none. What HEAD must not have is left out by the server.
    pub(super) fn answer(&self, path: &str, asked: &HeaderMap) -> Response {
        let mut response = match self.0.iter().find(|file| file.path == path) {
            Some(file) => file.answer(asked),
            None => (StatusCode::NOT_FOUND, "there is no such page; the first one is /\n").into_response(),
        };
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let known = asked
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|tags| tags.to_str().is_ok_and(|tags| tags.split(',').any(|tag| tag.trim() == self.tag)));
        let mut response = match known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Response::new(Body::from(self.content)),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        // Hex digits in quotes are a legal value.
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'r>(response: &'r Response, name: &str) -> &'r str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let page = Page::new();
        let first = page.answer("/app.js", &HeaderMap::new());
        assert_eq!((first.status(), header(&first, "cache-control")), (StatusCode::OK, "no-cache"));
        let asked = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(page.answer("/app.js", &asked).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(page.answer("/app.css", &asked).status(), StatusCode::OK);
    }

    #[test]
    fn no_answer_lacks_the_policy() {
        let page = Page::new();
        for path in ["/", "/app.js", "/app.css", "/icon.svg", "/none", "/../Cargo.toml"] {
            let answer = page.answer(path, &HeaderMap::new());
            assert_eq!(header(&answer, "content-security-policy"), POLICY, "{path}");
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
            assert!(header(&answer, "access-control-allow-origin").is_empty(), "{path}");
        }
        assert!(!POLICY.contains("unsafe"));
    }
}
