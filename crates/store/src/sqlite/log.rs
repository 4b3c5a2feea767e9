//! The log: what was accepted, in order, on disk before anybody is told. It is short: the tables
//! follow it, and what they hold for good is written over.
//!
//! A few files of fixed size are filled with zeros once and then used in turn, so that a flush
//! writes data alone and no file system metadata. Frames begin at whole blocks and go to the disk
//! past the system's cache, where the file system allows that: nobody reads them again, unless
//! after a crash. Knows frames of bytes and their numbers, not what they mean.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::io_failed;
use crate::Error;

/// What is written begins and ends at multiples of this, in the file and in memory.
const BLOCK: usize = 4096;

/// A file begins with magic, format version and the file's number, which grows with each use. They
/// have a block of their own.
const HEADER: usize = 16;
const MAGIC: [u8; 4] = *b"PRLG";
const VERSION: u32 = 1;

/// A frame begins with length of its payload, checksum and sequence number.
const FRAME_HEADER: usize = 16;

/// The size of a file in turn. A frame that does not fit makes its file longer.
const FILE_BYTES: u64 = 16 << 20;
/// The first file is small, so that a start is quick.
const FIRST_BYTES: u64 = 1 << 20;

/// One file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    /// Bytes that are there already; writing within them is cheap.
    size: u64,
    /// The sequence number of its last frame.
    last: u64,
}

/// Where frames are added.
pub(super) struct Log {
    folder: PathBuf,
    current: Segment,
    number: u64,
    offset: u64,
    next: u64,
    /// A failed flush leaves it open what is on disk: the file is not written to again.
    suspect: bool,
    /// Files whose frames the tables do not hold for good yet, oldest first.
    retired: Vec<Segment>,
    spare: Option<Segment>,
    /// Counts the files ever made, which names them.
    made: u64,
    blocks: Blocks,
    #[cfg(test)]
    pub broken: bool,
}

/// A frame that was read back.
pub(super) type Frame = (u64, Vec<u8>);

/// Reads every frame after `applied`, in order.
///
/// # Errors
/// `Corrupt` if frames are missing in between, `Newer` for a format not known here.
pub(super) fn read(folder: &Path, applied: u64) -> Result<Vec<Frame>, Error> {
    let mut frames = BTreeMap::new();
    for (_, path) in numbered(folder)? {
        let bytes = fs::read(&path).map_err(|error| io_failed("cannot read", &path, &error))?;
        // A frame whose flush failed may be there and have been written again in a later file.
        frames.extend(frames_of(&bytes).into_iter().map(|(seq, range)| (seq, bytes[range].into())));
    }
    let later: Vec<Frame> = frames.split_off(&(applied + 1)).into_iter().collect();
    for (expected, (found, _)) in (applied + 1..).zip(&later) {
        if expected != *found {
            let reason = format!(
                "the log in {} goes on at {found}, the tables end at {}: what lies between is \
                 missing; restore both from one backup",
                folder.display(),
                expected - 1
            );
            return Err(Error::Corrupt { reason });
        }
    }
    Ok(later)
}

/// The files that hold frames, by their number.
fn numbered(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let failed = |error: io::Error| io_failed("cannot read", folder, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let mut header = [0; HEADER];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut header));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(io_failed("cannot read", &path, &error)),
        }
        if header[..4] != MAGIC {
            continue;
        }
        let version = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if version > VERSION {
            return Err(Error::Newer { found: version, known: VERSION });
        }
        found.push((number_of(&header), path));
    }
    found.sort_unstable();
    Ok(found)
}

fn number_of(header: &[u8]) -> u64 {
    header.get(8..16).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Where the payloads of a file's frames are. Ends at the first that is not whole: it was never
/// acknowledged, or is of an earlier use of the file.
fn frames_of(bytes: &[u8]) -> Vec<(u64, std::ops::Range<usize>)> {
    let number = number_of(bytes);
    let mut frames: Vec<(u64, std::ops::Range<usize>)> = Vec::new();
    let mut at = BLOCK;
    while let Some(header) = bytes.get(at..at + FRAME_HEADER) {
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (length, checksum, seq) = (word(0) as usize, word(4), number_of(header));
        let start = at + FRAME_HEADER;
        let Some(payload) = bytes.get(start..start + length) else { break };
        let follows = frames.last().is_none_or(|(last, _)| seq == last + 1);
        if seq == 0 || !follows || checksum != checksum_of(number, seq, payload) {
            break;
        }
        frames.push((seq, start..start + length));
        at = (start + length).next_multiple_of(BLOCK);
    }
    frames
}

fn checksum_of(number: u64, seq: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Makes the folder of the log if it is not there.
pub(super) fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|error| io_failed("cannot make", folder, &error))
}

