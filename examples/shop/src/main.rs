//! A small shop over HTTP: products and orders in SQLite, and a health endpoint that says what is running.

mod health;
mod options;
mod routes;
mod store;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use options::Options;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", options::USAGE);
            ExitCode::from(2)
        }
        Ok(options) => match serve(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("error: {problem}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Serves until it is told to stop. Its process id is in the pid file only while it listens.
fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    // One thread answers, others wait for the database: plenty for a shop of this size.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| format!("cannot listen on `{}`: {error}", options.listen))?;
        let mut terminate = signal(SignalKind::terminate())?;
        if let Some(file) = &options.pid_file {
            std::fs::write(file, format!("{}\n", std::process::id()))
                .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
        }
        println!("shop {} listens on http://{}", env!("CARGO_PKG_VERSION"), listener.local_addr()?);
        let pid_file = options.pid_file.clone();
        axum::serve(listener, routes::router(options))
            .with_graceful_shutdown(async move {
                terminate.recv().await;
            })
            .await?;
        if let Some(file) = pid_file {
            withdraw(&file);
        }
        println!("shop {} has stopped", env!("CARGO_PKG_VERSION"));
        Ok(())
    })
}

/// Removes the pid file where it still is this process's own.
fn withdraw(file: &Path) {
    let own = std::fs::read_to_string(file).is_ok_and(|pid| pid.trim() == std::process::id().to_string());
    if own && let Err(error) = std::fs::remove_file(file) {
        eprintln!("error: cannot remove `{}`: {error}", file.display());
    }
}
