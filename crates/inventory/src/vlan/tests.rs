use super::{PortVlans, VlanChange};

fn change(pvid: Option<u16>, untagged: &[(u16, u16)]) -> Option<VlanChange> {
    let untagged = untagged.to_vec();
    PortVlans { pvid, untagged }.change_to(7)
}

fn expected(set: Option<u16>, remove: &[(u16, u16)]) -> Option<VlanChange> {
    let remove = remove.to_vec();
    Some(VlanChange { set, remove })
}

#[test]
fn a_port_that_is_in_its_vlan_alone_is_left_alone() {
    assert_eq!(change(Some(7), &[(7, 7)]), None);
}

#[test]
fn a_port_as_the_kernel_plugs_it_leaves_vlan_1() {
    assert_eq!(change(Some(1), &[(1, 1)]), expected(Some(7), &[(1, 1)]));
    // `vlan_default_pvid 0` puts it into none.
    assert_eq!(change(None, &[]), expected(Some(7), &[]));
}

#[test]
fn a_vlan_with_the_wrong_flags_is_set_again() {
    // Untagged frames leave, but those that come are in another VLAN, and the other way round.
    assert_eq!(change(None, &[(7, 7)]), expected(Some(7), &[]));
    assert_eq!(change(Some(7), &[]), expected(Some(7), &[]));
}

#[test]
fn other_vlans_without_a_tag_go_and_its_own_stays() {
    assert_eq!(
        change(Some(7), &[(1, 1), (5, 9), (20, 30)]),
        expected(None, &[(1, 1), (5, 6), (8, 9), (20, 30)])
    );
    assert_eq!(change(Some(7), &[(7, 8)]), expected(None, &[(8, 8)]));
    assert_eq!(change(Some(7), &[(6, 7)]), expected(None, &[(6, 6)]));
}
