//! A receiver of traces: OTLP over gRPC, as a collector takes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Takes what comes, in a thread of its own.
pub(crate) struct Receiver {
    url: String,
    spans: Arc<Mutex<Vec<Sent>>>,
    _runtime: tokio::runtime::Runtime,
}

/// A span, and which service sent it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) service: String,
    pub(crate) span: Span,
}

/// One trace.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) id: String,
    pub(crate) spans: Vec<Sent>,
}

impl Trace {
    /// The names of its spans, sorted; each once.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.spans.iter().map(|sent| sent.span.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Its span of this name.
    pub(crate) fn span(&self, name: &str) -> &Sent {
        let found = self.spans.iter().find(|sent| sent.span.name == name);
        found.unwrap_or_else(|| panic!("no `{name}` in {:?}", self.names()))
    }

    /// What the span of this name is a part of, and which service that belongs to; nothing: no span that was sent.
    pub(crate) fn parent(&self, name: &str) -> Option<(&str, &str)> {
        let parent = &self.span(name).span.parent_span_id;
        let parent = self.spans.iter().find(|sent| sent.span.span_id == *parent)?;
        Some((&parent.service, &parent.span.name))
    }

    /// An attribute of its command.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        let command = &self.span("command").span;
        let found = command.attributes.iter().find(|attribute| attribute.key == key)?;
        found.value.as_ref().map(text)
    }
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let spans = Arc::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(Sink(Arc::clone(&spans)));
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { url, spans, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What came, by trace.
    pub(crate) fn traces(&self) -> Vec<Trace> {
        let mut traces: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
        for sent in self.spans.lock().unwrap().iter() {
            traces.entry(hex::encode(&sent.span.trace_id)).or_default().push(sent.clone());
        }
        traces.into_iter().map(|(id, spans)| Trace { id, spans }).collect()
    }
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

struct Sink(Arc<Mutex<Vec<Sent>>>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = attributes.iter().find(|attribute| attribute.key == "service.name");
            let service = service.and_then(|service| service.value.as_ref()).map(text).unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let sent = spans.map(|span| Sent { service: service.clone(), span });
            self.0.lock().unwrap().extend(sent);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
