//! Points in time as the metadata holds them: RFC 3339, to the second.

use jiff::civil::Date;

/// `text` to whole seconds with its offset kept, as it enters the additional data of the MAC:
/// a fraction is dropped, an offset of zero becomes `Z`. `None` where it is not RFC 3339.
#[must_use]
pub fn to_seconds(text: &str) -> Option<String> {
    let (moment, rest) = text.split_at_checked(19)?;
    if !is_moment(moment) {
        return None;
    }
    let offset = match rest.strip_prefix(['.', ',']) {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if offset.len() == fraction.len() {
                return None;
            }
            offset
        }
        None => rest,
    };
    match offset {
        "Z" | "+00:00" | "-00:00" => Some(format!("{moment}Z")),
        _ if is_offset(offset) => Some(format!("{moment}{offset}")),
        _ => None,
    }
}

/// `2006-01-02T15:04:05`, with a day that its month has.
fn is_moment(text: &str) -> bool {
    fits(text, "dddd-dd-ddTdd:dd:dd")
        && number(text, 11..13) < 24
        && number(text, 14..16) < 60
        && number(text, 17..19) < 60
        && is_day(number(text, 0..4), number(text, 5..7), number(text, 8..10))
}

fn is_day(year: i16, month: i16, day: i16) -> bool {
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else {
        return false;
    };
    Date::new(year, month, day).is_ok()
}

/// `+01:00` or `-01:00`.
fn is_offset(text: &str) -> bool {
    (fits(text, "+dd:dd") || fits(text, "-dd:dd"))
        && number(text, 1..3) < 24
        && number(text, 4..6) < 60
}

/// Whether `text` is `shape` with digits for every `d`.
fn fits(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, s)| {
            if s == b'd' {
                b.is_ascii_digit()
            } else {
                b == s
            }
        })
}

/// The number that the digits in `range` write; four digits at the most.
fn number(text: &str, range: std::ops::Range<usize>) -> i16 {
    text.as_bytes()[range]
        .iter()
        .fold(0, |n, digit| n * 10 + i16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::to_seconds;

    #[test]
    fn seconds_and_offsets_are_kept() {
        for same in [
            "2026-11-21T09:12:28Z",
            "2024-02-29T23:59:59+05:30",
            "0001-01-01T00:00:00-08:00",
        ] {
            assert_eq!(to_seconds(same).as_deref(), Some(same));
        }
    }

    #[test]
    fn fractions_go_and_zero_is_z() {
        for spelled in [
            "2026-11-21T09:12:28.123456789Z",
            "2026-11-21T09:12:28+00:00",
            "2026-11-21T09:12:28,5-00:00",
        ] {
            assert_eq!(to_seconds(spelled).as_deref(), Some("2026-11-21T09:12:28Z"));
        }
    }

    #[test]
    fn everything_else_is_no_timestamp() {
        for wrong in [
            "",
            "2026-11-21",
            "2026-11-21T09:12:28",
            "2026-11-21 09:12:28Z",
            "2026-11-21t09:12:28z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T09:12:60Z",
            "2026-11-21T09:12:28.Z",
            "2026-11-21T09:12:28+0100",
            "2026-11-21T09:12:28+24:00",
            "2026-11-21T09:12:28Zx",
            "2026-11-2éT09:12:28Z",
            "2026-1é-21T09:12:28Z",
        ] {
            assert_eq!(to_seconds(wrong), None, "{wrong}");
        }
    }
}
