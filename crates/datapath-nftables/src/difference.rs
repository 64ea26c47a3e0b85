//! What is installed, against what should be → one batch that changes only the difference (promise
//! 3). Knows the order in which nf_tables wants additions and removals; a pure function.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nftables::{
    Batch, Element, Installed, Object, ObjectKind, Place, Rule, Set, Statistics, Table,
    TableContents,
};

use crate::lower::table;
use crate::ruleset::{ChainContents, Ruleset, SetContents, sorted};

/// Everything that a commit will do: three transactions, of which only the second changes what
/// becomes of any frame.
///
/// A frame that is on its way while the kernel goes from one generation to the next meets the rules
/// of the one and the elements of the other (`nft_do_chain` reads the generation once, each lookup
/// reads it again). So what is new is complete before anything leads to it, and what is old stays
/// until nothing does: else such a frame would fall through a chain without rules yet, or miss in a
/// set without elements any more.
#[derive(Debug)]
pub struct Change {
    /// Chains, sets and counters to which nothing leads yet.
    pub before: Batch,
    /// The change itself.
    pub batch: Batch,
    /// Removes chains, sets and counters to which nothing leads any more.
    pub after: Batch,
    /// For people: one line for each chain, set and object that changes.
    pub summary: Vec<Line>,
}

/// One thing that changes in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `chain`, `set`, `counter`, `limit` or `table`.
    pub kind: &'static str,
    pub name: String,
    /// Rules or elements added and removed.
    pub added: usize,
    pub removed: usize,
}

impl Change {
    /// Whether the switch is as it should be.
    pub fn is_empty(&self) -> bool {
        self.batches().all(Batch::is_empty)
    }

    /// The transactions in their order.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        [&self.before, &self.batch, &self.after].into_iter()
    }

    /// What the commit costs.
    pub fn cost(&self) -> Statistics {
        let full = |batch: &&Batch| !batch.is_empty();
        let costs = self.batches().filter(full).map(Batch::statistics);
        costs.fold(Statistics::default(), |all, one| Statistics {
            messages: all.messages.saturating_add(one.messages),
            elements: all.elements.saturating_add(one.elements),
            rules: all.rules.saturating_add(one.rules),
            bytes: all.bytes.saturating_add(one.bytes),
        })
    }
}

/// The change from `installed` (`None`: our table is not there) to `desired`.
///
/// Additions come first and removals last, each in the order that references need: sets and objects
/// before the rules that use them, chains before the elements that lead there.
pub fn difference(
    installed: Option<&TableContents>,
    generation: Option<u32>,
    desired: &Ruleset,
) -> Change {
    let generation = installed.map(|contents| contents.generation).or(generation);
    let known = installed.map(Ruleset::outline);
    let rebuild = known
        .as_ref()
        .is_some_and(|known| !same_structure(known, desired));
    let prepares = known
        .as_ref()
        .is_some_and(|known| !rebuild && something_new(known, desired));
    let mut difference = Difference::new(generation, prepares);
    if rebuild {
        difference.batch.delete_table(&table());
    }
    if known.is_none() || rebuild {
        difference.batch.add_table(&Table::new(table()));
        difference.note("table", &table().name, 1, usize::from(rebuild));
    }
    let current = known.filter(|_| !rebuild).unwrap_or_default();
    let handles = installed
        .filter(|_| !rebuild)
        .map(|contents| Handles::of(&contents.rules))
        .unwrap_or_default();
    difference.between(&current, desired, &handles, installed.filter(|_| !rebuild))
}

/// The change from one part of the table to another; the table's other parts stay.
///
/// `None` where the parts cannot be exchanged in place.
pub(crate) fn advance(
    current: &Ruleset,
    desired: &Ruleset,
    rules: &[Installed<Rule>],
    generation: u32,
) -> Option<Change> {
    if !same_structure(current, desired) {
        return None;
    }
    let handles = Handles::of(rules);
    // A rule's place is found by its handle: the chains must be known as they are.
    for (name, contents) in &current.chains {
        let known = handles.0.get(name.as_str()).map_or(0, Vec::len);
        let changes = desired.chains.get(name) != Some(contents);
        if changes && known != contents.rules.len() {
            return None;
        }
    }
    let difference = Difference::new(Some(generation), something_new(current, desired));
    Some(difference.between(current, desired, &handles, None))
}

