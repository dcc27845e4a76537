//! Contents in a sealed memfd: memory that is a file as well, which the kernel can send without
//! copying it, and which nobody can change any more. The file on disk may be rewritten meanwhile; what
//! is sent stays one version.

use std::{fs::File, io, io::Write as _, ptr, slice, sync::Arc};

use bytes::Bytes;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// A mapping of a whole sealed memfd.
struct Mapping {
    start: ptr::NonNull<u8>,
    length: usize,
}

/// Copies contents that are not empty into a sealed memfd, and gives them as memory and as a file.
pub(super) fn seal(contents: &[u8]) -> io::Result<(Bytes, Arc<File>)> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("sideman-file", flags)?);
    file.write_all(contents)?;
    // From here on neither this process nor one that opens /proc/PID/fd can write, cut or grow it, or
    // take the seals away.
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    let mapping = Mapping::new(&file, contents.len())?;
    Ok((Bytes::from_owner(mapping), Arc::new(file)))
}

// === impl Mapping ===

#[expect(unsafe_code, reason = "a mapping can't be had without it; each use says why it is sound")]
impl Mapping {
    /// Maps the first `length` bytes of a file that is sealed and has so many.
    fn new(file: &File, length: usize) -> io::Result<Self> {
        // Private, though nobody writes: before Linux 6.7 a file that is sealed against writing and open
        // for it can't be mapped shared, not even to be read.
        // SAFETY: the address is the kernel's choice, so no memory in use is mapped over. The length is
        // that of the file; the kernel refuses 0.
        let start =
            unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)? };
        let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

#[expect(unsafe_code, reason = "a mapping can't be read without it; each use says why it is sound")]
impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start` is a readable mapping of `length` bytes until `self` is dropped, and the
        // slice does not outlive `self`. The seals keep its bytes from changing (SEAL_WRITE) and its
        // pages from going away (SEAL_SHRINK: no SIGBUS). u8 has no invalid values and needs no
        // alignment; `mmap` gives no more than isize::MAX bytes.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

#[expect(unsafe_code, reason = "a mapping can't be ended without it; the use says why it is sound")]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `new` made, all of it, once. Slices of it borrow `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only ever read.
#[expect(unsafe_code, reason = "a raw pointer is not Send by itself; the argument stands above")]
unsafe impl Send for Mapping {}

// SAFETY: shared references only read, and nothing writes (see `as_ref`).
#[expect(unsafe_code, reason = "a raw pointer is not Sync by itself; the argument stands above")]
unsafe impl Sync for Mapping {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    // Miri has no memfd and maps no files: these run on the kernel only.

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
    fn nobody_can_change_it() {
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

    #[test]
    #[cfg_attr(miri, ignore)]
    fn nothing_can_not_be_mapped() {
        assert!(seal(b"").is_err());
    }
}
