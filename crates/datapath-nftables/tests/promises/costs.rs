//! Promise 3, counted: a change costs what it changes, whatever the host's size.

use super::host::{Host, port, surroundings, udp};

const PORTS: u32 = 1000;

fn profiles(web: &str, admins: &str) -> String {
    format!(
        "{}---\nkind: Profile\nname: web\nstateful: off\nguards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]\n\
         default: {{in: drop, out: accept}}\nrules:\n  - accept in tcp 443\n  - accept in udp 53 from @admins\n{web}\
         ---\nkind: Profile\nname: other\nstateful: off\nrules:\n  - accept in udp 7\n\
         ---\nkind: Group\nname: admins\nmembers: [{admins}]\n",
        surroundings("managed: true"),
    )
}

fn documents(ports: u32, web: &str, admins: &str) -> String {
    let mut documents = profiles(web, admins);
    // The last has a profile of its own.
    for number in 0..ports {
        documents.push_str(&port(number, if number == 1 { "other" } else { "web" }));
    }
    documents
}

#[test]
fn a_change_costs_what_it_changes() {
    let mut host = Host::new(PORTS + 1);
    let before = documents(PORTS, "", "10.0.0.0/29");
    host.apply(&before);
    assert!(host.plan(&before).is_empty());

    let generation = host.generation();
    assert_eq!(host.apply(&before).messages, 0, "nothing to do");
    assert_eq!(host.generation(), generation, "and nothing written");

    // Frames that rules and ports count.
    host.know(0);
    host.know(1);
    assert_eq!(host.deliver(0, 1, &udp(0, 1, 7, 1).bytes(), 5), 5);
    assert_eq!(host.deliver(1, 0, &udp(1, 0, 53, 1).bytes(), 3), 3);
    let counted = host.counters();

    let more = documents(PORTS + 1, "", "10.0.0.0/29");
    for (what, documents) in [("added", &more), ("removed", &before)] {
        let cost = host.apply(documents);
        println!("one port {what} beside {PORTS}: {cost:?}");
        assert_eq!(cost.rules, 0, "{what}");
        assert!(cost.elements > 0 && cost.elements <= 14, "{what}: {cost:?}");
        assert!(cost.messages <= 14, "{what}: {cost:?}");
    }

    let rule = documents(PORTS, "  - drop in tcp 444\n", "10.0.0.0/29");
    for (what, documents) in [("gained", &rule), ("lost", &before)] {
        let change = host.plan(documents);
        println!(
            "a profile of {PORTS} ports {what} a rule: {:?}",
            change.cost()
        );
        assert_eq!(change.cost().elements, 0, "{what}");
        for line in &change.summary {
            // The profile's rules, and the chains in which its ports come to them.
            let own = ["profile-web", "web-"];
            let own = own.iter().any(|own| line.name.starts_with(own));
            assert!(own, "{what}: {line:?}");
        }
        host.apply(documents);
    }

    let group = documents(PORTS, "", "10.0.0.0/29, 10.9.0.1");
    for (what, documents) in [("gained", &group), ("lost", &before)] {
        let change = host.plan(documents);
        let [line] = change.summary.as_slice() else {
            panic!("one set changes: {:?}", change.summary)
        };
        assert_eq!((line.kind, line.name.as_str()), ("set", "group-admins-4"));
        assert!(
            change.cost().elements <= 2 && change.cost().rules == 0,
            "{what}: {change:?}"
        );
        host.apply(documents);
    }

    let after = host.counters();
    for (name, value) in &counted.rules {
        assert!(
            after
                .rules
                .get(name)
                .is_some_and(|now| now.frames >= value.frames),
            "{name}"
        );
    }
    let udp_rule = |name: &&String| name.starts_with("profile-other/in");
    let name = counted.rules.keys().find(udp_rule).expect("its counter");
    assert_eq!(after.rules[name].frames, 5, "{name}");
    assert_eq!(after.ports["port-1"].inward, counted.ports["port-1"].inward);
}
