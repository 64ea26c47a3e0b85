//! Compiles the program that runs inside test guests, for every test that uses the test bed: static, so that a guest
//! needs no libraries, and without any crate, so that the compiler alone can build it.

use std::path::PathBuf;
use std::process::Command;
use std::{env, error, io};

const SOURCES: [&str; 4] = [
    "src/bin/guest-program/main.rs",
    "src/bin/guest-program/obey.rs",
    "src/bin/guest-program/wire.rs",
    "src/forged.rs",
];

fn main() -> Result<(), Box<dyn error::Error>> {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let directory = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let [main, ..] = SOURCES;
    let status = Command::new(compiler)
        .args(["--edition=2024", "--crate-name=guest_program"])
        .args(["-Copt-level=2", "-Cpanic=abort", "-Cstrip=symbols"])
        .args(["-Ctarget-feature=+crt-static", main, "-o"])
        .arg(PathBuf::from(directory).join("guest-program"))
        .status()?;
    if !status.success() {
        return Err(io::Error::other("the guest program does not compile").into());
    }
    Ok(())
}
