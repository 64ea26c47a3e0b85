//! Who reaches whom: every service asked by every machine of every other, over both IP versions, by real
//! sockets; and what the evaluator says of the same. Knows how to ask; leaves pictures to `present`.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use policy::Catalog;
use policy::program::ConnectionState;
use serde::{Deserialize, Serialize};

use super::enforcement::{self, Enforced};
use super::prediction::{Denial, Predictor};
use super::progress::Progress;
use super::services::{SERVICES, Service};
use super::site::{Resident, Site};

/// One question of one machine to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) service: String,
    pub(super) ipv6: bool,
    /// Answered without moat.
    pub(super) before: bool,
    /// Answered with it.
    pub(super) after: bool,
    /// Answered according to the evaluator.
    pub(super) expected: bool,
    /// What stops the question or its answer, according to the evaluator.
    pub(super) denied_by: Option<Denial>,
}

impl Cell {
    /// Whether kernel and evaluator say the same.
    pub(super) fn agrees(&self) -> bool {
        self.after == self.expected && self.denied_by.as_ref().is_none_or(|denial| denial.counted)
    }
}

/// Which machine asks which what: places in [`Site::machines`], IPv6, and the service.
type Question = (usize, usize, bool, Service);

/// All questions that the site's addresses allow, in the order of the matrix.
fn questions(site: &Site) -> Vec<Question> {
    let mut questions = Vec::new();
    for ipv6 in [false, true] {
        for service in SERVICES {
            for (from, asker) in site.machines.iter().enumerate() {
                for (to, asked) in site.machines.iter().enumerate() {
                    let both = asker.address(ipv6).is_some() && asked.address(ipv6).is_some();
                    if from != to && both {
                        questions.push((from, to, ipv6, service));
                    }
                }
            }
        }
    }
    questions
}

/// Asks everything, and returns what was answered, in the order of the questions.
///
/// Questions about one service are asked at the same time. `expected` says of each whether it ought to be
/// answered: those that were not are asked again, one by one and with more patience, for silence shows itself
/// only to the patient, and a busy machine is no filter.
pub(super) fn ask_all(
    site: &Site,
    patience: Duration,
    progress: &Progress,
    expected: &dyn Fn(usize) -> bool,
) -> anyhow::Result<Vec<bool>> {
    let questions = questions(site);
    let mut answers = Vec::new();
    for round in questions.chunk_by(|one, other| (one.2, one.3) == (other.2, other.3)) {
        if let Some((_, _, ipv6, service)) = round.first() {
            let version = if *ipv6 { 6 } else { 4 };
            progress.detail(&format!("{} over IPv{version}", service.name));
        }
        // Questions of one machine stand beside each other.
        let askers = round.chunk_by(|one, other| one.0 == other.0);
        let asked: Vec<anyhow::Result<Vec<bool>>> = thread::scope(|scope| {
            let threads: Vec<_> = askers
                .map(|questions| scope.spawn(move || ask(site, questions, patience)))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|ended| ended.unwrap_or_else(|_| Err(anyhow!("a machine's thread panicked"))))
                .collect()
        });
        for some in asked {
            answers.extend(some?);
        }
    }
    for (number, question) in questions.iter().enumerate() {
        if let Some(answer @ false) = answers.get_mut(number)
            && expected(number)
        {
            let patience = patience.saturating_mul(4).max(Duration::from_secs(2));
            *answer = ask(site, &[*question], patience)?.contains(&true);
        }
    }
    Ok(answers)
}

/// Asks questions of one machine, all at once.
fn ask(site: &Site, questions: &[Question], patience: Duration) -> anyhow::Result<Vec<bool>> {
    let asked = questions.iter().map(|(_, to, ipv6, service)| {
        let to = site.machines.get(*to).and_then(|to| to.address(*ipv6));
        Ok((*service, to.context("a question to nobody")?))
    });
    let asked: Vec<_> = asked.collect::<anyhow::Result<_>>()?;
    let from = questions.first().and_then(|one| site.machines.get(one.0));
    let from = from.context("a question of nobody")?;
    from.machine.ask(&asked, patience)
}

