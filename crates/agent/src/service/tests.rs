mod travelling;

use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};

use datapath::{Capabilities, Capability, Counters, Enforced};
use policy::HostProgram;

use super::*;
use crate::protocol::{PortClaim, Reply, Request};

/// Keeps what it is told to enforce.
#[derive(Clone, Default)]
struct Switch {
    programs: Arc<Mutex<Vec<HostProgram>>>,
    broken: Arc<AtomicBool>,
    remembered: travelling::Memory,
}

impl Switch {
    fn programs(&self) -> Vec<HostProgram> {
        let programs = self.programs.lock();
        programs.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Enforcement for Switch {
    fn capabilities(&mut self) -> Result<HostCapabilities, DatapathError> {
        let present = Capability::present("tried", "nothing");
        Ok(Capabilities {
            connection_tracking: present.clone(),
            bridge_name: present.clone(),
            limits: present.clone(),
            log: present,
            ..Capabilities::default()
        }
        .into())
    }

    fn enforce(&mut self, program: HostProgram) -> Result<Enforced, DatapathError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(DatapathError::Refused("it is broken".to_owned()));
        }
        let programs = self.programs.lock();
        programs
            .unwrap_or_else(PoisonError::into_inner)
            .push(program);
        Ok(Enforced::default())
    }

    fn counters(&mut self) -> Result<Counters, DatapathError> {
        Ok(Counters::default())
    }

    fn is_own(&self, generation: u32) -> bool {
        generation == OWN
    }

    fn memory(&mut self) -> Result<Option<Box<dyn ConnectionMemory>>, DatapathError> {
        Ok(Some(Box::new(self.remembered.clone())))
    }
}