/// Whether every set and base chain that stays can stay: the kernel changes neither a set's type nor
/// a chain's hook. Where one must change (after an update of moat, or by a foreign hand), the table
/// is made anew, in the same transaction.
fn same_structure(known: &Ruleset, desired: &Ruleset) -> bool {
    let sets = desired.sets.iter().all(|(name, wanted)| {
        known
            .sets
            .get(name)
            .is_none_or(|known| known.set == wanted.set)
    });
    let chains = desired.chains.iter().all(|(name, wanted)| {
        known
            .chains
            .get(name)
            .is_none_or(|known| known.chain.hook == wanted.chain.hook)
    });
    sets && chains
}

/// Whether the table gets chains or sets, which must be complete before anything leads to them.
/// Objects need not: rules hold them, and do not look for them by generation.
fn something_new(known: &Ruleset, desired: &Ruleset) -> bool {
    let mut chains = desired
        .chains
        .iter()
        .filter(|(_, new)| new.chain.hook.is_none());
    chains.any(|(name, _)| !known.chains.contains_key(name))
        || desired
            .sets
            .keys()
            .any(|name| !known.sets.contains_key(name))
}

/// The generation after this one: the kernel leaves out 0.
fn next(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(1)
}

/// Handles of rules, chain by chain, in the order they run.
#[derive(Default)]
struct Handles<'a>(BTreeMap<&'a str, Vec<u64>>);

impl<'a> Handles<'a> {
    fn of(rules: &'a [Installed<Rule>]) -> Self {
        let mut handles: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for Installed { handle, value } in rules {
            handles
                .entry(value.chain.as_str())
                .or_default()
                .push(*handle);
        }
        Self(handles)
    }
}

enum Removal {
    /// With the number of its rules.
    Chain(String, usize),
    Set(String),
    Object(ObjectKind, String),
}

struct Difference {
    before: Batch,
    batch: Batch,
    /// There is a table, so that what is new comes before what leads to it.
    prepares: bool,
    table: nftables::TableId,
    summary: Vec<Line>,
    /// Taken out last, when nothing refers to them any more.
    removals: Vec<Removal>,
}

impl Difference {
    fn new(generation: Option<u32>, prepares: bool) -> Self {
        Self {
            before: Batch::new(generation),
            batch: Batch::new(if prepares {
                generation.map(next)
            } else {
                generation
            }),
            prepares,
            table: table(),
            summary: Vec::new(),
            removals: Vec::new(),
        }
    }

    /// With `dumped`, elements of `current` are there, in the order of the dump.
    fn between(
        mut self,
        current: &Ruleset,
        desired: &Ruleset,
        handles: &Handles<'_>,
        dumped: Option<&TableContents>,
    ) -> Change {
        self.objects(current, desired);
        self.sets_and_chains(current, desired);
        self.rules(current, desired, handles);
        self.elements(current, desired, dumped);
        self.finish()
    }

    /// Where what is new goes.
    fn preparation(&mut self) -> &mut Batch {
        if self.prepares {
            &mut self.before
        } else {
            &mut self.batch
        }
    }

    fn note(&mut self, kind: &'static str, name: &str, added: usize, removed: usize) {
        self.summary.push(Line {
            kind,
            name: name.to_owned(),
            added,
            removed,
        });
    }

    fn objects(&mut self, current: &Ruleset, desired: &Ruleset) {
        for ((kind, name), object) in &desired.objects {
            match current.objects.get(&(*kind, name.clone())) {
                Some(known) if known == object => {}
                Some(_) => self.replace_object(current, object),
                None => {
                    let table = self.table.clone();
                    self.preparation().add_object(&table, object);
                    self.note(word(*kind), name, 1, 0);
                }
            }
        }
        for (kind, name) in current.objects.keys() {
            if !desired.objects.contains_key(&(*kind, name.clone())) {
                self.removals.push(Removal::Object(*kind, name.clone()));
                self.note(word(*kind), name, 0, 1);
            }
        }
    }

