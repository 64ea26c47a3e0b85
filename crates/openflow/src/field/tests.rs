use super::*;

#[test]
fn the_table_has_a_row_for_every_field() {
    assert_eq!(registry::TABLE.len(), Field::ALL.len());
    for field in Field::ALL {
        assert!(!field.info().headers.is_empty(), "{field}");
        for form in field.info().headers {
            assert_eq!(
                Field::from_header(
                    form.class,
                    form.experimenter,
                    form.number,
                    usize::from(form.bytes)
                ),
                Some((*field, form))
            );
            assert_eq!(Field::from_name(form.name), Some(*field));
            assert!(u32::from(form.bytes) * 8 + 2 >= u32::from(field.info().bits));
        }
    }
}

#[test]
fn headers_follow_the_version() {
    let word = |field: Field, dialect| field.form(dialect).map(|form| form.word(false));
    assert_eq!(word(Field::InPort16, Dialect::Nxm), Some(0x0000_0002));
    assert_eq!(
        word(Field::InPort, Dialect::Oxm(Version::V1_3)),
        Some(0x8000_0004)
    );
    assert_eq!(
        word(Field::TcpFlags, Dialect::Oxm(Version::V1_2)),
        Some(0x0001_4402)
    );
    assert_eq!(
        word(Field::TcpFlags, Dialect::Oxm(Version::V1_3)),
        Some(0xffff_5406)
    );
    assert_eq!(
        word(Field::TcpFlags, Dialect::Oxm(Version::V1_5)),
        Some(0x8000_5402)
    );
    assert_eq!(word(Field::Metadata, Dialect::Nxm), None);
    assert_eq!(Field::register(6), Some(Field::Reg6));
    assert_eq!(Field::register(16), None);
}