impl Log {
    /// Starts to write after `applied`. Everything that the files hold must be in the tables for
    /// good: they are written over.
    pub fn start(folder: &Path, applied: u64) -> Result<Self, Error> {
        let last_number = numbered(folder)?.last().map_or(0, |(number, _)| *number);
        let failed = |error: io::Error| io_failed("cannot read", folder, &error);
        let mut left = Vec::new();
        let mut made = 0;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            made = made.max(name.unwrap_or(0));
            left.push(path);
        }
        // One is used, one more may be of use soon; what a long backlog left behind goes.
        let mut kept = Vec::new();
        for path in left {
            let is_full = fs::metadata(&path).is_ok_and(|file| file.len() == FILE_BYTES);
            if is_full && kept.len() < 2 {
                kept.push(Segment::open(path)?);
            } else {
                fs::remove_file(&path).map_err(|e| io_failed("cannot remove", &path, &e))?;
            }
        }
        let (current, spare) = (kept.pop(), kept.pop());
        let current = match current {
            Some(current) => current,
            None => {
                made += 1;
                Segment::make(folder, made, FIRST_BYTES)?
            }
        };
        let mut log = Self {
            folder: folder.to_owned(),
            current,
            number: last_number,
            offset: 0,
            next: applied + 1,
            suspect: false,
            retired: Vec::new(),
            spare,
            made,
            blocks: Blocks::default(),
            #[cfg(test)]
            broken: false,
        };
        log.begin()?;
        Ok(log)
    }

    /// The sequence number the next frame gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Bytes on disk, all files together.
    pub fn disk_bytes(&self) -> u64 {
        let others = self.retired.iter().chain(&self.spare);
        self.current.size + others.map(|segment| segment.size).sum::<u64>()
    }

    /// Puts a frame on disk.
    ///
    /// # Errors
    /// `Unavailable` if it may not be on disk; the same number is then used again.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64, Error> {
        let size = (FRAME_HEADER + payload.len()).next_multiple_of(BLOCK) as u64;
        if self.suspect || self.offset + size > self.current.size {
            self.turn()?;
        }
        let seq = self.next;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let checksum = checksum_of(self.number, seq, payload);
        let mut header = [0; FRAME_HEADER];
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..8].copy_from_slice(&checksum.to_le_bytes());
        header[8..16].copy_from_slice(&seq.to_le_bytes());
        let failed = |error: io::Error| io_failed("cannot write", &self.current.path, &error);
        #[cfg(test)]
        if self.broken {
            return Err(failed(io::Error::other("broken for a test")));
        }
        let blocks = self.blocks.fill(&header, payload);
        if let Err(error) = self.current.file.write_all_at(blocks, self.offset) {
            // Writing and flushing are one: where it failed is not known.
            self.suspect = true;
            return Err(failed(error));
        }
        self.offset += size;
        self.current.size = self.current.size.max(self.offset);
        self.current.last = seq;
        self.next += 1;
        Ok(seq)
    }

    /// Goes on in the spare file. Without one, the present file grows, unless it must not be used.
    fn turn(&mut self) -> Result<(), Error> {
        let next = match self.spare.take() {
            Some(spare) => spare,
            None if !self.suspect => return Ok(()),
            None => self.make(FIRST_BYTES)?,
        };
        self.retired.push(std::mem::replace(&mut self.current, next));
        self.begin()
    }

    /// Begins a file with its header.
    fn begin(&mut self) -> Result<(), Error> {
        self.number += 1;
        self.suspect = false;
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&VERSION.to_le_bytes());
        header[8..16].copy_from_slice(&self.number.to_le_bytes());
        self.offset = BLOCK as u64;
        let written = self.current.file.write_all_at(self.blocks.fill(&header, &[]), 0);
        written.map_err(|error| io_failed("cannot write", &self.current.path, &error))
    }

    fn make(&mut self, bytes: u64) -> Result<Segment, Error> {
        let (folder, name) = self.next_name();
        Segment::make(&folder, name, bytes)
    }

    /// Whether the file in use is more than half full and nothing stands ready to follow it.
    pub fn wants_spare(&self) -> bool {
        self.spare.is_none() && self.offset * 2 > self.current.size
    }

    /// Where the next file goes, and its name.
    pub fn next_name(&mut self) -> (PathBuf, u64) {
        self.made += 1;
        (self.folder.clone(), self.made)
    }

    /// Takes a file that stands ready.
    pub fn set_spare(&mut self, segment: Segment) {
        self.spare.get_or_insert(segment);
    }

    /// Frees the files whose frames are all in the tables for good: one is kept to be used again.
    pub fn free(&mut self, applied: u64) -> Vec<Segment> {
        let free = self.retired.iter().take_while(|segment| segment.last <= applied).count();
        let mut freed: Vec<Segment> = self.retired.drain(..free).collect();
        if self.spare.is_none()
            && let Some(reused) = freed.iter().position(|segment| segment.size >= FILE_BYTES)
        {
            self.spare = Some(freed.swap_remove(reused));
        }
        freed
    }
}

