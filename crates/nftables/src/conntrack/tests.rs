use proptest::prelude::*;

use super::*;

fn download() -> Entry {
    Entry {
        zone: 0x1234,
        protocol: TCP,
        origin: "10.0.0.5:40000".parse().expect("an address"),
        destination: "192.0.2.9:443".parse().expect("an address"),
        status: status::SEEN_REPLY | status::ASSURED | status::CONFIRMED,
        left: 432_000,
        tcp: Some(Tcp {
            state: TCP_ESTABLISHED,
            scales: [7, 10],
            flags: [tcp_flags::BE_LIBERAL | tcp_flags::WINDOW_SCALE; 2],
        }),
    }
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.into_bytes()
}

/// Bytes of the lines without what stands behind `#`.
fn bytes(lines: &str) -> Vec<u8> {
    let digits: String = lines
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::chars)
        .filter(|character| !character.is_whitespace())
        .collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("a byte")
        })
        .collect()
}

/// As a little-endian machine has it.
const NEW_DOWNLOAD: &str = "
    c4000000 0001 0504 07000000 00000000  # length, IPCTNL_MSG_CT_NEW, REQUEST|ACK|CREATE, sequence
    02 00 0000                            # AF_INET
    3400 0180                             # CTA_TUPLE_ORIG
      1400 0180                           #   CTA_TUPLE_IP
        0800 0100 0a000005                #     source
        0800 0200 c0000209                #     destination
      1c00 0280                           #   CTA_TUPLE_PROTO
        0500 0100 06 000000               #     TCP
        0600 0200 9c40 0000               #     source port
        0600 0300 01bb 0000               #     destination port
    0600 1200 1234 0000                   # CTA_ZONE
    3400 0280                             # CTA_TUPLE_REPLY
      1400 0180
        0800 0100 c0000209
        0800 0200 0a000005
      1c00 0280
        0500 0100 06 000000
        0600 0200 01bb 0000
        0600 0300 9c40 0000
    0800 0300 0000000e                    # CTA_STATUS: seen reply, assured, confirmed
    0800 0700 00069780                    # CTA_TIMEOUT: five days
    3000 0480                             # CTA_PROTOINFO
      2c00 0180                           #   CTA_PROTOINFO_TCP
        0500 0100 03 000000               #     established
        0500 0200 07 000000               #     window scales
        0500 0300 0a 000000
        0600 0400 09ff 0000               #     flags and mask
        0600 0500 09ff 0000
";

#[test]
#[cfg(target_endian = "little")]
fn a_new_entry_is_these_bytes() {
    let written = written(|writer| download().write_new(writer, 7));
    assert_eq!(written, bytes(NEW_DOWNLOAD));
}

#[test]
#[cfg(target_endian = "little")]
fn an_entry_to_delete_is_these_bytes() {
    let six = Entry {
        protocol: UDP,
        origin: "[2001:db8::1]:53".parse().expect("an address"),
        destination: "[2001:db8::2]:54".parse().expect("an address"),
        ..download()
    };
    let expected = "
        68000000 0201 0500 01000000 00000000
        0a 00 0000
        4c00 0180
          2c00 0180
            1400 0300 20010db8 00000000 00000000 00000001
            1400 0400 20010db8 00000000 00000000 00000002
          1c00 0280
            0500 0100 11 000000
            0600 0200 0035 0000
            0600 0300 0036 0000
        0600 1200 1234 0000
    ";
    let written = written(|writer| six.write_delete(writer, 1));
    assert_eq!(written, bytes(expected));
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let bytes = written(|writer| {
        download().write_new(writer, 1);
        let other = Entry {
            zone: 0,
            protocol: UDP,
            tcp: None,
            ..download()
        };
        other.write_new(writer, 2);
    });
    let read = read_datagram(&bytes);
    assert_eq!(read.len(), 2);
    assert_eq!(read.first(), Some(&download()));
    assert_eq!(
        read.last().map(|entry| (entry.zone, entry.tcp)),
        Some((0, None))
    );
}

/// A ping, as Linux 6.18 reports it.
const PING: &str = "
    b4000000 0001 0200 02000000 00000000
    02 00 0000
    3c00 0180
      1400 0180 0800 0100 7f000001 0800 0200 7f000001
      2400 0280 0500 0100 01000000 0500 0500 08000000 0500 0600 00000000 0600 0400 2c720000
    3c00 0280
      1400 0180 0800 0100 7f000001 0800 0200 7f000001
      2400 0280 0500 0100 01000000 0500 0500 00000000 0500 0600 00000000 0600 0400 2c720000
    0800 0300 0000000a
    0800 0800 00000000
    0800 0c00 62f1655f
    0800 0b00 00000001
    0800 0700 0000001d
";

#[test]
#[cfg(target_endian = "little")]
fn connections_without_ports_and_translated_ones_are_passed_over() {
    assert_eq!(read_datagram(&bytes(PING)), []);
    let translated = NEW_DOWNLOAD.replacen("0800 0200 0a000005", "0800 0200 0a000006", 1);
    assert_eq!(read_datagram(&bytes(&translated)), []);
    // The same bytes with nothing translated are an entry.
    assert_eq!(read_datagram(&bytes(NEW_DOWNLOAD)), [download()]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(place in 0_usize..240, value in any::<u8>(), length in 0_usize..240) {
        let mut datagram = written(|writer| download().write_new(writer, 1));
        if let Some(byte) = datagram.get_mut(place) {
            *byte = value;
        }
        datagram.truncate(length);
        let _ = read_datagram(&datagram);
    }
}