    /// The kernel changes no object in place, and removes none that is referred to: the elements
    /// that refer to it go first and come back with the new one.
    fn replace_object(&mut self, current: &Ruleset, object: &Object) {
        for contents in current.sets.values() {
            let referring: Vec<&Element> = contents
                .elements
                .iter()
                .filter(|element| {
                    element.data == Some(nftables::ElementData::Object(object.name.clone()))
                })
                .collect();
            if !referring.is_empty() {
                self.batch.delete_elements(
                    &self.table,
                    &contents.set.name,
                    referring.iter().copied(),
                );
            }
        }
        self.batch
            .delete_object(&self.table, object.kind(), &object.name);
        self.batch.add_object(&self.table, object);
        for contents in current.sets.values() {
            let referring: Vec<&Element> = contents
                .elements
                .iter()
                .filter(|element| {
                    element.data == Some(nftables::ElementData::Object(object.name.clone()))
                })
                .collect();
            if !referring.is_empty() {
                self.batch
                    .add_elements(&self.table, &contents.set.name, referring.iter().copied());
            }
        }
        self.note(word(object.kind()), &object.name, 1, 1);
    }

    fn sets_and_chains(&mut self, current: &Ruleset, desired: &Ruleset) {
        for (name, contents) in &desired.sets {
            if !current.sets.contains_key(name) {
                self.add_set(&contents.set);
            }
        }
        for (name, contents) in &desired.chains {
            match current.chains.get(name) {
                // A base chain works as soon as it is there.
                None if contents.chain.hook.is_some() => {
                    self.batch.add_chain(&self.table, &contents.chain);
                }
                None => {
                    let table = self.table.clone();
                    self.preparation().add_chain(&table, &contents.chain);
                }
                Some(known) if known.chain != contents.chain => {
                    self.batch.update_chain(&self.table, &contents.chain);
                }
                Some(_) => {}
            }
        }
        for name in current
            .sets
            .keys()
            .filter(|name| !desired.sets.contains_key(*name))
        {
            self.removals.push(Removal::Set(name.clone()));
        }
    }

    fn add_set(&mut self, set: &Set) {
        let table = self.table.clone();
        self.preparation().add_set(&table, set);
    }

    fn rules(&mut self, current: &Ruleset, desired: &Ruleset, handles: &Handles<'_>) {
        for (name, contents) in &desired.chains {
            let (known, handles): (&[Rule], &[u64]) = match current.chains.get(name) {
                Some(known) => (
                    &known.rules,
                    handles.0.get(name.as_str()).map_or(&[], Vec::as_slice),
                ),
                None => (&[], &[]),
            };
            let new = !current.chains.contains_key(name) && contents.chain.hook.is_none();
            let (added, removed) = if new {
                let table = self.table.clone();
                for rule in &contents.rules {
                    self.preparation().add_rule(&table, rule, Place::Last);
                }
                (contents.rules.len(), 0)
            } else {
                self.chain_rules(name, known, handles, &contents.rules)
            };
            if added + removed > 0 || !current.chains.contains_key(name) {
                self.note("chain", name, added, removed);
            }
        }
        for (name, ChainContents { chain, rules }) in &current.chains {
            if !desired.chains.contains_key(name) {
                if chain.hook.is_some() {
                    self.batch.flush_chain(&self.table, name);
                    self.batch.delete_chain(&self.table, name);
                } else {
                    self.removals
                        .push(Removal::Chain(name.clone(), rules.len()));
                }
                self.note("chain", name, 0, rules.len());
            }
        }
    }

    /// Keeps the longest common beginning and end of the chain; what is between is exchanged. The
    /// rest of a chain keeps its rules, with their handles.
    fn chain_rules(
        &mut self,
        chain: &str,
        known: &[Rule],
        handles: &[u64],
        wanted: &[Rule],
    ) -> (usize, usize) {
        let start = known.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        let rest = known.len().min(wanted.len()) - start;
        let end = known
            .iter()
            .rev()
            .zip(wanted.iter().rev())
            .take(rest)
            .take_while(|(a, b)| a == b)
            .count();
        let added = wanted.get(start..wanted.len() - end).unwrap_or_default();
        let removed = handles.get(start..known.len() - end).unwrap_or_default();
        let before = handles.get(known.len() - end);
        for rule in added {
            // Before the first rule that stays behind them; each lands behind the one before.
            let place = before.map_or(Place::Last, |handle| Place::Before(*handle));
            self.batch.add_rule(&self.table, rule, place);
        }
        for handle in removed {
            self.batch.delete_rule(&self.table, chain, *handle);
        }
        (added.len(), removed.len())
    }

