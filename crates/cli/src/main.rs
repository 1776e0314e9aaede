//! The `countersign` binary. Everything is in the library beside it, where tests reach it.

use std::process::ExitCode;

/// Sessions allocate little and often, from many threads; the system's allocator is slower at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign_cli::main()
}
