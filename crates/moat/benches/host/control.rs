//! Control plane: how long it takes until declared documents are in force.

use std::time::Duration;

use datapath::{Capabilities, Datapath, resolve};
use datapath_nftables::{NftablesDatapath, Session};
use policy::language::{Source, load, parse};
use policy::observation::Observation;
use policy::{Catalog, HostProgram, Incremental};
use testbed::{Switch, SwitchSpec};

use crate::documents::{self, PORTS_PER_BRIDGE, Profile, USUAL};
use crate::table::{Lap, Sample, Table};

/// A switch with that many real ports, on as many bridges as it takes.
pub(crate) fn switch(ports: u32) -> Switch {
    let bridges = ports.div_ceil(PORTS_PER_BRIDGE).max(1);
    let spec = SwitchSpec {
        bridges: bridges as usize,
        ..SwitchSpec::default()
    };
    let switch = Switch::with(&spec).expect("bridges");
    for bridge in 0..bridges {
        let count = ports
            .saturating_sub(bridge * PORTS_PER_BRIDGE)
            .min(PORTS_PER_BRIDGE);
        switch.add_ports(bridge as usize, count).expect("ports");
    }
    switch
}

pub(crate) fn catalog(sources: &[Source]) -> Catalog {
    load(sources).unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)))
}

pub(crate) fn program(
    catalog: &Catalog,
    observed: &Observation,
    can: &Capabilities,
) -> HostProgram {
    let program = policy::compile(catalog, None, observed).expect("a program");
    resolve(&program, can).expect("this kernel can").program
}

/// The parts of one apply, in their order.
#[derive(Clone, Debug, Default)]
struct Parts {
    load: Sample,
    observe: Sample,
    compile: Sample,
    read: Sample,
    plan: Sample,
    commit: Sample,
    whole: Sample,
}

impl Parts {
    /// One apply from documents in memory, as a new process does it. Says whether it wrote.
    fn apply(&mut self, datapath: &mut NftablesDatapath, sources: &[Source]) -> bool {
        let mut clock = Lap::start();
        let mut lap = |sample: &mut Sample| sample.push(clock.next());
        let catalog = catalog(sources);
        lap(&mut self.load);
        let observed = inventory::observe().expect("interfaces");
        lap(&mut self.observe);
        let can = datapath.capabilities().expect("capabilities");
        let program = program(&catalog, &observed, &can);
        assert!(program.refused.is_empty(), "{:?}", program.refused);
        lap(&mut self.compile);
        let installed = datapath.read().expect("readable");
        lap(&mut self.read);
        let change = datapath.plan(&program, &installed);
        lap(&mut self.plan);
        datapath.commit(&change).expect("committed");
        lap(&mut self.commit);
        self.whole.push(clock.whole());
        !change.is_empty()
    }

    fn print(&self, table: &Table) {
        for (name, sample) in [
            ("of which: parse and check documents", &self.load),
            ("ask for the interfaces", &self.observe),
            ("compile", &self.compile),
            ("read what is installed", &self.read),
            ("lower and compare", &self.plan),
            ("commit", &self.commit),
        ] {
            table.beside(name, &sample.text());
        }
    }
}

pub(crate) fn measure(table: &mut Table) {
    table.head("Control plane");
    thousand(table);
    ten_thousand(table);
}

fn thousand(table: &mut Table) {
    let switch = switch(PORTS_PER_BRIDGE);
    switch.add_port().expect("one more port");
    switch.namespace().run(|| {
        let mut datapath = NftablesDatapath::open().expect("netlink");
        datapath.capabilities().expect("capabilities");
        let sources = documents::host(PORTS_PER_BRIDGE, Profile::WebServer);
        let mut parts = Parts::default();
        for _ in 0..5 {
            datapath.remove().expect("removed");
            parts.apply(&mut datapath, &sources);
        }
        let bar = Duration::from_millis(300);
        table.timed("cold apply, 1,000 ports × 20 rules", bar, &parts.whole);
        parts.print(table);
        let mut session = Session::new(datapath);
        admit(table, &mut session, &sources);
        change_profile(table, &mut session, &sources);
    });
}

