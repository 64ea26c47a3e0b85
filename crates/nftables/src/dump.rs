//! Reading tables back, whole and consistent: what is reported stood together at one moment.

use std::collections::HashSet;
use std::time::Duration;

use crate::chain::Chain;
use crate::connection::{Connection, DumpEnd};
use crate::element::{Element, LIST_SET, LIST_TABLE, read_elements};
use crate::expression::Expression;
use crate::fault::ReadError;
use crate::message::{GET_CHAIN, GET_ELEMENT, GET_OBJECT, GET_RULE, GET_SET, GET_TABLE};
use crate::object::Object;
use crate::rule::{RULE_TABLE, Rule};
use crate::set::{SET_TABLE, Set};
use crate::table::{Family, Installed, Table, TableId};
use crate::wire::{known_fields, read_name};

/// A table with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableContents {
    /// The ruleset's generation that this is of: what to give to [`Batch::new`](crate::Batch::new).
    pub generation: u32,
    /// The table.
    pub table: Installed<Table>,
    /// Its chains.
    pub chains: Vec<Installed<Chain>>,
    /// Its rules, chain by chain, in the order they run.
    pub rules: Vec<Installed<Rule>>,
    /// Its sets and maps.
    pub sets: Vec<SetContents>,
    /// Its named objects.
    pub objects: Vec<Installed<Object>>,
}

/// A set with its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetContents {
    /// The set.
    pub set: Installed<Set>,
    /// Its elements, in the kernel's order, which means nothing and changes. Reading them takes the kernel time that
    /// grows with the square of their number (40,000: 80 ms, 120,000: 0.8 s): it finds its place anew for every
    /// 32 KiB. Several smaller sets are faster.
    pub elements: Vec<Element>,
}

impl TableContents {
    /// The rules of one chain, in the order they run.
    pub fn rules_of(&self, chain: &str) -> impl Iterator<Item = &Installed<Rule>> {
        self.rules
            .iter()
            .filter(move |rule| rule.value.chain == chain)
    }

    /// Sets all counters, and what is used of quotas, to zero: see [`Expression::without_state`].
    pub fn clear_state(&mut self) {
        for rule in &mut self.rules {
            rule.value
                .expressions
                .iter_mut()
                .for_each(Expression::clear_state);
        }
        for set in &mut self.sets {
            set.set
                .value
                .expressions
                .iter_mut()
                .for_each(Expression::clear_state);
            for element in &mut set.elements {
                element
                    .expressions
                    .iter_mut()
                    .for_each(Expression::clear_state);
            }
        }
        for object in &mut self.objects {
            object.value = object.value.without_state();
        }
    }

    /// The set of that name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&SetContents> {
        self.sets.iter().find(|set| set.set.value.name == name)
    }
}

/// How often to try for a moment without changes.
const ATTEMPTS: u32 = 20;
/// How much longer to wait before each attempt than before the one before: hash tables take about this to grow.
const PAUSE: Duration = Duration::from_millis(1);

