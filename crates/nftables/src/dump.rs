//! Reading tables back, whole and consistent: what is reported stood together at one moment.

use crate::connection::{Connection, ReadError};
use crate::element::{Element, LIST_SET, LIST_TABLE, read_elements};
use crate::message::{GET_CHAIN, GET_ELEMENT, GET_OBJECT, GET_RULE, GET_SET, GET_TABLE};
use crate::object::Object;
use crate::set::{SET_TABLE, Set};
use crate::table::{Chain, Family, Installed, RULE_TABLE, Rule, Table, TableId};

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
    /// Its elements, in the kernel's order, which means nothing and changes.
    pub elements: Vec<Element>,
}

impl TableContents {
    /// The rules of one chain, in the order they run.
    pub fn rules_of(&self, chain: &str) -> impl Iterator<Item = &Installed<Rule>> {
        self.rules
            .iter()
            .filter(move |rule| rule.value.chain == chain)
    }

    /// The set of that name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&SetContents> {
        self.sets.iter().find(|set| set.set.value.name == name)
    }
}

/// How often to try for a moment without changes.
const ATTEMPTS: u32 = 20;

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

    /// The elements of one set with their counters.
    ///
    /// # Errors
    /// See [`ReadError`]; a set that is not there is [`ReadError::Unsteady`].
    pub fn elements(&mut self, table: &TableId, set: &str) -> Result<Vec<Element>, ReadError> {
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
        for _ in 0..ATTEMPTS {
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
        let whole = self.dump(
            "the tables",
            GET_TABLE,
            family,
            |_| (),
            |family, attributes| {
                tables.push(Table::read(family, attributes)?);
                Some(())
            },
        )?;
        Ok(whole.then_some(tables))
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
            let Some(elements) = self.read_elements(id, &set.value.name)? else {
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
        let whole = self.dump(
            "the chains",
            GET_CHAIN,
            id.family,
            |_| (), // older kernels cannot be asked for one table
            |_, attributes| {
                let (table, chain) = Chain::read(attributes)?;
                if table == id.name {
                    chains.push(chain);
                }
                Some(())
            },
        )?;
        Ok(whole.then_some(chains))
    }

    fn read_rules(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Rule>>>, ReadError> {
        let mut rules = Vec::new();
        let whole = self.dump(
            "the rules",
            GET_RULE,
            id.family,
            |writer| writer.string(RULE_TABLE, &id.name),
            |_, attributes| {
                let (table, rule) = Rule::read(attributes)?;
                if table == id.name {
                    rules.push(rule);
                }
                Some(())
            },
        )?;
        Ok(whole.then_some(rules))
    }

    fn read_sets(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Set>>>, ReadError> {
        let mut sets = Vec::new();
        let whole = self.dump(
            "the sets",
            GET_SET,
            id.family,
            |writer| writer.string(SET_TABLE, &id.name),
            |_, attributes| {
                let (table, set) = Set::read(attributes)?;
                if table == id.name {
                    sets.push(set);
                }
                Some(())
            },
        )?;
        Ok(whole.then_some(sets))
    }

    fn read_elements(
        &mut self,
        id: &TableId,
        set: &str,
    ) -> Result<Option<Vec<Element>>, ReadError> {
        let mut elements = Vec::new();
        let whole = self.dump(
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
        Ok(whole.then_some(elements))
    }

    fn read_objects(&mut self, id: &TableId) -> Result<Option<Vec<Installed<Object>>>, ReadError> {
        const OBJECT_TABLE: u16 = 1;
        let mut objects = Vec::new();
        let whole = self.dump(
            "the objects",
            GET_OBJECT,
            id.family,
            |writer| writer.string(OBJECT_TABLE, &id.name),
            |_, attributes| {
                let (table, handle, value) = Object::read(attributes)?;
                if table == id.name {
                    objects.push(Installed { handle, value });
                }
                Some(())
            },
        )?;
        Ok(whole.then_some(objects))
    }
}
