//! Which bytes a request asks for.
//!
//! Invariant: a [`Span`] is not empty and lies within its blob.

/// Bytes `start..=end` of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
}

/// Reads a `Range` header: a single `bytes=a-b` within the blob and nothing else. The end is not clamped.
///
/// # Errors
/// What is wrong, as a text for the answer.
pub(super) fn parse(header: &str, size: u64) -> Result<Span, &'static str> {
    let ranges = header
        .trim()
        .strip_prefix("bytes=")
        .ok_or("invalid range header format")?;
    if ranges.contains(',') {
        return Err("only support one range per request");
    }
    let (start, end) = ranges
        .split_once('-')
        .ok_or("invalid range header format")?;
    let start = number(start, "must provide start index")?;
    let end = number(end, "must provide end index")?;
    if start > end {
        return Err("start index must be less than end index");
    }
    within(start, end, size)
}

/// The span of `length` bytes from `start`.
///
/// # Errors
/// What is wrong, as a text for the answer.
pub(super) fn from_length(start: u64, length: u64, size: u64) -> Result<Span, &'static str> {
    let last = length
        .checked_sub(1)
        .ok_or("length must be greater than 0")?;
    let end = start.checked_add(last).ok_or("start + length overflows")?;
    within(start, end, size)
}

fn within(start: u64, end: u64, size: u64) -> Result<Span, &'static str> {
    if end < size {
        Ok(Span { start, end })
    } else {
        Err("the byte range is outside the blob")
    }
}

fn number(text: &str, missing: &'static str) -> Result<u64, &'static str> {
    if text.is_empty() {
        return Err(missing);
    }
    // `u64::from_str` would take a leading plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid range header format");
    }
    text.parse().map_err(|_| "invalid range header format")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_closed_ranges_within_the_blob() {
        assert_eq!(parse("bytes=0-0", 1), Ok(Span { start: 0, end: 0 }));
        assert_eq!(parse("bytes=2-9", 10), Ok(Span { start: 2, end: 9 }));
        let bad = [
            "bytes=2-",
            "bytes=-2",
            "bytes=-",
            "bytes=2-10",
            "bytes=10-10",
            "bytes=3-2",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=1-99999999999999999999",
            "items=0-1",
            "0-1",
            "",
        ];
        for header in bad {
            assert!(parse(header, 10).is_err(), "{header}");
        }
        assert!(parse("bytes=0-0", 0).is_err());
    }

    #[test]
    fn lengths() {
        assert_eq!(from_length(2, 8, 10), Ok(Span { start: 2, end: 9 }));
        assert!(from_length(2, 9, 10).is_err());
        assert!(from_length(2, 0, 10).is_err());
        assert!(from_length(u64::MAX, 2, 10).is_err());
    }
}
