//! Bech32 (BIP 173) as age uses it: without the limit of 90 characters.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Digits of the checksum.
const CHECKSUM: usize = 6;

/// What an intact text sums up to.
const INTACT: u32 = 1;

/// What is said of a text that is none.
pub(super) const INVALID: &str = "invalid Bech32 encoding";

/// The prefix in lower case and the bytes of a text, which has letters of one case only; `None`
/// where it is mistyped.
pub(super) fn decode(text: &str) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let (prefix, digits) = text.rsplit_once('1')?;
    let upper = text.bytes().any(|b| b.is_ascii_uppercase());
    let lower = text.bytes().any(|b| b.is_ascii_lowercase());
    let graphic = prefix.bytes().all(|b| b.is_ascii_graphic());
    if prefix.is_empty() || digits.len() < CHECKSUM || upper && lower || !graphic {
        return None;
    }
    let prefix = prefix.to_ascii_lowercase();
    let digits = digits.bytes().map(|b| digit(b.to_ascii_lowercase()));
    let digits = Zeroizing::new(digits.collect::<Option<Vec<u8>>>()?);
    if checksum(&prefix, &digits) != INTACT {
        return None;
    }
    let data = &digits[..digits.len() - CHECKSUM];
    let (bytes, rest) = regroup(data, 5, 8);
    let padding = data.len() * 5 % 8;
    (padding < 5 && rest == 0).then_some((prefix, bytes))
}

/// The text of bytes behind a prefix in lower case; in lower case, too.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> Zeroizing<String> {
    let (mut digits, rest) = regroup(bytes, 8, 5);
    let left = bytes.len() * 8 % 5;
    if left > 0 {
        digits.push((rest << (5 - left)) as u8);
    }
    let data = digits.len();
    digits.resize(data + CHECKSUM, 0);
    let sum = checksum(prefix, &digits) ^ INTACT;
    for (at, digit) in digits[data..].iter_mut().enumerate() {
        *digit = (sum >> (5 * (CHECKSUM - 1 - at)) & 31) as u8;
    }
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 1 + digits.len()));
    text.push_str(prefix);
    text.push('1');
    text.extend(digits.iter().map(|&d| ALPHABET[usize::from(d)] as char));
    text
}

fn digit(letter: u8) -> Option<u8> {
    let at = ALPHABET.iter().position(|&known| known == letter)?;
    u8::try_from(at).ok()
}

/// Groups of `from` bits as groups of `to` bits, and the bits that are left over.
fn regroup(groups: &[u8], from: u32, to: u32) -> (Zeroizing<Vec<u8>>, u32) {
    let room = groups.len() * from as usize / to as usize + 1 + CHECKSUM;
    let mut regrouped = Zeroizing::new(Vec::with_capacity(room));
    let (mut bits, mut count) = (0_u32, 0);
    for &group in groups {
        bits = bits << from | u32::from(group);
        count += from;
        while count >= to {
            count -= to;
            regrouped.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (regrouped, bits)
}

fn checksum(prefix: &str, digits: &[u8]) -> u32 {
    let high = prefix.bytes().map(|b| b >> 5);
    let low = prefix.bytes().map(|b| b & 31);
    let all = high.chain([0]).chain(low).chain(digits.iter().copied());
    all.fold(1, |sum, digit| {
        let top = sum >> 25;
        let sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(digit);
        let generators = [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ];
        let chosen = generators.into_iter().enumerate();
        let chosen = chosen.filter(|(bit, _)| top >> bit & 1 == 1);
        chosen.fold(sum, |sum, (_, generator)| sum ^ generator)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_of_bip_173_are_read() {
        for text in [
            "A12UEL5L",
            "a12uel5l",
            "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
            "?1ezyfcl",
        ] {
            assert!(decode(text).is_some(), "{text}");
        }
        let (prefix, bytes) =
            decode("split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w").expect("intact");
        assert_eq!((prefix.as_str(), bytes.len()), ("split", 30));
        assert_eq!(bytes[..4], [0xc5, 0xf3, 0x8b, 0x70]);
    }

    #[test]
    fn what_bip_173_refuses_is_refused() {
        for text in [
            "",
            "pzry9x0s0muk",
            "1pzry9x0s0muk",
            "x1b4n0q5v",
            "li1dgmt3",
            "A1G7SGD8",
            "10a06t8",
            "1qzzfhee",
            "a12UEL5L",
            "\u{20}1nwldj5",
            "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3x",
        ] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    #[test]
    fn padding_that_is_too_long_or_not_zero_is_refused() {
        // eight digits are five bytes; nine are these and five bits over, which no encoder writes
        for data in [&[0_u8; 9][..], &[0, 1]] {
            let mut digits = data.to_vec();
            digits.resize(data.len() + CHECKSUM, 0);
            let sum = checksum("a", &digits) ^ INTACT;
            let digits = data
                .iter()
                .copied()
                .chain((0..CHECKSUM).map(|at| (sum >> (5 * (CHECKSUM - 1 - at)) & 31) as u8));
            let text: String = digits.map(|d| ALPHABET[usize::from(d)] as char).collect();
            assert!(decode(&format!("a1{text}")).is_none(), "{data:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(prefix in "[a-z0-9+._-]{1,20}", bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let text = encode(&prefix, &bytes);
            let (read, decoded) = decode(&text).expect("intact");
            prop_assert_eq!(read, prefix);
            prop_assert_eq!(&*decoded, &bytes);
            prop_assert!(decode(&text.to_ascii_uppercase()).is_some());
        }

        #[test]
        fn one_wrong_letter_is_noticed(at in 0..59_usize, letter in "[02-9a-z]") {
            let mut text = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu".to_owned();
            let at = at + 3;
            let same = text[at..].starts_with(&letter) || at == 3;
            text.replace_range(at..=at, &letter);
            prop_assert!(same || decode(&text).is_none());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}1\\PC{0,40}") {
            let _ = decode(&text);
        }
    }
}
