//! The allocator: mimalloc, because the one of static libc builds is several times slower under load.
//!
//! The `mimalloc` crate asks for an alignment in every call. mimalloc has a slow path for that, which allocates more
//! than was asked and looks for an aligned address in it: for nearly every allocation of more than 1 KiB. But
//! its blocks are aligned for all types that Rust has, so only larger alignments need that call.

#![expect(
    unsafe_code,
    reason = "an allocator has no safe interface; each use says why it is sound"
)]

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// The alignment of every block of at least this many bytes, in bytes: `MI_MAX_ALIGN_SIZE` in mimalloc's types.h.
const BLOCK_ALIGNMENT: usize = 16;

/// mimalloc as the global allocator.
#[derive(Debug)]
pub(crate) struct Mimalloc;

/// Whether a block of `size` bytes has the alignment without being asked for it. A smaller block than the alignment may
/// have less: mimalloc packs blocks of 8 bytes.
const fn is_aligned_anyway(size: usize, alignment: usize) -> bool {
    alignment <= BLOCK_ALIGNMENT && alignment <= size
}

// SAFETY: mimalloc's functions return null, or a block of at least `size` bytes that overlaps no other one and stays
// until it is freed. They never unwind, and may be called from any thread. The alignment is that of the layout: either
// it is asked for, or every block of this size has it (`is_aligned_anyway`, and the test below). `mi_free` and
// `mi_realloc` take a block however it was allocated. By the contract of `GlobalAlloc`, the caller passes them a block
// of this allocator with its layout.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_aligned_anyway(layout.size(), layout.align()) {
            // SAFETY: any size may be asked for.
            return unsafe { mi_malloc(layout.size()) }.cast();
        }
        // SAFETY: the alignment of a layout is a power of two.
        unsafe { mi_malloc_aligned(layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_aligned_anyway(layout.size(), layout.align()) {
            // SAFETY: any size may be asked for.
            return unsafe { mi_zalloc(layout.size()) }.cast();
        }
        // SAFETY: the alignment of a layout is a power of two.
        unsafe { mi_zalloc_aligned(layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller passes a block of this allocator, once.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if is_aligned_anyway(new_size, layout.align()) {
            // SAFETY: the caller passes a block of this allocator, and uses it no more if another one is returned.
            return unsafe { mi_realloc(block.cast(), new_size) }.cast();
        }
        // SAFETY: as above; the alignment of a layout is a power of two.
        unsafe { mi_realloc_aligned(block.cast(), new_size, layout.align()) }.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around all size classes, and alignments up to a page. Several blocks of each live at once, so that not
    /// only the first block of a page is looked at.
    #[test]
    fn blocks_have_their_alignment_and_keep_their_bytes() {
        for alignment in (0..=12).map(|bits| 1_usize << bits) {
            for size in (1..=130).chain(
                (1..=22).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 8, 3 << bits]),
            ) {
                check(Layout::from_size_align(size, alignment).expect("a layout"));
            }
        }
    }

    fn check(layout: Layout) {
        let size = layout.size();
        let blocks: Vec<*mut u8> = (0..3)
            .map(|number| {
                // SAFETY: no size is 0, and the layout of a block is kept with it.
                let block = unsafe {
                    match number {
                        0 => Mimalloc.alloc(layout),
                        1 => Mimalloc.alloc_zeroed(layout),
                        _ => {
                            let small = Layout::from_size_align(size.div_ceil(2), layout.align())
                                .expect("a layout");
                            Mimalloc.realloc(Mimalloc.alloc(small), small, size)
                        }
                    }
                };
                assert!(!block.is_null(), "{layout:?}");
                assert!(block.addr().is_multiple_of(layout.align()), "{layout:?}: {block:?}");
                if number == 1 {
                    // SAFETY: the block has `size` bytes, and all of them are initialised.
                    let zeroed = unsafe { std::slice::from_raw_parts(block, size) };
                    assert!(zeroed == vec![0; size], "{layout:?}");
                }
                // SAFETY: the block has `size` bytes.
                unsafe { block.write_bytes(number, size) };
                block
            })
            .collect();
        for (number, block) in (0_u8..).zip(blocks) {
            // SAFETY: the block has `size` bytes, and was filled above; it is freed once, and not used after it.
            unsafe {
                assert!(
                    std::slice::from_raw_parts(block, size) == vec![number; size],
                    "{layout:?}"
                );
                Mimalloc.dealloc(block, layout);
            }
        }
    }
}
