//! Where one JSON text ends and the next begins: there is nothing between them (RFC 7047, section 4).

/// The largest answer that is taken, in bytes. The rows of 10,000 ports are 10 MB; read, an answer takes up to 16 times as much.
const LIMIT_BYTES: usize = 64 << 20;

/// Finds the end of the object that a stream of bytes begins with, however it is cut.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    depth: u32,
    is_in_text: bool,
    is_escaped: bool,
    /// How much has been looked at.
    place: usize,
}

impl Scanner {
    /// The length of the first object in `bytes`, of which the beginning is the same as at the last call; `None` until it is whole.
    ///
    /// # Errors
    /// What is wrong with bytes that are the beginning of no object.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        for byte in bytes.iter().skip(self.place) {
            self.place += 1;
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_text => self.is_escaped = true,
                b'"' if self.depth > 0 => self.is_in_text = !self.is_in_text,
                _ if self.is_in_text => {}
                b'{' | b'[' if self.depth > 0 || *byte == b'{' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(std::mem::take(self).place));
                    }
                }
                _ if self.depth > 0 || byte.is_ascii_whitespace() => {}
                _ => return Err("what it sends is no JSON object"),
            }
        }
        if self.place > LIMIT_BYTES { Err("its answer does not end") } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_wherever_the_stream_is_cut() {
        let stream = br#" {"a":["}",{"b":"\"}"}]}{"id":1}"#;
        let first = stream.len() - br#"{"id":1}"#.len();
        for cut in 0..first {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.end(&stream[..cut]), Ok(None), "{cut}");
            assert_eq!(scanner.end(stream), Ok(Some(first)), "{cut}");
            assert_eq!(scanner.end(&stream[first..]), Ok(Some(8)), "{cut}");
        }
        for nonsense in ["[1]", "HTTP/1.1 400", "}", "\"{\""] {
            assert!(Scanner::default().end(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
