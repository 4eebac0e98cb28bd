//! Checksums of files, read once and in pieces.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The SHA-256 of a file's bytes (FIPS 180-4). Prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum written as 64 hexadecimal digits, of either case.
    pub fn parse(text: &str) -> Option<Self> {
        digits(text).map(Self)
    }

    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first 16 digits, enough to name a file.
    pub(crate) fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(16);
        text
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

/// What a file's publisher says of its bytes. MD5 and SHA-1 tell damage from what was meant, but would
/// not withstand somebody who makes a false file on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// The whole SHA-256.
    Sha256(Checksum),
    /// Its first digits, at least eight, lower case: torchvision has them in the file's name.
    Sha256Start(String),
    /// MD5 (RFC 1321), as Keras has it.
    Md5([u8; 16]),
    /// SHA-1 (FIPS 180-4), as Caffe's zoo has it.
    Sha1([u8; 20]),
}

impl Expected {
    /// `kind` is `sha256`, `sha256_prefix`, `md5` or `sha1`; none when the digits are not such a one.
    pub fn parse(kind: &str, text: &str) -> Option<Self> {
        match kind {
            "sha256" => Checksum::parse(text).map(Self::Sha256),
            "sha256_prefix" => {
                let hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
                let long = (8..64).contains(&text.len());
                (hexadecimal && long).then(|| Self::Sha256Start(text.to_lowercase()))
            }
            "md5" => digits(text).map(Self::Md5),
            "sha1" => digits(text).map(Self::Sha1),
            _ => None,
        }
    }

    /// The whole SHA-256, where it is known.
    pub fn sha256(&self) -> Option<Checksum> {
        match self {
            Self::Sha256(sum) => Some(*sum),
            Self::Sha256Start(_) | Self::Md5(_) | Self::Sha1(_) => None,
        }
    }

    /// Whether these are the sums of the bytes meant.
    pub(crate) fn fits(&self, sums: &Sums) -> bool {
        match self {
            Self::Sha256(sum) => *sum == sums.sha256,
            Self::Sha256Start(start) => sums.sha256.to_string().starts_with(start),
            Self::Md5(sum) => sums.md5 == Some(*sum),
            Self::Sha1(sum) => sums.sha1 == Some(*sum),
        }
    }

    /// What came, in the same kind of sum, for errors.
    pub(crate) fn got(&self, sums: &Sums) -> String {
        let of = |name: &str, sum: Option<&[u8]>| {
            format!("{name} {}", sum.map(Hexadecimal).map(|h| h.to_string()).unwrap_or_default())
        };
        match self {
            Self::Sha256(_) | Self::Sha256Start(_) => format!("sha256 {}", sums.sha256),
            Self::Md5(_) => of("md5", sums.md5.as_ref().map(<[u8; 16]>::as_slice)),
            Self::Sha1(_) => of("sha1", sums.sha1.as_ref().map(<[u8; 20]>::as_slice)),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(sum) => write!(f, "sha256 {sum}"),
            Self::Sha256Start(start) => write!(f, "sha256 {start}…"),
            Self::Md5(sum) => write!(f, "md5 {}", Hexadecimal(sum)),
            Self::Sha1(sum) => write!(f, "sha1 {}", Hexadecimal(sum)),
        }
    }
}

/// The sums of a file's bytes; MD5 and SHA-1 only where they were asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sums {
    pub(crate) sha256: Checksum,
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
}

impl From<Checksum> for Sums {
    fn from(sha256: Checksum) -> Self {
        Self { sha256, md5: None, sha1: None }
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(self.0, f)
    }
}

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |d: u8| char::from(d).to_digit(16);
        *byte = (value(pair[0])? * 16 + value(pair[1])?) as u8;
    }
    Some(bytes)
}

/// Reads to the end, hands every piece on, and gives the checksum and the number of bytes.
pub(crate) fn drain(
    mut from: impl Read,
    mut piece: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Checksum, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok((Checksum(hash.finalize().into()), bytes)),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hash.update(&buffer[..n]);
        piece(&buffer[..n])?;
        bytes += n as u64;
    }
}

/// The sums that `wanted` asks for, and the size in bytes of files, one after another.
pub(crate) fn of_files(
    paths: &[std::path::PathBuf],
    wanted: Option<&Expected>,
) -> io::Result<(Sums, u64)> {
    let mut all: Box<dyn Read> = Box::new(io::empty());
    for path in paths {
        all = Box::new(all.chain(File::open(path)?));
    }
    sums(all, wanted)
}

/// The sums that `wanted` asks for, and the size in bytes of a file.
pub(crate) fn of_file(path: &Path, wanted: Option<&Expected>) -> io::Result<(Sums, u64)> {
    sums(File::open(path)?, wanted)
}

fn sums(from: impl Read, wanted: Option<&Expected>) -> io::Result<(Sums, u64)> {
    let mut md5 = matches!(wanted, Some(Expected::Md5(_))).then(Md5::new);
    let mut sha1 = matches!(wanted, Some(Expected::Sha1(_))).then(Sha1::new);
    let (sha256, bytes) = drain(from, |piece| {
        if let Some(md5) = &mut md5 {
            md5.update(piece);
        }
        if let Some(sha1) = &mut sha1 {
            sha1.update(piece);
        }
        Ok(())
    })?;
    let (md5, sha1) = (md5.map(|h| h.finalize().into()), sha1.map(|h| h.finalize().into()));
    Ok((Sums { sha256, md5, sha1 }, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_sum_knows_the_bytes_it_was_made_of() {
        let file = tempfile::NamedTempFile::new().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a file of a test need not be written whole"
        )]
        std::fs::write(file.path(), b"abc").unwrap();
        // The examples of FIPS 180-4 and RFC 1321.
        let table = [
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("sha256_prefix", "ba7816bf"),
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "A9993E364706816ABA3E25717850C26C9CD0D89D"),
        ];
        for (kind, text) in table {
            let wanted = Expected::parse(kind, text).unwrap();
            let (sums, bytes) = of_file(file.path(), Some(&wanted)).unwrap();
            assert!(wanted.fits(&sums), "{kind}");
            assert_eq!(bytes, 3);
            assert!(wanted.got(&sums).to_lowercase().contains(&text.to_lowercase()));
            let other = text.replacen(['b', '9', 'A'], "0", 1);
            assert!(!Expected::parse(kind, &other).unwrap().fits(&sums), "{kind}");
            assert_eq!(Expected::parse(kind, &text[..7]), None, "{kind}");
        }
        assert_eq!(Expected::parse("md5", "900150983cd24fb0d6963f7d28e17fzz"), None);
        assert_eq!(Expected::parse("crc", "900150983cd24fb0d6963f7d28e17f72"), None);
    }
}