/// The work of a long-lived process when one interface appears: it has the documents, the program
/// and its connection; the port's document is parsed, and the interface has been reported to it.
fn admit(table: &mut Table, session: &mut Session, sources: &[Source]) {
    let observed = inventory::observe().expect("interfaces");
    let can = session.datapath().capabilities().expect("capabilities");
    let mut documents = Incremental::new(catalog(sources), None, observed);
    // The port's device has the number after the last of the first bridge.
    let text = documents::port(PORTS_PER_BRIDGE, Profile::WebServer)
        .text
        .replace("lan-1", "lan-0");
    let name = format!("vm-{PORTS_PER_BRIDGE}/0");
    let fit = |program: &HostProgram| resolve(program, &can).expect("this kernel can").program;
    let program = fit(documents.compile().expect("a program"));
    session.apply(program).expect("applied");
    let mut parts = [const { Sample::new() }; 5];
    for _ in 0..25 {
        let mut lap = Lap::start();
        for document in parse(&Source::new("new.yaml", text.as_str())).expect("a port") {
            documents.insert(document);
        }
        parts[0].push(lap.next());
        documents.compile().expect("a program");
        parts[1].push(lap.next());
        let program = fit(documents.program());
        parts[2].push(lap.next());
        let applied = session.apply(program).expect("applied");
        parts[3].push(lap.next());
        parts[4].push(lap.whole());
        // Counted, not timed: the port's own elements, and nothing is read.
        assert!(
            applied.cost.elements <= 12 && applied.cost.rules == 0,
            "{:?}",
            applied.cost
        );
        assert_eq!((applied.commits, applied.reads), (1, 0));
        documents.remove_port(&name);
        let program = fit(documents.compile().expect("a program"));
        session.apply(program).expect("applied");
    }
    let [parsed, compiled, fitted, committed, whole] = parts;
    let bar = Duration::from_millis(2);
    table.timed("one port admitted, 1,000 present, in process", bar, &whole);
    table.beside("of which: parse its document", &parsed.text());
    table.beside("compile what changed", &compiled.text());
    table.beside("fit to the kernel", &fitted.text());
    table.beside("lower, compare, commit", &committed.text());
}

fn change_profile(table: &mut Table, session: &mut Session, sources: &[Source]) {
    let observed = inventory::observe().expect("interfaces");
    let can = session.datapath().capabilities().expect("capabilities");
    let mut documents = Incremental::new(catalog(sources), None, observed);
    let mut whole = Sample::new();
    let fit = |program: &HostProgram| resolve(program, &can).expect("this kernel can").program;
    let program = fit(documents.compile().expect("a program"));
    session.apply(program).expect("applied");
    for round in 0..25 {
        let changing = if round % 2 == 0 { "tcp 8001" } else { USUAL };
        let changed = documents::shared(1, 1, changing);
        let lap = Lap::start();
        for document in parse(&changed).expect("documents") {
            documents.insert(document);
        }
        let program = fit(documents.compile().expect("a program"));
        let applied = session.apply(program).expect("applied");
        whole.push(lap.whole());
        assert!(
            applied.cost.elements == 0 && applied.cost.rules <= 8,
            "{:?}",
            applied.cost
        );
    }
    let bar = Duration::from_millis(10);
    table.timed(
        "a profile changed that 1,000 ports use, in process",
        bar,
        &whole,
    );
}

fn ten_thousand(table: &mut Table) {
    let ports = 10 * PORTS_PER_BRIDGE;
    let switch = switch(ports);
    switch.namespace().run(|| {
        let mut datapath = NftablesDatapath::open().expect("netlink");
        datapath.capabilities().expect("capabilities");
        let sources = documents::host(ports, Profile::WebServer);
        let mut parts = Parts::default();
        for _ in 0..3 {
            datapath.remove().expect("removed");
            parts.apply(&mut datapath, &sources);
        }
        let bar = Duration::from_secs(4);
        table.timed("cold apply, 10,000 ports × 20 rules", bar, &parts.whole);
        parts.print(table);
        let before = datapath.connection().generation().expect("generation");
        let mut parts = Parts::default();
        for _ in 0..5 {
            let wrote = parts.apply(&mut datapath, &sources);
            assert!(!wrote, "a reconcile with nothing to do wrote something");
        }
        let after = datapath.connection().generation().expect("generation");
        assert_eq!(before, after, "somebody wrote");
        let bar = Duration::from_millis(500);
        table.timed("no-op reconcile, 10,000 ports, no write", bar, &parts.whole);
        parts.print(table);
    });
}
