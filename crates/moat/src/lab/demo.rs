//! The documents of `examples/demo`, so that `moat lab` works wherever the binary is.

use policy::language::Source;

macro_rules! built_in {
    ($($name:literal),*) => {
        [$((
            concat!("examples/demo/", $name),
            include_str!(concat!("../../../../examples/demo/", $name)),
        )),*]
    };
}

/// Their texts, under the names that they have in the project.
pub(super) fn sources() -> Vec<Source> {
    let texts = built_in!(
        "hosts.yaml",
        "networks.yaml",
        "policies.yaml",
        "ports.yaml",
        "profiles.yaml"
    );
    texts.map(|(name, text)| Source::new(name, text)).to_vec()
}
