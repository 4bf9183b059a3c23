//! Parse, run, exit code.

use std::process::ExitCode;

/// Judging makes and drops many small values; the C library's allocators, musl's above all, are slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kubeproof::cli::main()
}