/// Asks everything with moat in force and puts it beside what was answered `before` and what the evaluator says.
pub(super) fn measure(
    site: &Site,
    before: &[bool],
    catalog: &Catalog,
    hosts: &mut [Enforced],
    patience: Duration,
    progress: &Progress,
) -> anyhow::Result<Vec<Cell>> {
    let predictor = Predictor { catalog, hosts };
    let mut cells = Vec::new();
    for ((from, to, ipv6, service), before) in questions(site).into_iter().zip(before) {
        let (Some(from), Some(to)) = (site.machines.get(from), site.machines.get(to)) else {
            continue;
        };
        let denied_by = denial(&predictor, from, to, service, ipv6)?;
        cells.push(Cell {
            from: from.name().to_owned(),
            to: to.name().to_owned(),
            service: service.name.to_owned(),
            ipv6,
            before: *before,
            after: false,
            expected: denied_by.is_none(),
            denied_by,
        });
    }
    let first = enforcement::counted(hosts)?;
    let answers = ask_all(site, patience, progress, &|number| {
        cells.get(number).is_some_and(|cell| cell.expected)
    })?;
    let last = enforcement::counted(hosts)?;
    for (cell, answer) in cells.iter_mut().zip(answers) {
        cell.after = answer;
    }
    cross_check(&mut cells, |denial, questions| {
        let (Some(first), Some(last)) = (first.get(denial.host), last.get(denial.host)) else {
            return false;
        };
        // A machine asks for an address once for all that it wants from there, and isolation stops that.
        let least = if denial.decider == "isolation" {
            1
        } else {
            questions
        };
        enforcement::moved(first, last, &denial.decider) >= least
    });
    Ok(cells)
}

/// Marks the denials whose counter has counted as many frames as there were questions it should have stopped.
fn cross_check(cells: &mut [Cell], enough: impl Fn(&Denial, u64) -> bool) {
    let mut stopped: BTreeMap<(usize, String), u64> = BTreeMap::new();
    for denial in cells.iter().filter_map(|cell| cell.denied_by.as_ref()) {
        let count = stopped
            .entry((denial.host, denial.decider.clone()))
            .or_default();
        *count = count.saturating_add(1);
    }
    for denial in cells.iter_mut().filter_map(|cell| cell.denied_by.as_mut()) {
        let questions = stopped.get(&(denial.host, denial.decider.clone()));
        denial.counted = questions.is_some_and(|questions| enough(denial, *questions));
    }
}

/// What the evaluator says of a question and its answer, and of finding the address first.
fn denial(
    predictor: &Predictor<'_>,
    from: &Resident,
    to: &Resident,
    service: Service,
    ipv6: bool,
) -> anyhow::Result<Option<Denial>> {
    let (asker, asked) = (
        (from.host, from.port.name.as_str()),
        (to.host, to.port.name.as_str()),
    );
    let frames = service.frames(from, to, ipv6)?;
    let denials = frames.iter().map(|(asks, frame)| {
        if *asks {
            predictor.between(asker, asked, frame, ConnectionState::New)
        } else {
            predictor.between(asked, asker, frame, ConnectionState::Established)
        }
    });
    let first = denials.flatten().next();
    Ok(first)
}

/// Two machines and a TCP port that the rules or the default of the second refuse the first: on two hosts if possible.
pub(super) fn closed_port(
    site: &Site,
    catalog: &Catalog,
    hosts: &[Enforced],
) -> Option<(usize, usize, u16)> {
    let predictor = Predictor { catalog, hosts };
    let mut found = None;
    for (from, to, ipv6, service) in questions(site) {
        let (asker, asked) = (site.machines.get(from)?, site.machines.get(to)?);
        let Some(port) = service.port.filter(|_| !ipv6) else {
            continue;
        };
        let denial = denial(&predictor, asker, asked, service, ipv6).ok()?;
        let by_rules = denial.is_some_and(|denial| {
            denial.port == asked.port.name
                && denial.direction == "in"
                && denial.decider != "isolation"
        });
        if by_rules && asker.host != asked.host {
            return Some((from, to, port));
        }
        found = found.or(by_rules.then_some((from, to, port)));
    }
    found
}