/// The generation of this switch that is the agent's own doing.
const OWN: u32 = 7;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moat-agent-{name}-{}", std::process::id()));
        Self(path)
    }

    fn settings(&self) -> Settings {
        Settings {
            host: None,
            lasting: self.0.join("lasting"),
            volatile: self.0.join("volatile"),
            filters: self.0.join("filters"),
            audit: Duration::from_secs(3600),
            refused: Refused::Fail,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const GOOD: &str = "kind: Host\nname: hv-1\nbridges: {no-such-bridge: {managed: true}}\n---\nkind: Profile\nname: plain\n";

fn documents(text: &'static str) -> ReadDocuments {
    Box::new(move || match text {
        "" => Err("there is no document".to_owned()),
        text => Ok(vec![Source::new("here.yaml", text)]),
    })
}

fn start(folder: &Folder, switch: &Switch, text: &'static str) -> Agent<Switch> {
    let (sender, _) = mpsc::channel();
    let handle = Handle::new(sender);
    Agent::start(folder.settings(), switch.clone(), documents(text), &handle)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What the agent answers.
fn ask(agent: Agent<Switch>, requests: Vec<Request>) -> Vec<Reply> {
    let (sender, events) = mpsc::channel();
    let mut answers = Vec::new();
    for request in requests {
        let (answer, reply) = mpsc::channel();
        let asked = Event::Asked { request, answer };
        sender.send(asked).unwrap_or_else(|_| panic!("it listens"));
        answers.push(reply);
    }
    sender
        .send(Event::Stop)
        .unwrap_or_else(|_| panic!("it listens"));
    agent.run(&events, Duration::from_secs(60), || {});
    let answers = answers.into_iter().map(|answer| answer.recv());
    answers
        .map(|reply| reply.unwrap_or_else(|_| panic!("an answer")))
        .collect()
}

#[test]
fn without_documents_the_switch_is_left_as_it_is() {
    let folder = Folder::new("none");
    let switch = Switch::default();
    for text in ["", "kind: Bogus\n"] {
        let agent = start(&folder, &switch, text);
        let claim = PortClaim {
            name: "web-1/0".to_owned(),
            ..PortClaim::default()
        };
        let replies = ask(agent, vec![Request::Claim { port: claim }, Request::Status]);
        let [Reply::Refused { message }, Reply::Status(status)] = replies.as_slice() else {
            panic!("{replies:?}");
        };
        assert!(message.contains("no documents"), "{message}");
        assert!(status.documents_problem.is_some());
        assert!(status.switch_problem.is_some());
    }
    assert!(switch.programs().is_empty());
}

#[test]
fn the_last_good_documents_hold_while_those_in_the_folder_are_wrong_or_gone() {
    let folder = Folder::new("good");
    let switch = Switch::default();
    drop(start(&folder, &switch, GOOD));
    for text in ["", "kind: Bogus\n"] {
        let before = switch.programs().len();
        let agent = start(&folder, &switch, text);
        assert!(agent.documents_problem.is_some());
        let programs = switch.programs();
        assert!(programs.len() > before);
        let last = programs.last().map(|program| program.bridges.len());
        assert_eq!(last, Some(1), "its managed bridge");
    }
}

#[test]
fn whoever_waits_is_told_when_the_switch_refuses() {
    let folder = Folder::new("broken");
    let switch = Switch::default();
    let agent = start(&folder, &switch, GOOD);
    switch.broken.store(true, Ordering::SeqCst);
    let claim = PortClaim {
        name: "web-1/0".to_owned(),
        bridge: Some("no-such-bridge".to_owned()),
        profiles: vec!["plain".to_owned()],
        ..PortClaim::default()
    };
    let replies = ask(agent, vec![Request::Claim { port: claim }]);
    let [Reply::Refused { message }] = replies.as_slice() else {
        panic!("{replies:?}");
    };
    assert!(message.contains("it is broken"), "{message}");
}

/// What the agent answers to the last of these, which is asked after all else was taken.
fn tell(agent: Agent<Switch>, told: Vec<Event>, request: Request) -> Reply {
    let (sender, events) = mpsc::channel();
    let (answer, reply) = mpsc::channel();
    let asked = Event::Asked { request, answer };
    for event in told.into_iter().chain([asked, Event::Stop]) {
        sender.send(event).unwrap_or_else(|_| panic!("it listens"));
    }
    agent.run(&events, Duration::from_secs(60), || {});
    reply.recv().unwrap_or_else(|_| panic!("an answer"))
}

#[test]
fn its_own_commits_are_nobody_elses() {
    let folder = Folder::new("own");
    let by = |generation| Event::Switch {
        by: Some("moat (process 1)".to_owned()),
        generation,
    };
    let changes = |events| {
        let agent = start(&folder, &Switch::default(), GOOD);
        let Reply::Done { output, .. } = tell(agent, events, Request::Metrics) else {
            panic!("metrics");
        };
        let line = |line: &&str| line.starts_with("moat_foreign_changes_total");
        output.lines().find(line).unwrap_or_default().to_owned()
    };
    assert!(changes(vec![by(Some(OWN))]).ends_with(" 0"));
    let foreign = changes(vec![by(Some(OWN)), by(Some(OWN + 1)), by(None)]);
    assert!(foreign.ends_with(" 2"), "{foreign}");
}

#[test]
fn a_source_that_is_not_there_is_missed_once_it_has_said_something() {
    let folder = Folder::new("absent");
    let absent = || Event::SourceAbsent {
        name: import::libvirt::SOURCE,
        detail: "there is no socket".to_owned(),
    };
    let status = |events| match tell(
        start(&folder, &Switch::default(), GOOD),
        events,
        Request::Status,
    ) {
        Reply::Status(status) => status.deaf,
        other => panic!("{other:?}"),
    };
    assert!(status(vec![absent()]).is_empty(), "nobody misses it");
    let xml = "<domain type='kvm' id='1'><name>web-1</name>\
        <uuid>c7a5fdbd-edaf-4455-926a-d65c16db1809</uuid><devices><interface type='bridge'>\
        <mac address='52:54:00:00:00:01'/><source bridge='no-such-bridge'/><target dev='vnet-none'/>\
        </interface></devices></domain>";
    let hook = || {
        let (answer, _) = mpsc::channel();
        let arguments = ["qemu", "web-1", "started", "begin", "-"];
        let request = Request::Hook {
            system: "libvirt".to_owned(),
            arguments: arguments.map(str::to_owned).to_vec(),
            input: xml.to_owned(),
            environment: BTreeMap::new(),
        };
        Event::Asked { request, answer }
    };
    let deaf = status(vec![absent(), hook()]);
    assert!(
        deaf.get("libvirt")
            .is_some_and(|why| why.contains("no socket")),
        "{deaf:?}"
    );
    let back = Event::SourceState {
        name: import::libvirt::SOURCE,
        problem: None,
    };
    assert!(status(vec![absent(), hook(), back]).is_empty());
}

#[test]
fn floods_of_hints_and_reports_do_not_pile_up() {
    let (sender, events) = mpsc::channel();
    let handle = Handle::new(sender);
    let report = || Event::Report {
        ifindex: 1,
        direction: policy::program::Direction::Out,
        frame: Vec::new(),
    };
    for _ in 0..10 * MOST_REPORTS {
        assert!(handle.send(Event::Links));
        assert!(handle.send(report()));
    }
    let waiting: Vec<Event> = events.try_iter().collect();
    assert_eq!(waiting.len(), MOST_REPORTS + 1);
    for event in &waiting {
        handle.taken(event);
    }
    handle.send(Event::Links);
    handle.send(report());
    assert_eq!(events.try_iter().count(), 2);
}

#[test]
fn of_two_refused_words_at_once_what_held_before_both_holds_again() {
    let folder = Folder::new("twice");
    let switch = Switch::default();
    let claim = |profile: &str| Request::Claim {
        port: PortClaim {
            name: "web-1/0".to_owned(),
            bridge: Some("no-such-bridge".to_owned()),
            profiles: vec![profile.to_owned()],
            ..PortClaim::default()
        },
    };
    let good = ask(start(&folder, &switch, GOOD), vec![claim("plain")]);
    assert!(matches!(good.as_slice(), [Reply::Done { .. }]), "{good:?}");
    let agent = start(&folder, &switch, GOOD);
    let replies = ask(
        agent,
        vec![claim("none"), claim("neither"), Request::Status],
    );
    let [
        Reply::Refused { .. },
        Reply::Refused { .. },
        Reply::Status(status),
    ] = replies.as_slice()
    else {
        panic!("{replies:?}");
    };
    let states: Vec<_> = status.ports.iter().map(|port| port.state).collect();
    assert_eq!(
        states,
        [crate::standing::PortState::Absent],
        "waits for its interface"
    );
}
