//! Frames from files and hexadecimal text. Knows the classic capture format of libpcap; what frames
//! mean is left to others.

use std::path::Path;

use crate::fault::Failure;

const HEADER: usize = 24;
const RECORD: usize = 16;
const ETHERNET: u32 = 1;

/// The frames of a capture file.
///
/// # Errors
/// Where it cannot be read, or is in another format.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    parse(&bytes).map_err(|(problem, help)| {
        Failure::usage(format!("{}: {problem}", path.display())).help(help)
    })
}

type Problem = (String, &'static str);

fn parse(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    const HOW: &str = "make one with: tcpdump -w FILE -i vnet0";
    let number = |at: usize, big: bool| -> Option<u32> {
        let field = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big {
            u32::from_be_bytes(field)
        } else {
            u32::from_le_bytes(field)
        })
    };
    let big = match number(0, true) {
        Some(0xa1b2_c3d4 | 0xa1b2_3c4d) => true,
        Some(0xd4c3_b2a1 | 0x4d3c_b2a1) => false,
        Some(0x0a0d_0d0a) => {
            return Err((
                "it is in the pcapng format, which moat does not read".to_owned(),
                "convert it: editcap -F pcap IN OUT, or tcpdump -r IN -w OUT",
            ));
        }
        _ => return Err(("it is no pcap capture".to_owned(), HOW)),
    };
    // The upper bits say whether frames carry their checksum, which none do here.
    let link = number(20, big).map(|link| link & 0x0fff_ffff);
    if link != Some(ETHERNET) {
        return Err((
            format!(
                "its link type is {}, not Ethernet (1)",
                link.unwrap_or_default()
            ),
            "capture on an Ethernet interface, not on `any`",
        ));
    }
    let mut frames = Vec::new();
    let mut at = HEADER;
    while at < bytes.len() {
        let captured =
            number(at.saturating_add(8), big).and_then(|length| usize::try_from(length).ok());
        let start = at.saturating_add(RECORD);
        let end = captured.and_then(|length| start.checked_add(length));
        let frame = end.and_then(|end| bytes.get(start..end));
        let Some(frame) = frame else {
            return Err((
                format!("it is cut in frame {}", frames.len().saturating_add(1)),
                HOW,
            ));
        };
        frames.push(frame.to_vec());
        at = start.saturating_add(frame.len());
    }
    Ok(frames)
}

/// `5254 0000 0001 …`: hexadecimal digits, with blanks, colons or dashes between them if wanted.
///
/// # Errors
/// Says what was expected.
pub(crate) fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text
        .trim()
        .trim_start_matches("0x")
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-'))
        .collect();
    if let Some(wrong) = digits.iter().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("`{wrong}` is no hexadecimal digit"));
    }
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return Err("a frame is an even number of hexadecimal digits".to_owned());
    }
    let byte = |pair: &[char]| {
        let digits = pair.iter().filter_map(|digit| digit.to_digit(16));
        digits.fold(0_u32, |value, digit| (value << 4) | digit) as u8
    };
    Ok(digits.chunks(2).map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::{hexadecimal, parse};

    fn capture(magic: [u8; 4], number: fn(u32) -> [u8; 4], frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = magic.to_vec();
        for field in [0x0002_0004, 0, 0, 65_535, 1] {
            bytes.extend(number(field));
        }
        for frame in frames {
            let length = frame.len() as u32;
            for field in [1, 2, length, length] {
                bytes.extend(number(field));
            }
            bytes.extend(*frame);
        }
        bytes
    }

    #[test]
    fn captures_of_both_byte_orders() {
        let frames: [&[u8]; 2] = [&[1, 2, 3], &[4]];
        let big = capture([0xa1, 0xb2, 0xc3, 0xd4], u32::to_be_bytes, &frames);
        let little = capture([0xd4, 0xc3, 0xb2, 0xa1], u32::to_le_bytes, &frames);
        let nanoseconds = capture([0x4d, 0x3c, 0xb2, 0xa1], u32::to_le_bytes, &frames);
        for bytes in [big, little, nanoseconds] {
            assert_eq!(parse(&bytes), Ok(vec![vec![1, 2, 3], vec![4]]));
        }
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        let whole = capture([0xd4, 0xc3, 0xb2, 0xa1], u32::to_le_bytes, &[&[1, 2, 3]]);
        for length in (0..24).chain(25..whole.len()) {
            assert!(parse(&whole[..length]).is_err(), "cut at {length}");
        }
        let newer = parse(&[0x0a, 0x0d, 0x0d, 0x0a, 0, 0]);
        assert!(newer.is_err_and(|(_, help)| help.contains("editcap")));
    }

    #[test]
    fn hexadecimal_text() {
        assert_eq!(hexadecimal("52:54 00-Ff"), Ok(vec![0x52, 0x54, 0, 0xff]));
        assert!(hexadecimal("5").is_err());
        assert!(hexadecimal("").is_err());
        assert!(hexadecimal("zz").is_err());
    }
}
