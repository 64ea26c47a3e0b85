//! What libvirt takes silently, or fails on late, is refused here with its place.

use super::super::{Filters, convert, parse};
use super::{filter, filters, refused};

/// The messages about a text, each with its line and column.
fn complaints(text: &str) -> Vec<String> {
    let errors = parse("t.xml", text).expect_err("wrong");
    let told = errors.list.iter().map(|found| {
        let hint = found
            .hint
            .as_deref()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        format!(
            "{}:{} {}{hint}",
            found.span.line, found.span.column, found.message
        )
    });
    told.collect()
}

#[test]
fn d1_a_misspelt_attribute_does_not_become_accept_everything() {
    let text = "<filter name='t'>\n  <rule action='accept' direction='in'>\n    <ip srcipadr='10.0.0.1'/>\n  \
                </rule>\n</filter>";
    assert_eq!(
        complaints(text),
        ["3:9 unknown attribute `srcipadr` (did you mean `srcipaddr`?)"]
    );
}

#[test]
fn d1_a_misspelt_element_does_not_become_accept_everything() {
    let text = "<filter name='t'>\n<rule action='accept' direction='in'><tpc dstportstart='22'/></rule></filter>";
    assert_eq!(
        complaints(text),
        ["2:38 unknown element `tpc` (did you mean `tcp`?)"]
    );
}

#[test]
fn the_documented_but_wrong_names_of_stp_are_told() {
    let text = "<filter name='t'><rule action='drop' direction='in'><stp port='1' port_hi='2'/></rule></filter>";
    assert_eq!(
        complaints(text),
        ["1:67 unknown attribute `port_hi` (did you mean `port-hi`?)"]
    );
}

#[test]
fn values_out_of_range_are_told_all_at_once() {
    let text = "<filter name='t' chain='ipv5' priority='2000'>
<rule action='allow' direction='out'/>
<rule action='drop' direction='both'/>
<rule action='drop' direction='out'><mac protocolid='15'/></rule>
<rule action='drop' direction='out'><ip srcipaddr='10.0.0.300' srcipmask='255.0.255.0'/></rule>
<rule action='drop' direction='out'><tcp flags='SYN/XYZ' state='NEU' srcportstart='0x1z'/></rule>
<rule action='drop' direction='out'><vlan vlanid='4096'/></rule>
</filter>";
    let messages = complaints(text);
    let expected = [
        "1:25 there is no chain `ipv5`",
        "1:41 `2000` is not a priority",
        "2:15 `allow` is no `action` (did you mean `accept`?)",
        "3:32 `both` is no `direction`",
        "4:54 `15` is no value of `protocolid`",
        "5:52 `10.0.0.300` is no value of `srcipaddr`",
        "5:75 `255.0.255.0` is no value of `srcipmask`",
        "6:49 `SYN/XYZ` is no value of `flags`",
        "6:65 `NEU` is no value of `state`",
        "6:84 `0x1z` is no value of `srcportstart`",
        "7:51 `4096` is no value of `vlanid`",
    ];
    for expected in expected {
        assert!(
            messages.iter().any(|m| m.starts_with(expected)),
            "{expected}: {messages:#?}"
        );
    }
}

#[test]
fn what_libvirt_ignores_silently_is_told() {
    for (rule, message) in [
        ("<mac/><tcp/>", "the rule is about `mac` already"),
        (
            "<ip srcipaddr='10.0.0.1'/><ip match='no' srcipaddr='10.0.0.2'/>",
            "`srcipaddr` comes twice in the rule",
        ),
        (
            "<tcp dstportend='80'/>",
            "`dstportend` without `dstportstart`",
        ),
        (
            "<tcp dstportstart='80' dstportend='22'/>",
            "`dstportstart` is above `dstportend`",
        ),
        (
            "<ip dstportstart='80'/>",
            "ports without a protocol that has them",
        ),
        ("<ipv6 dscp='3'/>", "unknown attribute `dscp`"),
        ("<tcp-ipv6 flags='SYN/SYN'/>", "unknown attribute `flags`"),
        ("accept", "text in `rule`"),
    ] {
        let text =
            format!("<filter name='t'><rule action='drop' direction='in'>{rule}</rule></filter>");
        let messages = complaints(&text).join("\n");
        assert!(messages.contains(message), "{rule}: {messages}");
    }
}

#[test]
fn broken_xml_has_a_place() {
    let messages = complaints("<filter name='t'>\n  <rule>\n</filter>");
    assert_eq!(messages.len(), 1);
    assert!(
        messages.iter().all(|message| message.starts_with("3:")),
        "{messages:?}"
    );
}

#[test]
fn a_loop_is_refused_with_its_path() {
    let filters = filters(&[
        "<filter name='t'><filterref filter='u'/></filter>",
        "<filter name='u'><filterref filter='v'/></filter>",
        "<filter name='v'><filterref filter='u'/></filter>",
    ]);
    let refusals = convert(&filters, "t", None).expect_err("a loop");
    assert_eq!(refusals.len(), 1);
    assert!(
        refusals[0].reason.ends_with("in a circle: u → v → u"),
        "{refusals:?}"
    );
}

#[test]
fn a_reference_to_nothing_is_refused() {
    let filters = filters(&[
        "<filter name='t'><filterref filter='clean-trafic'/></filter>",
        "<filter name='clean-traffic'/>",
    ]);
    let refusals = convert(&filters, "t", None).expect_err("no such filter");
    let told = "there is no filter `clean-trafic`: did you mean `clean-traffic`?";
    assert_eq!(refusals[0].reason, told);
    assert!(convert(&Filters::default(), "t", None).is_err());
}

#[test]
fn what_moat_cannot_say_is_refused_by_name() {
    for (rule, name) in [
        (
            "<rule action='accept' direction='in'><tcp connlimit-above='3'/></rule>",
            "`connlimit-above`",
        ),
        (
            "<rule action='accept' direction='in'><tcp option='3'/></rule>",
            "`option`",
        ),
        (
            "<rule action='drop' direction='out'><arp gratuitous='true'/></rule>",
            "`gratuitous`",
        ),
        (
            "<rule action='continue' direction='in'><tcp/></rule>",
            "`continue`",
        ),
        (
            "<rule action='accept' direction='in'><tcp state='INVALID'/></rule>",
            "fit no connection",
        ),
        (
            "<rule action='drop' direction='in'><tcp state='ESTABLISHED'/></rule>",
            "by their state alone",
        ),
    ] {
        assert!(refused(rule).contains(name), "{rule}: {}", refused(rule));
    }
}

#[test]
fn d3_d4_an_ipset_is_never_dropped_silently() {
    for element in ["tcp", "udp", "all", "icmp", "esp"] {
        let rule = format!(
            "<rule action='accept' direction='in'><{element} ipset='friends' ipsetflags='src'/></rule>"
        );
        assert!(refused(&rule).contains("`ipset`"), "{element}");
    }
}

#[test]
fn values_that_are_needed_here_are_asked_for() {
    let rules = "<rule action='accept' direction='in'><tcp srcipaddr='$A[1]'/></rule>";
    assert!(refused(rules).contains("$A must be known here"));
    let rules =
        "<rule action='accept' direction='in'><tcp srcportstart='$A' dstportstart='$B'/></rule>";
    assert!(refused(rules).contains("side by side"));
    assert!(
        convert(
            &filter(rules),
            "t",
            Some(&super::parameters(&[("A", &["1"]), ("B", &["2", "3"])]))
        )
        .is_err()
    );
}
