//! The policy language from outside: documents in, catalog or diagnostics out.

mod documents;
mod errors;
mod generate;
mod lines;
mod properties;
mod schema;

use policy::Catalog;
use policy::language::{Diagnostics, Source, load};

fn load_text(text: &str) -> Result<Catalog, Diagnostics> {
    load(&[Source::new("test.yaml", text)])
}

/// The documents of the design's section on the language.
const EXAMPLE: &str = include_str!("example.yaml");
