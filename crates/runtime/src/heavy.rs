//! Work on large inputs, such as parsing a statement of one megabyte. It is moved off the serving threads, so that it
//! does not delay other connections, and is limited, so that it never occupies all processors.

use std::sync::LazyLock;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Largest input, in bytes, that is processed on the serving thread.
pub const LIGHT_BYTES_MAX: usize = 32 * 1024;

/// Permits for concurrent large work: half of the processors, at least one.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Semaphore::new((processors / 2).max(1))
});

/// Permission for one piece of work. A connection does one piece after the other, so it holds at most one.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    /// `None` if the work is small.
    large: Option<SemaphorePermit<'static>>,
}

/// Waits for the permission to process an input of `bytes` bytes. Small work does not wait.
///
/// # Cancel safety
/// Cancel safe: a dropped future takes no permit.
pub async fn turn(bytes: usize) -> Turn {
    if bytes <= LIGHT_BYTES_MAX {
        return Turn { large: None };
    }
    // The semaphore is never closed.
    Turn { large: TURNS.acquire().await.ok() }
}

impl Turn {
    /// Runs the work: small work in place, large work on a thread that serves no other task during that time.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) if self.large.is_some() => tokio::task::block_in_place(work),
            // A single-threaded runtime cannot hand its other tasks to another thread.
            _ => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A runtime with one serving thread: work that blocks it keeps all other tasks from being served.
    #[test]
    fn large_work_leaves_the_serving_thread_and_small_work_does_not() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let (served, wait_for_served) = std::sync::mpsc::channel();
            // Finishes only after another task was served.
            let heavy = tokio::spawn(async move {
                turn(LIGHT_BYTES_MAX + 1).await.run(|| {
                    let other = Handle::current().spawn(async move { served.send(()).unwrap() });
                    let told = wait_for_served.recv_timeout(std::time::Duration::from_secs(60));
                    (told.is_ok(), other)
                })
            });
            let (told, other) = heavy.await.unwrap();
            assert!(told, "nobody was served");
            other.await.unwrap();
            let here = std::thread::current().id();
            assert_eq!(turn(LIGHT_BYTES_MAX).await.run(|| std::thread::current().id()), here);
        });
    }

    #[test]
    fn it_takes_turns() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            let all = (0..64).map(|_| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    turn(1 << 20).await.run(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    });
                })
            });
            for one in all.collect::<Vec<_>>() {
                one.await.unwrap();
            }
        });
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        assert!((1..=(processors / 2).max(1)).contains(&most.load(Ordering::SeqCst)));
    }
}
