//! A table by name: chains with their rules, base chains in the order they run, sets and objects.

use std::cmp::Reverse;
use std::collections::HashMap;

use nftables::{Chain, Element, HookPoint, Object, ObjectKind, Policy, Rule, Set, TableContents};

use super::outcome::RulePlace;
use super::set_index::SetIndex;

/// `NFT_TABLE_F_DORMANT`.
const DORMANT: u32 = 1;

#[derive(Debug, Default)]
pub(super) struct TableIndex<'a> {
    chains: HashMap<&'a str, ChainIndex<'a>>,
    base_chains: Vec<BaseChain<'a>>,
    sets: HashMap<&'a str, SetIndex<'a>>,
    /// Objects of different kinds may share a name.
    objects: HashMap<(ObjectKind, &'a str), &'a Object>,
}

#[derive(Debug)]
pub(super) struct ChainIndex<'a> {
    pub(super) name: &'a str,
    pub(super) rules: Vec<RuleIndex<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct RuleIndex<'a> {
    pub(super) rule: &'a Rule,
    handle: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct BaseChain<'a> {
    pub(super) name: &'a str,
    pub(super) priority: i32,
    pub(super) policy: Policy,
    point: HookPoint,
    /// Grows with each chain that was added.
    age: u64,
}

impl<'a> TableIndex<'a> {
    pub(super) fn of_contents(table: &'a TableContents) -> Self {
        let mut index = Self::default();
        for chain in &table.chains {
            index.add_chain(&chain.value, chain.handle);
        }
        for rule in &table.rules {
            index.add_rule(&rule.value, Some(rule.handle));
        }
        for set in &table.sets {
            index.add_set(&set.set.value, &set.elements);
        }
        for object in &table.objects {
            index.add_object(&object.value);
        }
        if table.table.value.flags & DORMANT != 0 {
            index.base_chains.clear();
        }
        index.sort();
        index
    }

    pub(super) fn of_parts<E>(
        chains: impl IntoIterator<Item = &'a Chain>,
        rules: impl IntoIterator<Item = &'a Rule>,
        sets: impl IntoIterator<Item = (&'a Set, E)>,
        objects: impl IntoIterator<Item = &'a Object>,
    ) -> Self
    where
        E: IntoIterator<Item = &'a Element>,
    {
        let mut index = Self::default();
        for (age, chain) in (0..).zip(chains) {
            index.add_chain(chain, age);
        }
        for rule in rules {
            index.add_rule(rule, None);
        }
        for (set, elements) in sets {
            index.add_set(set, elements);
        }
        for object in objects {
            index.add_object(object);
        }
        index.sort();
        index
    }

    fn add_chain(&mut self, chain: &'a Chain, age: u64) {
        self.chain_mut(&chain.name);
        if let Some(hook) = &chain.hook {
            self.base_chains.push(BaseChain {
                name: &chain.name,
                priority: hook.priority,
                policy: hook.policy,
                point: hook.point,
                age,
            });
        }
    }

    fn add_rule(&mut self, rule: &'a Rule, handle: Option<u64>) {
        let chain = self.chain_mut(&rule.chain);
        chain.rules.push(RuleIndex { rule, handle });
    }

    fn add_set(&mut self, set: &'a Set, elements: impl IntoIterator<Item = &'a Element>) {
        self.sets.insert(&set.name, SetIndex::new(set, elements));
    }

    fn add_object(&mut self, object: &'a Object) {
        self.objects.insert((object.kind(), &object.name), object);
    }

    fn chain_mut(&mut self, name: &'a str) -> &mut ChainIndex<'a> {
        self.chains.entry(name).or_insert(ChainIndex {
            name,
            rules: Vec::new(),
        })
    }

    /// `nf_hook_entries_grow` puts a new hook before those of the same priority.
    fn sort(&mut self) {
        self.base_chains
            .sort_by_key(|base| (base.priority, Reverse(base.age)));
    }

    pub(super) fn base_chains(&self, point: HookPoint) -> impl Iterator<Item = &BaseChain<'a>> {
        self.base_chains
            .iter()
            .filter(move |base| base.point == point)
    }

    pub(super) fn chain(&self, name: &str) -> Option<&ChainIndex<'a>> {
        self.chains.get(name)
    }

    pub(super) fn set(&self, name: &str) -> Option<&SetIndex<'a>> {
        self.sets.get(name)
    }

    pub(super) fn object(&self, kind: ObjectKind, name: &str) -> Option<&'a Object> {
        self.objects.get(&(kind, name)).copied()
    }
}

impl RuleIndex<'_> {
    pub(super) fn place(&self, index: usize) -> RulePlace {
        RulePlace {
            index,
            handle: self.handle,
            comment: self.rule.userdata.as_comment().map(str::to_owned),
        }
    }
}
