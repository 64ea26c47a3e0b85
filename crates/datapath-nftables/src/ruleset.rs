//! The table as plain data: what should be in the kernel, and what is. Knows no policy and no
//! handles; how the two forms meet is left to `difference`.

use std::collections::BTreeMap;

use nftables::{Chain, Element, Object, ObjectKind, Rule, Set, SetData, TableContents};

/// Contents of the one table. Sets hold their elements sorted, without counters' values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    pub chains: BTreeMap<String, ChainContents>,
    pub sets: BTreeMap<String, SetContents>,
    pub objects: BTreeMap<(ObjectKind, String), Object>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainContents {
    pub chain: Chain,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetContents {
    pub set: Set,
    pub elements: Vec<Element>,
}

/// Elements without what traffic changed, in the order of their keys.
pub(crate) fn sorted(elements: &[Element]) -> Vec<Element> {
    let mut elements: Vec<Element> = elements.iter().map(Element::without_state).collect();
    elements.sort_unstable();
    elements
}

impl Ruleset {
    /// What a dump says, without state and handles.
    pub fn of(contents: &TableContents) -> Self {
        let mut ruleset = Self::outline(contents);
        for set in &contents.sets {
            if let Some(outlined) = ruleset.sets.get_mut(&set.set.value.name) {
                outlined.elements = sorted(&set.elements);
            }
        }
        ruleset
    }

    /// The same without the elements of sets, but with those of maps of objects.
    pub(crate) fn outline(contents: &TableContents) -> Self {
        let mut ruleset = Self::default();
        for chain in &contents.chains {
            let chain = chain.value.clone();
            ruleset.chains.insert(
                chain.name.clone(),
                ChainContents {
                    chain,
                    rules: Vec::new(),
                },
            );
        }
        for rule in &contents.rules {
            if let Some(chain) = ruleset.chains.get_mut(&rule.value.chain) {
                chain.rules.push(rule.value.without_state());
            }
        }
        for set in &contents.sets {
            let elements = match set.set.value.data {
                SetData::Object(_) => sorted(&set.elements),
                _ => Vec::new(),
            };
            let set = set.set.value.clone();
            ruleset
                .sets
                .insert(set.name.clone(), SetContents { set, elements });
        }
        for object in &contents.objects {
            let object = object.value.without_state();
            ruleset
                .objects
                .insert((object.kind(), object.name.clone()), object);
        }
        ruleset
    }

    /// Elements of all sets: what a host's size is measured by.
    pub fn element_count(&self) -> usize {
        self.sets.values().map(|set| set.elements.len()).sum()
    }

    pub(crate) fn chain(&mut self, chain: Chain) -> &mut ChainContents {
        let name = chain.name.clone();
        self.chains.entry(name).or_insert_with(|| ChainContents {
            chain,
            rules: Vec::new(),
        })
    }

    pub(crate) fn set(&mut self, set: Set) -> &mut SetContents {
        let name = set.name.clone();
        self.sets.entry(name).or_insert_with(|| SetContents {
            set,
            elements: Vec::new(),
        })
    }

    pub(crate) fn object(&mut self, object: Object) {
        self.objects
            .insert((object.kind(), object.name.clone()), object);
    }
}