    fn elements(&mut self, current: &Ruleset, desired: &Ruleset, dumped: Option<&TableContents>) {
        for (name, SetContents { set, elements }) in &desired.sets {
            let known = match current.sets.get(name) {
                Some(known) if known.set == *set => known_elements(known, dumped),
                _ => Cow::default(),
            };
            let known = known.as_ref();
            let (added, removed) = if set.flags.interval {
                // The two ends of a range change together: the kernel refuses half a range that
                // lies across another (nft_rbtree's search for overlaps).
                let (known, wanted) = (ranges(known), ranges(elements));
                let (added, removed) = compare(&known, &wanted);
                (ends(added), ends(removed))
            } else {
                compare(known, elements)
            };
            if added.is_empty() && removed.is_empty() && current.sets.contains_key(name) {
                continue;
            }
            self.note("set", name, added.len(), removed.len());
            // Removals first: an element whose verdict changes is removed and added under one key,
            // and an interval may end where a new one begins.
            if !removed.is_empty() {
                self.batch.delete_elements(&self.table, name, removed);
            }
            if !added.is_empty() {
                let table = self.table.clone();
                let batch = if current.sets.contains_key(name) {
                    &mut self.batch
                } else {
                    self.preparation()
                };
                batch.add_elements(&table, name, added);
            }
        }
        for (name, contents) in &current.sets {
            if !desired.sets.contains_key(name) {
                let known = known_elements(contents, dumped).len();
                self.note("set", name, 0, known);
            }
        }
    }

    fn finish(mut self) -> Change {
        let objects_alone = self
            .removals
            .iter()
            .all(|removal| matches!(removal, Removal::Object(..)));
        if objects_alone {
            for removal in std::mem::take(&mut self.removals) {
                if let Removal::Object(kind, name) = removal {
                    self.batch.delete_object(&self.table, kind, &name);
                }
            }
        }
        let generation = match self.batch.is_empty() {
            true => self.batch.generation(),
            false => self.batch.generation().map(next),
        };
        let mut after = Batch::new(generation);
        // What refers goes before what is referred to: rules to sets and objects, sets to chains.
        for removal in &self.removals {
            if let Removal::Chain(name, 1..) = removal {
                after.flush_chain(&self.table, name);
            }
        }
        for removal in &self.removals {
            if let Removal::Set(name) = removal {
                after.delete_set(&self.table, name);
            }
        }
        for removal in &self.removals {
            if let Removal::Chain(name, _) = removal {
                after.delete_chain(&self.table, name);
            }
        }
        for removal in &self.removals {
            if let Removal::Object(kind, name) = removal {
                after.delete_object(&self.table, *kind, name);
            }
        }
        Change {
            before: self.before,
            batch: self.batch,
            after,
            summary: self.summary,
        }
    }
}

/// The elements of one set at a time, for all sets together take as much memory as the dump.
fn known_elements<'a>(
    known: &'a SetContents,
    dumped: Option<&TableContents>,
) -> Cow<'a, [Element]> {
    match dumped.and_then(|dumped| dumped.set(&known.set.name)) {
        Some(dumped) => Cow::Owned(sorted(&dumped.elements)),
        None => Cow::Borrowed(&known.elements),
    }
}

/// Elements with those that end their ranges. A concatenated key has both ends in one element, and
/// a foreign hand may have left an end alone.
fn ranges(elements: &[Element]) -> Vec<&[Element]> {
    elements.chunk_by(|_, next| next.interval_end).collect()
}

fn ends<'a>(ranges: Vec<&&'a [Element]>) -> Vec<&'a Element> {
    ranges.into_iter().copied().flatten().collect()
}

/// Members of sorted lists that only one of them has: to add, and to remove.
fn compare<'a, T: Ord>(known: &'a [T], wanted: &'a [T]) -> (Vec<&'a T>, Vec<&'a T>) {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let (mut known, mut wanted) = (known.iter().peekable(), wanted.iter().peekable());
    loop {
        match (known.peek(), wanted.peek()) {
            (None, None) => return (added, removed),
            (Some(_), None) => removed.extend(known.next()),
            (None, Some(_)) => added.extend(wanted.next()),
            (Some(old), Some(new)) => match old.cmp(new) {
                std::cmp::Ordering::Equal => {
                    known.next();
                    wanted.next();
                }
                std::cmp::Ordering::Less => removed.extend(known.next()),
                std::cmp::Ordering::Greater => added.extend(wanted.next()),
            },
        }
    }
}

fn word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::COUNTER => "counter",
        ObjectKind::LIMIT => "limit",
        _ => "object",
    }
}
