//! What the kernel tests share: a namespace of their own, and nft and ip run inside it.

use std::process::Command;

use nftables::{
    Batch, Chain, Connection, Element, Expression, Family, Hook, HookPoint, Object, Place, Policy,
    Rule, Set, Table, TableContents, TableId,
};

/// A connection in a namespace of the calling test's thread, which goes away with both.
pub(crate) fn isolated() -> Connection {
    nftables::enter_new_network_namespace().expect("tests of the kernel run as root");
    Connection::open().expect("a netlink socket")
}

/// Runs a command in the calling thread's namespace and returns what it printed.
pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", command])
        .output()
        .expect("sh is installed");
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) fn table() -> TableId {
    TableId::new(Family::Bridge, "t")
}

/// What a test puts into its table; sets come with their elements.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) chains: Vec<Chain>,
    pub(crate) objects: Vec<Object>,
    pub(crate) sets: Vec<(Set, Vec<Element>)>,
    pub(crate) rules: Vec<Rule>,
}

impl Plan {
    pub(crate) fn rule(expressions: Vec<Expression>) -> Self {
        Self {
            chains: vec![base_chain()],
            rules: vec![Rule::new("c", expressions)],
            ..Self::default()
        }
    }

    pub(crate) fn batch(&self, table: &TableId) -> Batch {
        let mut batch = Batch::new(None);
        batch.add_table(&Table::new(table.clone()));
        for chain in &self.chains {
            batch.add_chain(table, chain);
        }
        for object in &self.objects {
            batch.add_object(table, object);
        }
        for (set, elements) in &self.sets {
            batch.add_set(table, set);
            batch.add_elements(table, &set.name, elements);
        }
        for rule in &self.rules {
            batch.add_rule(table, rule, Place::Last);
        }
        batch
    }

    /// Commits, reads back, and insists that it is the same.
    pub(crate) fn install(&self, connection: &mut Connection, table: &TableId) -> TableContents {
        connection.commit(&self.batch(table)).expect("accepted");
        let contents = connection
            .dump_table(table)
            .expect("readable")
            .expect("the table is there");
        self.assert_same(&contents);
        contents
    }

    pub(crate) fn assert_same(&self, contents: &TableContents) {
        let chains: Vec<_> = contents.chains.iter().map(|chain| &chain.value).collect();
        assert_eq!(chains, self.chains.iter().collect::<Vec<_>>());
        let rules: Vec<_> = contents.rules.iter().map(|rule| &rule.value).collect();
        assert_eq!(rules, self.rules.iter().collect::<Vec<_>>());
        let mut objects: Vec<_> = contents
            .objects
            .iter()
            .map(|object| &object.value)
            .collect();
        objects.sort();
        let mut wanted: Vec<_> = self.objects.iter().collect();
        wanted.sort();
        assert_eq!(objects, wanted);
        assert_eq!(contents.sets.len(), self.sets.len());
        for (set, elements) in &self.sets {
            let found = contents.set(&set.name).expect("the set is there");
            assert_eq!(&found.set.value, set);
            let mut found = found.elements.clone();
            found.sort();
            let mut wanted = elements.clone();
            wanted.sort();
            assert!(found == wanted, "elements of {}: {found:?}", set.name);
        }
    }
}

pub(crate) fn base_chain() -> Chain {
    Chain::base(
        "c",
        Hook::filter(HookPoint::Prerouting, -300, Policy::Accept),
    )
}

/// The lines nft prints within chain `c`, without indentation.
pub(crate) fn listed_rules(table: &TableId) -> Vec<String> {
    let text = run(&format!("nft list table {table}"));
    text.lines()
        .skip_while(|line| !line.contains("chain c {"))
        .skip(1)
        .map(str::trim)
        .take_while(|line| *line != "}")
        .filter(|line| !line.starts_with("type ") && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The listing of the table, without indentation.
pub(crate) fn listed(table: &TableId) -> String {
    let text = run(&format!("nft list table {table}"));
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}
