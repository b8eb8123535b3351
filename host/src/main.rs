//! The command line of Windlass.

fn main() -> std::process::ExitCode {
    windlass::cli::main()
}
