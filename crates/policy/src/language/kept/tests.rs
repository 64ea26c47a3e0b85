//! Reading again finds what reading finds, whatever was kept.

use proptest::prelude::*;

use super::super::load;
use super::*;

const SHARED: &str = "kind: Profile\nname: web\nrules: [accept in http]\nguards: [mac]\n---\n\
     kind: Network\nname: lan\nbridge: br0\nisolation: private\ncommunities: {db: []}\n";

/// What a file of the declaration may hold: a port that is fine or not by itself, or with others.
fn port(number: u8, flaw: u8) -> Source {
    let role = match flaw {
        1 => "role: {community: none-such}\n",
        2 => "role: promiscuous\n",
        _ => "",
    };
    let network = if flaw == 3 { "nowhere" } else { "lan" };
    let profile = if flaw == 4 { "wen" } else { "web" };
    let mac = if flaw == 5 { 1 } else { number };
    let name = if flaw == 6 { 1 } else { number };
    let syntax = if flaw == 7 { "macc: nothing\n" } else { "" };
    let device = if flaw == 8 { 1 } else { number };
    let text = format!(
        "kind: Port\nname: vm-{name}/0\nvm: vm-{name}\nlabels: {{app: a}}\ndevice: v{device}\n\
         mac: 52:54:00:00:00:{mac:02x}\naddresses: [10.0.0.{number}, \"2001:db8::/64\"]\n\
         network: {network}\nprofiles: [{profile}]\nvariables: {{P: [80, 10.0.0.0/8]}}\n{role}{syntax}"
    );
    Source::new(format!("{number}.yaml"), text)
}

fn kept_of(sources: &[Source]) -> BTreeMap<NameAndText, Vec<u8>> {
    let Some(reading) = load_again(sources, |_| None) else {
        return BTreeMap::new();
    };
    let pairs = sources.iter().zip(reading.kept);
    pairs
        .map(|(source, kept)| {
            (
                (source.name.clone(), source.text.clone()),
                kept.into_owned(),
            )
        })
        .collect()
}

type NameAndText = (String, String);

fn sources(flaws: &[u8]) -> Vec<Source> {
    let ports = (1_u8..)
        .zip(flaws)
        .map(|(number, flaw)| port(number, *flaw));
    std::iter::once(Source::new("shared.yaml", SHARED))
        .chain(ports)
        .collect()
}

/// Mostly nothing wrong, else hardly anything would ever be kept.
fn flaws() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![12 => Just(0_u8), 2 => Just(2_u8), 1 => 0_u8..9];
    prop::collection::vec(one, 1..8)
}

proptest! {
    #[test]
    fn reading_again_finds_what_reading_finds(before in flaws(), after in flaws()) {
        let kept = kept_of(&sources(&before));
        let now = sources(&after);
        let find = |source: &Source| {
            kept.get(&(source.name.clone(), source.text.clone())).map(Vec::as_slice)
        };
        let again = load_again(&now, find);
        let afresh = load_again(&now, |_| None);
        match load(&now) {
            Ok(catalog) => {
                let again = again.expect("nothing is wrong");
                prop_assert_eq!(&again.catalog, &catalog);
                let afresh = afresh.expect("nothing is wrong");
                prop_assert_eq!(&afresh.catalog, &catalog);
                prop_assert_eq!(afresh.kept, again.kept, "and keeps the same");
            }
            Err(_) => prop_assert!(again.is_none() && afresh.is_none()),
        }
    }

    #[test]
    fn damaged_bytes_are_none(cut in 0_usize..400, noise in prop::collection::vec(any::<u8>(), 0..40)) {
        let sources = sources(&[0, 0]);
        let whole = kept_of(&sources);
        let bytes = whole.values().max_by_key(|bytes| bytes.len()).expect("a port").clone();
        let cut = cut.min(bytes.len() - 1);
        prop_assert!(unpack(&bytes[..cut]).is_none(), "what is cut");
        prop_assert!(unpack(&[bytes.clone(), vec![0]].concat()).is_none(), "what goes on");
        // Noise may happen to say something, but never fails.
        let _ = unpack(&noise).map(Iterator::count);
    }
}

#[test]
fn ports_are_kept_and_nothing_else() {
    let sources = sources(&[0, 2]);
    let reading = load_again(&sources, |_| None).expect("nothing is wrong");
    let full: Vec<bool> = reading.kept.iter().map(|kept| !kept.is_empty()).collect();
    assert_eq!(full, [false, true, true]);
}

proptest! {
    #[test]
    fn what_is_added_is_what_all_sources_say(before in flaws(), after in flaws()) {
        let (before, after) = (sources(&before), sources(&after));
        prop_assume!(load(&before).is_ok());
        let reading = load_again(&before, |_| None).expect("nothing is wrong");
        let mut catalog = reading.catalog;
        // Ports that are not as they were go, the others are as they were.
        for (source, kept) in before.iter().zip(&reading.kept).skip(1) {
            if !after.contains(source) {
                for name in kept_names(kept).expect("what was kept") {
                    catalog.ports.remove(&name);
                }
            }
        }
        let new = after.iter().filter(|source| !before.contains(source));
        if let Some(added) = additions(&catalog, new.clone()) {
            let alone = new.map(|source| load_again(&[before[0].clone(), source.clone()], |_| None));
            for (addition, alone) in added.into_iter().zip(alone) {
                let alone = alone.expect("nothing is wrong");
                prop_assert_eq!(Some(addition.kept.as_slice()), alone.kept.get(1).map(AsRef::as_ref));
                for port in addition.ports {
                    prop_assert!(catalog.insert(Document::Port(port)).is_none(), "a second one");
                }
            }
            prop_assert_eq!(load(&after).ok(), Some(catalog));
        }
    }
}

#[test]
fn a_good_port_is_added() {
    let all = sources(&[0, 0, 0]);
    let (new, before) = all.split_last().expect("a port");
    let catalog = load(before).expect("nothing is wrong");
    let added = additions(&catalog, std::iter::once(new)).expect("nothing is wrong");
    let ports: usize = added.iter().map(|addition| addition.ports.len()).sum();
    assert_eq!(ports, 1);
}

#[test]
fn what_was_kept_is_the_catalog() {
    let sources = sources(&[0, 2, 0]);
    let reading = load_again(&sources, |_| None).expect("nothing is wrong");
    let pairs = sources.iter().zip(&reading.kept);
    let kept = pairs.map(|(source, kept)| (source.name.as_str(), source.text.as_str(), &**kept));
    assert_eq!(restore(kept).as_ref(), Some(&reading.catalog));
}
