use super::*;

#[test]
fn actions_read_back() {
    let actions = vec![
        Action::output(4),
        Action::set_field(Field::EthDst, [2, 0, 0, 0, 0, 1]),
        Action::Load {
            target: Subfield::new(Field::Reg0, 0, 16).expect("fits"),
            value: 5,
        },
        Action::Ct(Box::new(Ct {
            commit: true,
            table: Some(3),
            ..Ct::default()
        })),
        Action::Conjunction {
            id: 7,
            clause: 1,
            clauses: 3,
        },
        Action::resubmit(9),
    ];
    let sent = Action::as_sent(&actions, Version::V1_3).expect("can be sent");
    assert_eq!(sent, actions);
}
