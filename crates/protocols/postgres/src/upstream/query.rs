//! Queries of our own over a connection that nobody else uses: catalogue and settings. Text in, text out.

use bytes::BytesMut;

use super::wire::Wire;
use super::{Upstream, UpstreamError, refused};
use crate::codec::backend::TransactionStatus;
use crate::codec::{Backend, Error, Fault, Tag, Values, build};

/// The largest answer that is read, over all its rows, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A row: each column as text; `None` is NULL.
pub type Row = Vec<Option<String>>;

impl Upstream {
    /// Runs a string of statements of our own and gives back the rows of all of them. Settings that the
    /// server reports on the way are kept.
    ///
    /// # Errors
    /// [`UpstreamError::Refused`] when the server answers with an error (the connection can go on),
    /// [`UpstreamError::TimedOut`] after [`super::Limits::query`], others when the connection is lost.
    ///
    /// # Cancel safety
    /// Not cancel safe: the answer is still under way then. Drop the connection.
    pub async fn simple_query(&mut self, sql: &str) -> Result<Vec<Row>, UpstreamError> {
        let limit = self.limits.query;
        match tokio::time::timeout(limit, self.run(sql)).await {
            Ok(rows) => rows,
            Err(_) => Err(UpstreamError::TimedOut { what: "query", limit }),
        }
    }

    /// Sends several strings of statements at once and gives back the rows of each, or why the server refused it.
    /// Each is a transaction of its own.
    ///
    /// # Errors
    /// When the connection is lost, or [`UpstreamError::TimedOut`] when the answers take longer than
    /// [`super::Limits::query`] together.
    ///
    /// # Cancel safety
    /// Not cancel safe, as [`Self::simple_query`].
    pub async fn pipeline(
        &mut self,
        queries: &[String],
    ) -> Result<Vec<Result<Vec<Row>, UpstreamError>>, UpstreamError> {
        let limit = self.limits.query;
        let all = async {
            let mut results = Vec::with_capacity(queries.len());
            let mut rest = queries;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(at_once(rest));
                rest = later;
                let mut out = BytesMut::new();
                for sql in now {
                    build::query(&mut out, sql.as_bytes())?;
                }
                Wire { stream: &mut self.stream, buffered: &mut self.buffered }.send(&out).await?;
                for _ in now {
                    results.push(match self.answer().await {
                        Err(refused @ UpstreamError::Refused { .. }) => Err(refused),
                        answer => Ok(answer?),
                    });
                }
            }
            Ok(results)
        };
        tokio::time::timeout(limit, all)
            .await
            .unwrap_or(Err(UpstreamError::TimedOut { what: "queries", limit }))
    }

    async fn run(&mut self, sql: &str) -> Result<Vec<Row>, UpstreamError> {
        let mut out = BytesMut::new();
        build::query(&mut out, sql.as_bytes())?;
        Wire { stream: &mut self.stream, buffered: &mut self.buffered }.send(&out).await?;
        self.answer().await
    }

    /// Reads the answer to one string of statements.
    async fn answer(&mut self) -> Result<Vec<Row>, UpstreamError> {
        let mut wire = Wire { stream: &mut self.stream, buffered: &mut self.buffered };
        let (mut rows, mut bytes, mut failure) = (Vec::new(), 0usize, None);
        loop {
            let message = wire.receive(ANSWER_BYTES_MAX).await?;
            bytes = bytes.saturating_add(message.body.len());
            if bytes > ANSWER_BYTES_MAX {
                return Err(UpstreamError::TooLarge { limit: ANSWER_BYTES_MAX });
            }
            match Backend::decode(message.tag, &message.body)? {
                Backend::DataRow(values) => rows.push(text_row(values)?),
                Backend::ErrorResponse(fields) => failure = Some(refused(fields)),
                Backend::ParameterStatus { name, value } => self.parameters.set(name, value),
                Backend::RowDescription(_)
                | Backend::CommandComplete(_)
                | Backend::EmptyQueryResponse
                | Backend::NoticeResponse(_)
                | Backend::NotificationResponse { .. } => {}
                Backend::ReadyForQuery(status) => {
                    self.status = status;
                    return failure.map_or(Ok(rows), Err);
                }
                other => return Err(unexpected(other.tag())),
            }
        }
    }

    /// Where the session stood when it was last ready for a command.
    #[must_use]
    pub const fn status(&self) -> TransactionStatus {
        self.status
    }
}

/// The number of queries that are sent before the first answer is read: what is under way has to fit into the buffers
/// between the two sides, or both would wait for the other to read.
fn at_once(queries: &[String]) -> usize {
    const BYTES_MAX: usize = 16 * 1024;
    let mut bytes = 0;
    let fitting = queries.iter().take_while(|sql| {
        bytes += sql.len();
        bytes <= BYTES_MAX
    });
    fitting.count().max(1)
}

fn unexpected(got: Tag) -> UpstreamError {
    Error::Unexpected { expected: "the answer to a simple query", got }.into()
}

fn text_row(values: Values<'_>) -> Result<Row, Error> {
    let text = |value: &[u8]| {
        let fault = Error::Malformed { message: "DataRow", fault: Fault::Encoding };
        String::from_utf8(value.to_vec()).map_err(|_| fault)
    };
    values.iter().map(|value| value.map(text).transpose()).collect()
}
