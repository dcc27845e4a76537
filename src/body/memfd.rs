//! Contents in a sealed memfd: memory that is also a file. The kernel can send it without a copy, and nobody can change
//! it any more. The file on disk may be rewritten meanwhile, but the response stays one version.

use std::{fs::File, io, io::Write as _, ptr, slice, sync::Arc};

use bytes::Bytes;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

#[cfg(test)]
use rustix::mm::mmap_anonymous;

/// A mapping of a whole sealed memfd.
struct MemfdMapping {
    start: ptr::NonNull<u8>,
    length: usize,
}

/// Copies contents that are not empty into a sealed memfd, and returns them as memory and as a file.
pub fn seal(contents: &[u8]) -> io::Result<(Bytes, Arc<File>)> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("sideman-body", flags)?);
    file.write_all(contents)?;
    // From here on, no process can write, truncate or grow the file, or remove the seals: neither this one nor one that
    // opens /proc/PID/fd.
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    let mapping = MemfdMapping::new(&file, contents.len())?;
    Ok((Bytes::from_owner(mapping), Arc::new(file)))
}

// === impl MemfdMapping ===

#[expect(unsafe_code, reason = "a mapping cannot be had without it; each use says why it is sound")]
impl MemfdMapping {
    /// Maps the first `length` bytes of a file that is sealed and has so many.
    fn new(file: &File, length: usize) -> io::Result<Self> {
        // Private, though nobody writes: before Linux 6.7, a file that is open for writing and sealed against it cannot
        // be mapped shared, not even for reading. SAFETY: the address is the kernel's choice, so no memory in use is
        // mapped over. The length is that of the file; the kernel refuses 0.
        let start =
            unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)? };
        let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    /// Maps memory with these contents and without a file, which Miri can follow.
    #[cfg(test)]
    fn anonymous(contents: &[u8]) -> io::Result<Self> {
        let (length, access) = (contents.len(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: the address is the kernel's choice, so no memory in use is mapped over.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE)? };
        // SAFETY: the mapping is writable, new, and as long as the contents.
        unsafe { ptr::copy_nonoverlapping(contents.as_ptr(), start.cast(), length) };
        let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

#[expect(
    unsafe_code,
    reason = "a mapping cannot be read without it; each use says why it is sound"
)]
impl AsRef<[u8]> for MemfdMapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start` is a readable mapping of `length` bytes until `self` is dropped, and the slice does not
        // outlive `self`. The seals keep its bytes from changing (SEAL_WRITE) and its pages from being removed
        // (SEAL_SHRINK: no SIGBUS). u8 has no invalid values and needs no alignment; `mmap` gives no more than
        // isize::MAX bytes.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

#[expect(
    unsafe_code,
    reason = "a mapping cannot be ended without it; the use says why it is sound"
)]
impl Drop for MemfdMapping {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping that `new` made, unmapped once. Slices of it borrow `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only ever read.
#[expect(unsafe_code, reason = "a raw pointer is not Send by itself; the argument stands above")]
unsafe impl Send for MemfdMapping {}

// SAFETY: shared references only read, and nothing writes (see `as_ref`).
#[expect(unsafe_code, reason = "a raw pointer is not Sync by itself; the argument stands above")]
unsafe impl Sync for MemfdMapping {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    // Miri has no memfd and maps no files. It runs the first two tests; the others run on the kernel only.
    // fuzz/README.md says how.

    #[test]
    fn parts_of_a_mapping_outlive_it_on_other_threads() {
        let contents: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let memory = Bytes::from_owner(MemfdMapping::anonymous(&contents).unwrap());
        assert!(memory == contents);
        let readers = [0..5000, 4095..4097, 4999..5000, 17..17].map(|range| {
            let (part, expected) = (memory.slice(range.clone()), contents[range].to_vec());
            std::thread::spawn(move || assert!(part == expected))
        });
        drop(memory);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    }

    #[test]
    fn mapping_ends_once() {
        let (first, second) = (
            MemfdMapping::anonymous(b"first").unwrap(),
            MemfdMapping::anonymous(b"second").unwrap(),
        );
        let start = first.start;
        drop(first);
        assert_eq!(second.as_ref(), b"second");
        // The kernel may reuse the address, and the old mapping must not unmap the new one.
        let third = MemfdMapping::anonymous(b"third").unwrap();
        assert_eq!((third.as_ref(), second.as_ref()), (&b"third"[..], &b"second"[..]));
        assert!(start != second.start);
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn memory_and_file_hold_the_same() {
        let contents: Vec<u8> = (0..=255).cycle().take(100_001).collect();
        let (memory, file) = seal(&contents).unwrap();
        assert!(memory == contents);
        let mut read = vec![0; contents.len()];
        file.read_exact_at(&mut read, 0).unwrap();
        assert!(read == contents);
        assert_eq!(file.metadata().unwrap().len(), 100_001);
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn sealed_memfd_cannot_be_changed() {
        let (memory, file) = seal(b"contents").unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&*file));
        let again = File::options().read(true).write(true).open(path).unwrap();
        for file in [&*file, &again] {
            assert!(file.write_at(b"x", 0).is_err());
            assert!(file.write_at(b"x", 8).is_err());
            assert!(file.set_len(0).is_err());
            assert!(fcntl_add_seals(file, SealFlags::FUTURE_WRITE).is_err());
        }
        assert_eq!(memory, "contents");
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn memory_outlives_the_file_and_other_threads_may_have_it() {
        let (memory, file) = seal(b"contents").unwrap();
        drop(file);
        let part = memory.slice(3..);
        drop(memory);
        assert_eq!(std::thread::spawn(move || part.to_vec()).join().unwrap(), b"tents");
    }

    /// Miri does not detect a mapping that is never unmapped.
    #[test]
    #[cfg_attr(miri, ignore)]
    fn mapping_is_removed_with_its_last_slice() {
        // A length that no other test uses.
        let (memory, file) = seal(&vec![7; 12_345_678]).unwrap();
        let begin = memory.as_ptr().addr();
        let range = format!("{begin:x}-{:x} ", begin + 12_345_678_usize.next_multiple_of(4096));
        let is_mapped = || std::fs::read_to_string("/proc/self/maps").unwrap().contains(&range);
        let part = memory.slice(1..2);
        drop((memory, file));
        assert!(is_mapped());
        drop(part);
        assert!(!is_mapped());
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn nothing_can_not_be_mapped() {
        assert!(seal(b"").is_err());
    }
}
