//! The `Content-Range` of an answer.
//!
//! Invariant: a range that passes [`ContentRange::check`] begins where it was asked to and does not go beyond.

use std::ops::Range;

use super::Error;

/// Bytes `start..=end` of a blob of `total` bytes, if the server told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub start: u64,
    pub end: u64,
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes a-b/total`, where the total may be `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let range = Self {
            start: number(start)?,
            end: number(end)?,
            total: match total {
                "*" => None,
                total => Some(number(total)?),
            },
        };
        let sound = range.start <= range.end && range.total.is_none_or(|total| range.end < total);
        sound.then_some(range)
    }

    /// The bytes this range has of those asked for.
    ///
    /// # Errors
    /// [`Error::OtherTotal`] and [`Error::OtherRange`].
    pub(super) fn check(&self, asked: &Range<u64>, total: Option<u64>) -> Result<u64, Error> {
        if let (Some(expected), Some(got)) = (total, self.total)
            && expected != got
        {
            return Err(Error::OtherTotal { expected, got });
        }
        if self.start != asked.start || self.end >= asked.end {
            return Err(Error::OtherRange {
                asked: asked.clone(),
                got: self.start..self.end + 1,
            });
        }
        Ok(self.end - self.start + 1)
    }
}

fn number(text: &str) -> Option<u64> {
    // Digits alone: `u64::from_str` would take a plus sign. The last number must leave room for one more.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|&number| number < u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_ranges_parse() {
        let range = ContentRange::parse("bytes 2-9/10").expect("a range");
        assert_eq!((range.start, range.end, range.total), (2, 9, Some(10)));
        assert_eq!(
            ContentRange::parse("bytes 0-0/*").expect("a range").total,
            None
        );
        for bad in [
            "",
            "bytes 2-9",
            "bytes */10",
            "bytes 9-2/10",
            "bytes 2-10/10",
            "bytes +2-9/10",
            "items 2-9/10",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_are_compared_with_what_was_asked() {
        let check = |text, asked: Range<u64>, total| {
            ContentRange::parse(text)
                .expect("a range")
                .check(&asked, total)
        };
        assert!(matches!(check("bytes 2-9/10", 2..10, Some(10)), Ok(8)));
        assert!(matches!(check("bytes 2-8/10", 2..10, Some(10)), Ok(7)));
        assert!(matches!(
            check("bytes 3-9/10", 2..10, Some(10)),
            Err(Error::OtherRange { .. })
        ));
        assert!(matches!(
            check("bytes 2-9/10", 2..9, Some(10)),
            Err(Error::OtherRange { .. })
        ));
        assert!(matches!(
            check("bytes 2-9/11", 2..10, Some(10)),
            Err(Error::OtherTotal {
                expected: 10,
                got: 11
            })
        ));
    }
}
