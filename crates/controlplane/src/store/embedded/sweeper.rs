//! Ends leases when their time has come: sleeps until the next deadline, then asks the writer.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::apply::Work;
use super::writer::{Request, now};

/// The longest sleep: the machine's clock may be set forward meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Runs until the store is closed. It holds nothing that keeps the store open.
pub(super) async fn run(writer: mpsc::WeakSender<Request>, mut next_deadline: watch::Receiver<Option<u64>>) {
    loop {
        let next = *next_deadline.borrow_and_update();
        let wait = next.map(|at| Duration::from_micros(at.saturating_sub(now())).min(SLEEP_MAX));
        if wait.is_some_and(|wait| wait.is_zero()) {
            let Some(writer) = writer.upgrade() else { return };
            let (reply, answer) = oneshot::channel();
            if writer.send(Request { work: Work::Expire, reply }).await.is_err() {
                return;
            }
            drop(writer);
            if !matches!(answer.await, Ok(Ok(_))) {
                // The writer has told the log why; what is overdue is tried again.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            continue;
        }
        tokio::select! {
            changed = next_deadline.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait.unwrap_or(SLEEP_MAX)) => {}
        }
    }
}
