//! Base64 as OpenNebula's drivers get it: with or without line breaks. Knows RFC 4648's usual
//! alphabet and nothing of what is inside.

/// Decodes; blanks anywhere are passed over.
///
/// # Errors
/// The place, in bytes, of what cannot be there.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0_u32;
    let mut digits = 0_u8;
    let mut padding = 0_u8;
    for (at, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'=' if digits >= 2 && padding < 4 - digits => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return Err(at),
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(at),
        };
        group = group << 6 | u32::from(digit);
        digits += 1;
        if digits == 4 {
            let [_, whole @ ..] = group.to_be_bytes();
            bytes.extend_from_slice(&whole);
            group = 0;
            digits = 0;
        }
    }
    let [_, first, second, _] = (group << (6 * (4 - u32::from(digits)))).to_be_bytes();
    match (digits, padding) {
        (0, 0) => {}
        (2, 2) => bytes.push(first),
        (3, 1) => bytes.extend_from_slice(&[first, second]),
        _ => return Err(text.len()),
    }
    Ok(bytes)
}