impl Segment {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let file = flushing(&path).map_err(|error| io_failed("cannot open", &path, &error))?;
        Ok(Self { file, path, size: FILE_BYTES, last: 0 })
    }

    /// A file of full size, on disk with its zeros.
    pub fn full(folder: &Path, name: u64) -> Result<Self, Error> {
        Self::make(folder, name, FILE_BYTES)
    }

    fn make(folder: &Path, name: u64, bytes: u64) -> Result<Self, Error> {
        let path = folder.join(name.to_string());
        let mut options = File::options();
        options.create(true).truncate(true).write(true).mode(0o600);
        let filled = options.open(&path).and_then(|file| {
            let zeros = vec![0; 1 << 20];
            for at in (0..bytes).step_by(zeros.len()) {
                file.write_all_at(&zeros, at)?;
            }
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            flushing(&path)
        });
        match filled {
            Ok(file) => Ok(Self { file, path, size: bytes, last: 0 }),
            Err(error) => {
                // What there is of it is of no use and takes room.
                let _ = fs::remove_file(&path);
                Err(io_failed("cannot make", &path, &error))
            }
        }
    }

    /// Gives its room back.
    pub fn remove(self) {
        // A file that stays is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens a file so that each write is on disk when it returns, past the system's cache where the
/// file system can do that.
fn flushing(path: &Path) -> io::Result<File> {
    let open = |flags| File::options().write(true).custom_flags(flags).open(path);
    match open(libc::O_DSYNC | libc::O_DIRECT) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => open(libc::O_DSYNC),
        opened => opened,
    }
}

/// Memory that begins at a multiple of [`BLOCK`], filled up to one with zeros.
#[derive(Default)]
struct Blocks(Vec<u8>);

impl Blocks {
    fn fill(&mut self, header: &[u8], payload: &[u8]) -> &[u8] {
        let size = (header.len() + payload.len()).next_multiple_of(BLOCK);
        if self.0.len() < size + BLOCK {
            self.0 = vec![0; size + BLOCK];
        }
        let start = self.0.as_ptr().align_offset(BLOCK);
        let blocks = &mut self.0[start..start + size];
        let (head, rest) = blocks.split_at_mut(header.len());
        let (body, padding) = rest.split_at_mut(payload.len());
        head.copy_from_slice(header);
        body.copy_from_slice(payload);
        padding.fill(0);
        &self.0[start..start + size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_was_appended_is_read_back_in_order() {
        let folder = folder();
        let mut log = Log::start(folder.path(), 7).unwrap();
        for text in ["one", "two", ""] {
            log.append(text.as_bytes()).unwrap();
        }
        let read_back = read(folder.path(), 7).unwrap();
        assert_eq!(read_back, [(8, b"one".to_vec()), (9, b"two".to_vec()), (10, Vec::new())]);
        assert_eq!(read(folder.path(), 9).unwrap(), [(10, Vec::new())]);
        assert_eq!(read(folder.path(), 10).unwrap(), []);
        let Error::Corrupt { reason } = read(folder.path(), 3).unwrap_err() else { panic!() };
        assert!(reason.contains("goes on at 8, the tables end at 3"), "{reason}");
    }

    #[test]
    fn a_torn_end_is_left_out_and_written_over() {
        let folder = folder();
        let mut log = Log::start(folder.path(), 0).unwrap();
        log.append(b"whole").unwrap();
        log.append(b"torn, as if the power went").unwrap();
        let path = log.current.path.clone();
        let mut bytes = fs::read(&path).unwrap();
        let start = usize::try_from(log.offset).unwrap() - BLOCK;
        for at in 0..40 {
            bytes[start + at] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read(folder.path(), 0).unwrap(), [(1, b"whole".to_vec())]);
        }
        let mut log = Log::start(folder.path(), 1).unwrap();
        log.append(b"again").unwrap();
        assert_eq!(read(folder.path(), 1).unwrap(), [(2, b"again".to_vec())]);
    }

    #[test]
    fn files_are_used_in_turn_and_old_frames_never_come_back() {
        let folder = folder();
        let mut log = Log::start(folder.path(), 0).unwrap();
        let payload = vec![7; 1 << 20];
        for n in 1..=100 {
            log.append(&payload).unwrap();
            if log.wants_spare() {
                let (folder, name) = log.next_name();
                log.set_spare(Segment::full(&folder, name).unwrap());
            }
            if n % 10 == 0 {
                log.free(n - 5).into_iter().for_each(Segment::remove);
            }
            let kept: Vec<u64> = read(folder.path(), n - 1).unwrap().iter().map(|f| f.0).collect();
            assert_eq!(kept, [n]);
        }
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert!(files <= 4, "{files} files");
        assert!(log.disk_bytes() <= 4 * FILE_BYTES);
        // A restart that finds everything applied goes on with two files at most.
        let mut log = Log::start(folder.path(), 100).unwrap();
        log.append(b"next").unwrap();
        assert_eq!(read(folder.path(), 100).unwrap(), [(101, b"next".to_vec())]);
    }

    #[test]
    fn after_a_failed_flush_the_frame_is_written_again_elsewhere() {
        let folder = folder();
        let mut log = Log::start(folder.path(), 0).unwrap();
        log.append(b"one").unwrap();
        // The flush of `two` fails, although its bytes are there.
        log.append(b"two, refused").unwrap();
        log.suspect = true;
        log.next = 2;
        log.append(b"two, accepted").unwrap();
        let read_back = read(folder.path(), 0).unwrap();
        assert_eq!(read_back, [(1, b"one".to_vec()), (2, b"two, accepted".to_vec())]);
    }
}
