//! The one binary.

mod lab;

use std::process::ExitCode;

use clap::Parser;

/// A moat around every virtual machine.
#[derive(Parser)]
#[command(name = "moat", version)]
enum Command {
    /// Measures with real frames what documents mean, before and after
    Lab(lab::LabArguments),
}

fn main() -> ExitCode {
    let Command::Lab(arguments) = Command::parse();
    match lab::run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
