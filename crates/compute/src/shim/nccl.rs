//! Sums of tensors over cards by NVIDIA's NCCL, loaded at run time, so that the program depends neither on it nor on CUDA.
//!
//! **Not run yet**: no machine with two cards has been available (docs/gpu-checklist.md, item 10).
//!
//! The declarations follow `nccl.h`, 2.x, and `cuda_runtime_api.h`.

use super::in_time;
use crate::error::{Error, Result};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

const UNIQUE_ID_BYTES: usize = 128;

#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId([u8; UNIQUE_ID_BYTES]);

type Communicator = *mut c_void;
/// The stream on which libtorch computes by default: CUDA's default one.
const DEFAULT_STREAM: *mut c_void = std::ptr::null_mut();
const NCCL_SUM: c_int = 0;
const CUDA_NOT_READY: c_int = 600;

/// The cards of several processes, which do the same operations in the same order.
#[derive(Debug)]
pub struct Cards {
    library: Library,
    communicator: Communicator,
    patience: Duration,
}

// SAFETY: NCCL lets any thread use a communicator, one at a time.
unsafe impl Send for Cards {}

impl Cards {
    pub const ID_BYTES: usize = UNIQUE_ID_BYTES;

    /// Returns a fresh name for a group of cards, which rank 0 makes and sends to the others.
    ///
    /// # Errors
    /// If NCCL cannot be loaded.
    pub fn new_id() -> Result<[u8; UNIQUE_ID_BYTES]> {
        let library = open()?;
        let mut id = UniqueId([0; UNIQUE_ID_BYTES]);
        // SAFETY: the declaration is NCCL's, and the id is of its size.
        unsafe {
            let get: Symbol<unsafe extern "C" fn(*mut UniqueId) -> c_int> =
                symbol(&library, c"ncclGetUniqueId")?;
            check(&library, get(&mut id))?;
        }
        std::mem::forget(library); // its threads serve the others until the end
        Ok(id.0)
    }

    /// Joins the group called `id` with this process's card, and sums a first number with the others.
    ///
    /// # Errors
    /// If NCCL cannot be loaded or cannot connect to the other cards, or if not all of them have come within
    /// `patience`.
    ///
    /// # Panics
    /// If the card has no memory for one number.
    pub fn join(rank: usize, size: usize, id: &[u8], card: usize, patience: Duration) -> Result<Self> {
        let id = UniqueId(id.try_into().map_err(|_| Error::failed("an id of NCCL's has 128 bytes"))?);
        use_card(card)?;
        let late = move || format!("the cards of all ranks have not met in {} s", patience.as_secs());
        // NCCL waits forever for a lost rank, here and in the first sum, in which it makes connections.
        in_time(patience, late, move || {
            let cards = Cards::connect(rank, size, id, card, patience)?;
            cards.sum(&Tensor::zeros([1], (Kind::Float, Device::Cuda(card))), || Ok(()))?;
            Ok(cards)
        })
    }

    fn connect(rank: usize, size: usize, id: UniqueId, card: usize, patience: Duration) -> Result<Self> {
        use_card(card)?;
        let library = open()?;
        let mut communicator = std::ptr::null_mut();
        // SAFETY: the declaration is NCCL's; the communicator is written where the call succeeds.
        unsafe {
            let init: Symbol<unsafe extern "C" fn(*mut Communicator, c_int, UniqueId, c_int) -> c_int> =
                symbol(&library, c"ncclCommInitRank")?;
            check(&library, init(&mut communicator, size as c_int, id, rank as c_int))?;
        }
        Ok(Cards { library, communicator, patience })
    }

    /// Replaces the tensor by the sum over all ranks' tensors of this shape and kind.
    ///
    /// A card waits forever for a lost one. So `all_began` is called once this rank's part has begun: it must return
    /// when every rank has come so far, and fail if one is lost. Only for a rank that is lost later does the card wait,
    /// until the patience ends.
    ///
    /// # Errors
    /// The error of `all_began`; NCCL's own; a sum that takes too long. The cards are unusable afterwards.
    ///
    /// # Panics
    /// If the tensor is not one contiguous block of floating-point numbers on a card.
    pub fn sum(&self, tensor: &Tensor, all_began: impl FnOnce() -> Result<()>) -> Result<()> {
        assert!(
            tensor.device().is_cuda() && tensor.is_contiguous(),
            "NCCL adds up contiguous tensors of cards"
        );
        let kind = match tensor.kind() {
            Kind::Float => 7,
            Kind::Double => 8,
            other => panic!("gradients of kind {other:?} are not added up"),
        };
        type AllReduce = unsafe extern "C" fn(
            *const c_void,
            *mut c_void,
            usize,
            c_int,
            c_int,
            Communicator,
            *mut c_void,
        ) -> c_int;
        let data = tensor.data_ptr();
        // SAFETY: the declaration is NCCL's; the block outlives the operation, for which `wait` waits.
        let begun = unsafe {
            let all_reduce: Symbol<AllReduce> = symbol(&self.library, c"ncclAllReduce")?;
            let code =
                all_reduce(data, data, tensor.numel(), kind, NCCL_SUM, self.communicator, DEFAULT_STREAM);
            check(&self.library, code)
        };
        let outcome = begun.and_then(|()| all_began()).and_then(|()| self.wait());
        if outcome.is_err() {
            self.abort();
        }
        outcome
    }

