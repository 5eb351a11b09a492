//! Points in time as Go reads and prints them: the fields as given, in the zone as given.

/// A date, a time of day and its distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    /// Minutes east of UTC.
    offset: i32,
}

/// Which spelling of a time is read. Hours may have one digit in any of them, and a
/// fraction of a second may stand behind a point or a comma.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Whether month, day, minute and second have two digits, or one or two.
    pub fixed: bool,
    /// What stands between date and time (any number of them where it is a blank);
    /// `None` for a date alone.
    pub separator: Option<u8>,
    /// Whether `Z` or an offset ends the time.
    pub zone: bool,
}

impl Layout {
    /// RFC 3339, as sops reads the plaintext of a token.
    pub const RFC3339: Self = Self {
        fixed: true,
        separator: Some(b'T'),
        zone: true,
    };
}

impl Time {
    /// Reads all of `text` as Go's `time.Parse` does; `None` where it is no such time.
    #[must_use]
    pub fn parse(text: &[u8], layout: Layout) -> Option<Self> {
        let mut rest = text;
        let (year, behind) = rest.split_at_checked(4)?;
        rest = behind;
        let year = digits(year)?;
        literal(&mut rest, b'-')?;
        let month = field(&mut rest, layout.fixed)?;
        literal(&mut rest, b'-')?;
        let day = field(&mut rest, layout.fixed)?;
        let mut time = Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
            offset: 0,
        };
        if let Some(separator) = layout.separator {
            literal(&mut rest, separator)?;
            while separator == b' ' && literal(&mut rest, separator).is_some() {}
            time.clock(&mut rest, layout)?;
        }
        (rest.is_empty() && time.is_real()).then_some(time)
    }

    fn clock(&mut self, rest: &mut &[u8], layout: Layout) -> Option<()> {
        self.hour = field(rest, false)?;
        literal(rest, b':')?;
        self.minute = field(rest, layout.fixed)?;
        literal(rest, b':')?;
        self.second = field(rest, layout.fixed)?;
        self.nanosecond = fraction(rest);
        if layout.zone {
            self.offset = zone(rest)?;
        }
        Some(())
    }

    fn is_real(self) -> bool {
        let is_leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (1..=days).contains(&self.day) && self.hour < 24 && self.minute < 60 && self.second < 60
    }

    /// The time in RFC 3339, the fraction without trailing zeros; `None` where the zone is a
    /// day or more away from UTC, which sops refuses to write.
    #[must_use]
    pub fn text(self) -> Option<String> {
        use std::fmt::Write;
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self;
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.nanosecond != 0 {
            let fraction = format!(".{:09}", self.nanosecond);
            text.push_str(fraction.trim_end_matches('0'));
        }
        let distance = self.offset.abs();
        match self.offset {
            0 => text.push('Z'),
            _ if distance >= 24 * 60 => return None,
            offset => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(text, "{sign}{:02}:{:02}", distance / 60, distance % 60).ok()?;
            }
        }
        Some(text)
    }
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

/// Two digits, or one where the layout is not fixed.
fn field(rest: &mut &[u8], fixed: bool) -> Option<u32> {
    let length = match rest {
        [a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => 2,
        [a, ..] if a.is_ascii_digit() && !fixed => 1,
        _ => return None,
    };
    let (number, behind) = rest.split_at(length);
    *rest = behind;
    digits(number)
}

/// The nanoseconds of a fraction, if there is one; digits behind the ninth are dropped.
fn fraction(rest: &mut &[u8]) -> u32 {
    let [b'.' | b',', behind @ ..] = rest else {
        return 0;
    };
    let length = behind.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return 0;
    }
    let digits = behind[..length].iter().chain(std::iter::repeat(&b'0'));
    *rest = &behind[length..];
    digits
        .take(9)
        .fold(0, |number, byte| number * 10 + u32::from(byte - b'0'))
}

/// `Z`, or hours and minutes from UTC.
fn zone(rest: &mut &[u8]) -> Option<i32> {
    let (sign, behind) = match rest {
        [b'Z', behind @ ..] => {
            *rest = behind;
            return Some(0);
        }
        [b'+', behind @ ..] => (1, behind),
        [b'-', behind @ ..] => (-1, behind),
        _ => return None,
    };
    *rest = behind;
    let hours = field(rest, true)?;
    literal(rest, b':')?;
    let minutes = field(rest, true)?;
    (hours <= 24 && minutes <= 60).then_some(sign * (hours * 60 + minutes).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc3339(text: &str) -> Option<String> {
        Time::parse(text.as_bytes(), Layout::RFC3339)?.text()
    }

    #[test]
    fn fields_and_offset_stay_as_given() {
        for text in [
            "0000-02-29T23:59:59.123456789-23:59",
            "9999-12-31T00:00:00+05:30",
            "2001-12-14T21:59:43.1-05:00",
        ] {
            assert_eq!(rfc3339(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn fractions_are_cut_and_trimmed_and_offsets_normal() {
        for (text, canonical) in [
            (
                "2001-01-01T00:00:00.1234567899Z",
                "2001-01-01T00:00:00.123456789Z",
            ),
            ("2001-01-01T00:00:00.500Z", "2001-01-01T00:00:00.5Z"),
            ("2001-01-01T00:00:00-00:00", "2001-01-01T00:00:00Z"),
            ("2001-01-01T00:00:00+01:60", "2001-01-01T00:00:00+02:00"),
        ] {
            assert_eq!(rfc3339(text).as_deref(), Some(canonical));
        }
    }

    #[test]
    fn no_such_times() {
        for text in [
            "2001-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2001-00-01T00:00:00Z",
            "2001-01-00T00:00:00Z",
            "2001-13-01T00:00:00Z",
            "2001-01-01T24:00:00Z",
            "2001-01-01T00:60:00Z",
            "2001-01-01T00:00:60Z",
            "2001-01-01T00:00:00",
            "2001-01-01T00:00:00.Z",
            "2001-01-01T00:00:00Zx",
            "2001-01-01T00:00:00+0100",
            "2001-01-01T00:00:00+25:00",
            "2001-01-01T00:00:00+01:61",
            "201-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
