//! Spans of time as people write them.

use std::time::Duration;

/// `90s`, `5m`, `1h`, `500ms`; a bare number is seconds.
///
/// # Errors
/// Says what was expected.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let expected = || format!("`{text}` is no time; write a number and a unit: 90s, 5m, 1h, 500ms");
    let number: u64 = number.parse().map_err(|_| expected())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(expected()),
    };
    let time = milliseconds
        .map(Duration::from_millis)
        .ok_or_else(expected)?;
    if time.is_zero() || time > Duration::from_secs(7 * 86_400) {
        return Err(format!("`{text}` is not between a millisecond and a week"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn spans_of_time() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("60"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "",
            "s",
            "1.5s",
            "-1",
            "0",
            "1d",
            "999999999999999999999s",
            "9999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