    /// Returns once the card has finished all queued work.
    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        // SAFETY: the declarations are CUDA's and NCCL's.
        unsafe {
            let query: Symbol<unsafe extern "C" fn(*mut c_void) -> c_int> = cuda(c"cudaStreamQuery")?;
            let forget: Symbol<unsafe extern "C" fn() -> c_int> = cuda(c"cudaGetLastError")?;
            let state: Symbol<unsafe extern "C" fn(Communicator, *mut c_int) -> c_int> =
                symbol(&self.library, c"ncclCommGetAsyncError")?;
            loop {
                match query(DEFAULT_STREAM) {
                    0 => return Ok(()),
                    // CUDA keeps this as the thread's last error, and libtorch would attribute it to its next kernel.
                    CUDA_NOT_READY => _ = forget(),
                    code => return Err(Error::failed(format!("the card failed (CUDA's error {code})"))),
                }
                let mut code = 0;
                check(&self.library, state(self.communicator, &mut code))?;
                check(&self.library, code)?;
                if begun.elapsed() > self.patience {
                    return Err(Error::failed(format!("no sum in {} s", self.patience.as_secs())));
                }
                std::thread::yield_now();
            }
        }
    }

    /// Aborts the operations for which the card waits, so that the process can end.
    fn abort(&self) {
        // SAFETY: the declaration is NCCL's; the communicator is not used again, since its owner has an error.
        unsafe {
            type Abort = unsafe extern "C" fn(Communicator) -> c_int;
            if let Ok(abort) = symbol::<Abort>(&self.library, c"ncclCommAbort") {
                abort(self.communicator);
            }
        }
    }
}

/// Makes this the card of the calling thread, whose default stream is used if no stream is named.
fn use_card(card: usize) -> Result<()> {
    // SAFETY: the declaration is CUDA's.
    let code = unsafe {
        let set_device: Symbol<unsafe extern "C" fn(c_int) -> c_int> = cuda(c"cudaSetDevice")?;
        set_device(card as c_int)
    };
    match code {
        0 => Ok(()),
        code => Err(Error::failed(format!("CUDA cannot use card {card} (error {code})"))),
    }
}

/// Opens the NCCL of libtorch's CUDA build.
fn open() -> Result<Library> {
    // SAFETY: the library's initialisers do nothing but prepare it.
    unsafe { Library::open(Some("libnccl.so.2"), RTLD_NOW | RTLD_GLOBAL) }.map_err(|error| {
        Error::user(format!(
            "several ranks on cards need NCCL, but {error}; `scripts/setup --cuda` brings it"
        ))
    })
}

/// # Safety
/// `T` must be the symbol's type.
unsafe fn symbol<T>(library: &Library, name: &CStr) -> Result<Symbol<T>> {
    // SAFETY: the caller's promise.
    unsafe { library.get(name.to_bytes_with_nul()) }.map_err(|error| Error::failed(error.to_string()))
}

/// Finds a function of the CUDA runtime that libtorch has loaded.
///
/// # Safety
/// `T` must be the symbol's type.
unsafe fn cuda<T>(name: &CStr) -> Result<Symbol<T>> {
    // SAFETY: the caller's promise.
    unsafe { symbol(&Library::this(), name) }
}

/// Converts an NCCL result code; the error has NCCL's text.
fn check(library: &Library, code: c_int) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the declaration is NCCL's, whose texts are constants.
    let text = unsafe {
        type Text = unsafe extern "C" fn(c_int) -> *const c_char;
        let of: Symbol<Text> = symbol(library, c"ncclGetErrorString")?;
        CStr::from_ptr(of(code)).to_string_lossy().into_owned()
    };
    Err(Error::failed(format!("NCCL: {text}")))
}
