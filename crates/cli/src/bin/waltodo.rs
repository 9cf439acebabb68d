//! The program `waltodo`.

use std::process::ExitCode;

fn main() -> ExitCode {
    longhaul_cli::waltodo::main()
}
