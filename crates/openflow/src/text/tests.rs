use super::*;
use crate::version::Version;

fn same(text: &str) {
    assert_eq!(parse_match(text).expect("reads").to_string(), text);
}

#[test]
fn matches_read_and_print() {
    same(
        "ct_state=-new+trk,ct_zone=5,ct_mark=0x1/0xff,reg0=0x5,reg1=0/0xff,metadata=0x5,in_port=LOCAL",
    );
    same(
        "tcp,in_port=4,dl_vlan=5,dl_vlan_pcp=3,nw_src=10.0.0.0/8,nw_tos=32,nw_frag=not_later,tp_src=0x10/0xfff0",
    );
    same("arp,arp_spa=1.2.3.4,arp_op=1,arp_sha=00:00:00:00:00:00/ff:00:00:00:00:00");
    same("icmp6,ipv6_src=fe80::/10,ipv6_label=0x01234,icmp_type=135,nd_target=fe80::1");
    same("oxm=0x12340203/010203");
    assert_eq!(
        parse_match("ip,nw_src=10.0.0.300").map_err(|error| error.position),
        Err(10)
    );
}

#[test]
fn actions_read_and_print() {
    for text in [
        "output:3,CONTROLLER:128,NORMAL",
        "ct(commit,force,table=5,zone=NXM_NX_REG0[0..15],nat(src=1.1.1.1-2.2.2.2:5-6,persistent,hash),\
         exec(set_field:0x5->ct_mark),alg=ftp)",
        "ct(commit,nat(dst=[fe80::1]-[fe80::5]:80,random))",
        "learn(table=2,idle_timeout=10,priority=80,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],eth_type=0x800,\
         load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])",
        "conjunction(1,2/3)",
        "clone(drop),note:00.11.22.00.00.00",
        "action(type=0xffff,body=0000232000ff000000000000)",
    ] {
        assert_eq!(
            actions(&parse_actions(text).expect("reads")).to_string(),
            text
        );
    }
    let text = "meter:5,output:1,clear_actions,write_actions(output:3),write_metadata:0x5/0xff,goto_table:7";
    let read = parse_instructions(text, Version::V1_3).expect("reads");
    assert_eq!(instructions(&read).to_string(), text);
    assert_eq!(
        instructions(&parse_instructions("drop", Version::V1_3).expect("reads")).to_string(),
        "drop"
    );
    let deep = format!("{}{}", "clone(".repeat(40), ")".repeat(40));
    assert!(parse_actions(&deep).is_err());
}

#[test]
fn values_are_json() {
    let read = parse_match("tcp,in_port=4,nw_src=10.0.0.0/8").expect("reads");
    let json = serde_json::to_string(&read).expect("is JSON");
    assert_eq!(
        serde_json::from_str::<crate::Match>(&json).expect("reads"),
        read,
        "{json}"
    );
    let read =
        parse_actions("ct(commit,zone=5,exec(load:1->NXM_NX_CT_MARK[])),learn(table=2,reg0=5)")
            .expect("reads");
    let json = serde_json::to_string(&read).expect("is JSON");
    assert_eq!(
        serde_json::from_str::<Vec<crate::Action>>(&json).expect("reads"),
        read,
        "{json}"
    );
}
