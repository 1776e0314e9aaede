//! A thread with a stack that is large enough for the deepest text that is compiled. Bundles come from people and
//! over the network, and callers compile them on threads of any stack size.

/// Enough for [`crate::nesting::DEPTH_MAX`] levels of Cedar's parser and validator, in a build without optimisation.
/// Only used pages take memory.
const STACK_BYTES: usize = 128 << 20;

/// Runs `work` on such a thread and waits for it.
///
/// # Errors
/// The reason for the missing result, in words: the thread could not be started, or `work` panicked.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("bundle-compiler".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| format!("the compiler's thread cannot be started: {error}"))?;
        // The log already has the text of the panic.
        thread.join().map_err(|_| "the compiler failed on this bundle".to_owned())
    })
}
