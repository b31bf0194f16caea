//! The program's global allocator: running out of memory ends the process with one line on standard error and exit code 4.

use crate::error::{MEMORY_REMEDY, OUT_OF_MEMORY_CODE};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::{self, Write};

/// The system's allocator. If it has no memory left, the process ends at once with a line on standard error and the
/// exit code of [`Error::OutOfMemory`](crate::error::Error::OutOfMemory), on whichever thread and for whichever size.
/// Rust's default would abort, and SIGABRT does not state the reason.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: every block comes from the system's allocator and goes back to it with its layout unchanged.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        granted(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        granted(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        granted(unsafe { System.realloc(block, layout, size) }, size)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Returns the block. Ends the process if it is null, because the system refused its `size` bytes.
fn granted(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        end(size);
    }
    block
}

#[cold]
fn end(size: usize) -> ! {
    let line = Line::of_refusal(size);
    // SAFETY: the bytes are there for the call; `_exit` runs nothing of this process's that might ask for memory.
    unsafe {
        libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length);
        libc::_exit(OUT_OF_MEMORY_CODE.into())
    }
}

/// A line of text in a fixed buffer, so that writing it allocates nothing. Text that does not fit is cut off.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    fn of_refusal(size: usize) -> Self {
        let mut line = Line { bytes: [0; 512], length: 0 };
        // Writing into a line never fails.
        let _ =
            writeln!(line, "error: out of memory: the system refused another {size} bytes; {MEMORY_REMEDY}");
        line
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let space = &mut self.bytes[self.length..];
        let count = text.len().min(space.len());
        space[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_states_the_size_and_what_to_do() {
        let line = Line::of_refusal(usize::MAX);
        let text = std::str::from_utf8(&line.bytes[..line.length]).unwrap();
        assert!(text.contains("refused another 18446744073709551615 bytes; "), "{text}");
        assert!(text.ends_with(&format!("{MEMORY_REMEDY}\n")), "{text}");
    }

    #[test]
    fn a_longer_line_is_cut_off() {
        let mut line = Line { bytes: [0; 512], length: 0 };
        write!(line, "{}", "x".repeat(600)).unwrap();
        assert_eq!(line.length, 512);
    }
}
