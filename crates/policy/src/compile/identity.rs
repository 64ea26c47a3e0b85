//! Names for shared parts of a program: stable between runs and versions, fit for nftables.

/// A word of the letters, digits and `/-_.` that nftables and people can both read, starting with
/// a letter. A name that had to be changed gets a hash, so that different names stay different.
pub(super) fn word(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '+');
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if starts && name.len() <= LONGEST && name.chars().all(|c| fits(c) && c != '+') {
        return name.to_owned();
    }
    let mut readable: String = name
        .chars()
        .take(LONGEST - 10)
        .map(|c| if fits(c) && c != '+' { c } else { '_' })
        .collect();
    if !starts {
        readable.insert(0, 'x');
    }
    format!("{readable}-{}", short(&[name]))
}

/// nftables allows 128 bytes in a comment and 255 in a name; a name is part of longer ones.
const LONGEST: usize = 48;

/// Eight hexadecimal digits of a 64-bit FNV-1a hash (Fowler, Noll, Vo), which unlike the standard
/// library's is the same in every version: a name that changed would rewrite the switch.
pub(super) fn short(parts: &[&str]) -> String {
    format!("{:08x}", (hash(parts) >> 32) as u32)
}

pub(super) fn hash(parts: &[&str]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    };
    for part in parts {
        part.bytes().for_each(&mut add);
        add(0xff); // not in UTF-8: keeps ["ab", "c"] and ["a", "bc"] apart
    }
    // FNV leaves the high bits of short inputs poorly mixed; these bits become the name.
    state ^= state >> 32;
    state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^ (state >> 29)
}
