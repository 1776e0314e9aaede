//! The listener for operators: `/livez`, `/readyz`, `/metrics`. Plain HTTP, read only, without secrets: meant for
//! loopback or a private network.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::health::Health;
use crate::metrics::Metrics;

/// Content type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A bound listener for operators.
#[derive(Debug)]
pub struct Ops {
    listener: TcpListener,
    address: SocketAddr,
}

impl Ops {
    /// Binds the listener; port 0 selects a free port.
    ///
    /// # Errors
    /// Any error of the operating system if the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Returns the address that the listener is bound to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until aborted. Continues during a drain, so that a load balancer sees that the process is not ready.
    ///
    /// # Cancel safety
    /// Cancel safe at any point; responses in progress are cut off.
    pub async fn serve(self, health: Health, metrics: Metrics) {
        let upkeep = metrics.clone().upkeep();
        let router = Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(move || async move { ready(&health) }))
            .route(
                "/metrics",
                get(move || async move { ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics.render()) }),
            );
        tokio::select! {
            ended = axum::serve(self.listener, router) => {
                tracing::error!(?ended, "the listener for operators ended");
            }
            () = upkeep => {}
        }
    }
}

fn ready(health: &Health) -> impl IntoResponse + use<> {
    let faults = health.faults();
    if faults.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}\n", faults.join("\n")))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_process_that_drains_is_alive_but_not_ready_and_says_why() {
        let ops = Ops::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, health) = (ops.address(), Health::new());
        let serving = tokio::spawn(ops.serve(health.clone(), Metrics::begin(&[]).unwrap()));
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        health.drain();
        let answer = get(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("not ready\ndraining\n"), "{answer}");
        assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/metrics").await.contains("text/plain; version=0.0.4"));
        assert!(get(address, "/else").await.starts_with("HTTP/1.1 404"));
        serving.abort();
    }
}
