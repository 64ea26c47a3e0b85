//! When a record holds.

use super::*;

fn moment() -> Moment {
    Moment {
        build: Some([1; 6]),
        boot: Some("one".to_owned()),
        namespace: Some(1),
        modules: 1,
        generation: 1,
    }
}

#[test]
fn any_difference_is_another_moment() {
    let now = moment();
    assert!(moment().is(&now));
    let others = [
        Moment {
            build: Some([1, 1, 1, 1, 1, 2]),
            ..moment()
        },
        Moment {
            boot: Some("two".to_owned()),
            ..moment()
        },
        Moment {
            namespace: Some(2),
            ..moment()
        },
        Moment {
            modules: 2,
            ..moment()
        },
        moment().at(2),
    ];
    for other in others {
        assert!(!other.is(&now), "{other:?}");
    }
}

#[test]
fn what_is_not_known_is_never_the_same() {
    let unknown = [
        Moment {
            build: None,
            ..moment()
        },
        Moment {
            boot: None,
            ..moment()
        },
        Moment {
            namespace: None,
            ..moment()
        },
    ];
    for moment in unknown {
        assert!(!moment.is(&moment), "{moment:?}");
    }
}
