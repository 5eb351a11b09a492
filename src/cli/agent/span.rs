//! Times as people write them: `90s`, `30m`, `8h`, `1d`.

use std::fmt;
use std::time::Duration;

/// A length of time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(u64);

/// The units, the largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// The longest time: a month is no session any more.
const LONGEST: u64 = 31 * 86_400;

impl Span {
    /// So many seconds.
    pub fn of_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Whole seconds of it.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// The same for the clock.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl std::str::FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a time is written 90s, 30m, 8h or 1d";
        let mut rest = text.trim();
        let (mut total, mut last) = (0_u64, u64::MAX);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong)?;
            let unit = UNITS
                .iter()
                .find(|(name, _)| rest[digits..].starts_with(name));
            let (name, seconds) = unit.filter(|(_, seconds)| *seconds < last).ok_or(wrong)?;
            last = *seconds;
            total = total.saturating_add(number.saturating_mul(*seconds));
            rest = &rest[digits + name.len()..];
        }
        match total {
            0 => Err(wrong),
            total if total > LONGEST => Err("the longest time is 31d"),
            total => Ok(Self(total)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for (name, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{name}", rest / seconds)?;
                rest %= seconds;
            }
        }
        if self.0 == 0 {
            f.write_str("0s")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_written_as_people_do() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("8h", 28_800), ("1d2h", 93_600)] {
            assert_eq!(text.parse(), Ok(Span(seconds)), "{text}");
        }
        for text in [
            "",
            "8",
            "h",
            "0s",
            "-1h",
            "8 h",
            "1m1h",
            "32d",
            "99999999999999999999h",
            "é",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(Span(90).to_string(), "1m30s");
    }

    proptest! {
        #[test]
        fn a_time_reads_back_as_it_is_shown(seconds in 1..LONGEST) {
            prop_assert_eq!(Span(seconds).to_string().parse(), Ok(Span(seconds)));
        }
    }
}