impl Connection {
    /// All tables of a family, or of all families for [`Family::Unspecified`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn tables(&mut self, family: Family) -> Result<Vec<Installed<Table>>, ReadError> {
        self.steadily(|connection| connection.read_tables(family))
            .map(|(_, tables)| tables)
    }

    /// A table with everything in it; `None` if there is none of that name.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn dump_table(&mut self, table: &TableId) -> Result<Option<TableContents>, ReadError> {
        let (generation, contents) = self.steadily(|connection| connection.read_table(table))?;
        Ok(contents.map(|contents| TableContents {
            generation,
            ..contents
        }))
    }

    /// The rules of a table, chain by chain, in the order they run, and the ruleset's generation that this is of.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn rules(&mut self, table: &TableId) -> Result<(u32, Vec<Installed<Rule>>), ReadError> {
        self.steadily(|connection| connection.read_rules(table))
    }

    /// The elements of one set with their counters; `None` if there is no such set.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn elements(
        &mut self,
        table: &TableId,
        set: &str,
    ) -> Result<Option<Vec<Element>>, ReadError> {
        self.steadily(|connection| connection.read_elements(table, set))
            .map(|(_, elements)| elements)
    }

    /// The named objects of a table with their counters: cheaper than the whole table.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn objects(&mut self, table: &TableId) -> Result<Vec<Installed<Object>>, ReadError> {
        self.steadily(|connection| connection.read_objects(table))
            .map(|(_, objects)| objects)
    }

    /// Reads until nothing changed between the first question and the last answer. `None` from `read` is a dump
    /// that the kernel says was disturbed.
    fn steadily<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<Option<T>, ReadError>,
    ) -> Result<(u32, T), ReadError> {
        for attempt in 0..ATTEMPTS {
            std::thread::sleep(PAUSE.saturating_mul(attempt));
            let before = self.generation()?;
            if let Some(value) = read(self)?
                && self.generation()? == before
            {
                return Ok((before, value));
            }
        }
        Err(ReadError::Unsteady { attempts: ATTEMPTS })
    }

    fn read_tables(&mut self, family: Family) -> Result<Option<Vec<Installed<Table>>>, ReadError> {
        let mut tables = Vec::new();
        let end = self.dump(
            "the tables",
            GET_TABLE,
            family,
            |_| (),
            |family, attributes| {
                tables.push(Table::read(family, attributes)?);
                Some(())
            },
        )?;
        Ok((end == DumpEnd::Whole).then_some(tables))
    }

    /// The inner `None` is a table that is not there.
    fn read_table(&mut self, id: &TableId) -> Result<Option<Option<TableContents>>, ReadError> {
        let Some(tables) = self.read_tables(id.family)? else {
            return Ok(None);
        };
        let Some(table) = tables.into_iter().find(|table| table.value.id == *id) else {
            return Ok(Some(None));
        };
        let Some(chains) = self.read_chains(id)? else {
            return Ok(None);
        };
        let Some(rules) = self.read_rules(id)? else {
            return Ok(None);
        };
        let Some(objects) = self.read_objects(id)? else {
            return Ok(None);
        };
        let Some(found) = self.read_sets(id)? else {
            return Ok(None);
        };
        let mut sets = Vec::with_capacity(found.len());
        for set in found {
            // A set that was there a moment ago and is not now is a disturbance.
            let Some(Some(elements)) = self.read_elements(id, &set.value.name)? else {
                return Ok(None);
            };
            sets.push(SetContents { set, elements });
        }
        Ok(Some(Some(TableContents {
            generation: 0, // known once nothing has changed: see dump_table
            table,
            chains,
            rules,
            sets,
            objects,
        })))
    }

    fn read_chains(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Chain>>>, ReadError> {
        let mut chains = Vec::new();
        let end = self.dump(
            "the chains",
            GET_CHAIN,
            id.family,
            |_| (), // older kernels cannot be asked for one table
            |_, attributes| {
                if is_of(attributes, id)? {
                    chains.push(Chain::read(attributes)?.1);
                }
                Some(())
            },
        )?;
        Ok((end == DumpEnd::Whole).then_some(chains))
    }

    fn read_rules(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Rule>>>, ReadError> {
        let mut rules = Vec::new();
        let end = self.dump(
            "the rules",
            GET_RULE,
            id.family,
            |writer| writer.string(RULE_TABLE, &id.name),
            |_, attributes| {
                if is_of(attributes, id)? {
                    rules.push(Rule::read(attributes)?.1);
                }
                Some(())
            },
        )?;
        Ok((end == DumpEnd::Whole).then_some(rules))
    }

    fn read_sets(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Set>>>, ReadError> {
        let mut sets = Vec::new();
        let end = self.dump(
            "the sets",
            GET_SET,
            id.family,
            |writer| writer.string(SET_TABLE, &id.name),
            |_, attributes| {
                if is_of(attributes, id)? {
                    sets.push(Set::read(attributes)?.1);
                }
                Some(())
            },
        )?;
        Ok((end == DumpEnd::Whole).then_some(sets))
    }

    /// The inner `None` is a set that is not there.
    fn read_elements(
        &mut self,
        id: &TableId,
        set: &str,
    ) -> Result<Option<Option<Vec<Element>>>, ReadError> {
        let mut elements = Vec::new();
        let end = self.dump(
            "the elements of a set",
            GET_ELEMENT,
            id.family,
            |writer| {
                writer.string(LIST_TABLE, &id.name);
                writer.string(LIST_SET, set);
            },
            |_, attributes| {
                let (_, _, mut found) = read_elements(attributes)?;
                elements.append(&mut found);
                Some(())
            },
        )?;
        Ok(match end {
            DumpEnd::Whole if !has_twins(&elements) => Some(Some(elements)),
            DumpEnd::Whole | DumpEnd::Disturbed => None,
            DumpEnd::Missing => Some(None),
        })
    }

    fn read_objects(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Object>>>, ReadError> {
        const OBJECT_TABLE: u16 = 1;
        let mut objects = Vec::new();
        let end = self.dump(
            "the objects",
            GET_OBJECT,
            id.family,
            |writer| writer.string(OBJECT_TABLE, &id.name),
            |_, attributes| {
                if is_of(attributes, id)? {
                    let (_, handle, value) = Object::read(attributes)?;
                    objects.push(Installed { handle, value });
                }
                Some(())
            },
        )?;
        Ok((end == DumpEnd::Whole).then_some(objects))
    }
}

/// Whether an element was reported twice. The kernel grows and shrinks a hash table in the background, without a
/// new generation; a dump that this overtakes repeats elements, and for each it repeats it may miss another.
/// (A set with a fixed [`Set::size`] has a table that does not grow.)
fn has_twins(elements: &[Element]) -> bool {
    let mut seen = HashSet::with_capacity(elements.len());
    !elements
        .iter()
        .all(|element| seen.insert((&element.key, &element.key_end, element.interval_end)))
}

/// Whether a report is about something of that table. Not every kernel reports one table only, and what stands in
/// others need not be readable. The table's name is attribute 1 of all reports.
fn is_of(attributes: &[u8], id: &TableId) -> Option<bool> {
    let [_, table] = known_fields::<2>(attributes)?;
    Some(read_name(table?) == id.name)
}
