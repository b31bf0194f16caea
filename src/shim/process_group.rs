//! Processes that add up tensors: libtorch's c10d over Gloo.

use super::check;
use crate::error::{Error, Result};
use std::ffi::{CString, c_char, c_int, c_void};
use std::net::UdpSocket;
use std::time::Duration;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn ablate_group_join(
        rank: c_int,
        size: c_int,
        host: *const c_char,
        port: u16,
        own: *const c_char,
        is_interface: c_int,
        timeout_ms: i64,
        group: *mut *mut c_void,
    ) -> c_int;
    fn ablate_group_leave(group: *mut c_void);
    fn ablate_group_sum(group: *mut c_void, tensor: *mut C_tensor) -> c_int;
    fn ablate_group_broadcast(group: *mut c_void, tensor: *mut C_tensor) -> c_int;
}

/// Names the network interface to use, as for torch's own processes.
const INTERFACE: &str = "GLOO_SOCKET_IFNAME";

/// This process's place among several that do the same operations in the same order. Dropping it closes the connections,
/// which the others notice at once.
#[derive(Debug)]
pub struct ProcessGroup {
    handle: *mut c_void,
}

impl ProcessGroup {
    /// Meets the other `size` - 1 ranks at `host`:`port`, where rank 0 listens. No rank waits longer than `timeout`
    /// for another, neither here nor in an operation.
    ///
    /// # Errors
    /// If a rank does not come in time or the address cannot be used.
    pub fn join(rank: usize, size: usize, host: &str, port: u16, timeout: Duration) -> Result<Self> {
        let (own, is_interface) = match std::env::var(INTERFACE) {
            Ok(name) => (name, true),
            Err(_) => (address_towards(host, port)?, false),
        };
        let text = |text: &str| {
            CString::new(text).map_err(|_| Error::user(format!("{text:?} is no name of a host or interface")))
        };
        let (host, own) = (text(host)?, text(&own)?);
        let mut handle = std::ptr::null_mut();
        // SAFETY: the texts outlive the call, which writes the handle where it succeeds.
        check(unsafe {
            ablate_group_join(
                rank as c_int,
                size as c_int,
                host.as_ptr(),
                port,
                own.as_ptr(),
                is_interface.into(),
                timeout.as_millis() as i64,
                &mut handle,
            )
        })?;
        Ok(ProcessGroup { handle })
    }

    /// Replaces the tensor by the sum over all ranks' tensors of this shape and kind; the same bits on every rank.
    ///
    /// # Errors
    /// If a rank closed its connection, or did not come in time. The group is of no use afterwards.
    ///
    /// # Panics
    /// If the tensor is not one contiguous block in the memory of the processor.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        assert_block(tensor);
        // SAFETY: both pointers are valid for the call, which ends when the operation did.
        check(unsafe { ablate_group_sum(self.handle, tensor.as_mut_ptr()) })
    }

    /// Replaces the tensor by rank 0's.
    ///
    /// # Errors
    /// As for [`ProcessGroup::sum`].
    ///
    /// # Panics
    /// As for [`ProcessGroup::sum`].
    pub fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        assert_block(tensor);
        // SAFETY: as for the sum.
        check(unsafe { ablate_group_broadcast(self.handle, tensor.as_mut_ptr()) })
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: the handle came from joining and is not used again.
        unsafe { ablate_group_leave(self.handle) }
    }
}

fn assert_block(tensor: &Tensor) {
    assert!(
        tensor.device() == Device::Cpu && tensor.is_contiguous(),
        "Gloo adds up contiguous tensors of the CPU"
    );
}

/// The address of this machine that packets to `host` would come from. No packet is sent.
fn address_towards(host: &str, port: u16) -> Result<String> {
    let found = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect((host, port))?;
        socket.local_addr()
    });
    match found {
        Ok(address) => Ok(address.ip().to_string()),
        Err(error) => Err(Error::user(format!("{host}:{port} cannot be reached: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use tch::Kind;

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// What `work` gives on each of `size` ranks, which are threads.
    fn ranks<T: Send>(size: usize, work: impl Fn(usize, ProcessGroup) -> T + Sync) -> Vec<T> {
        let port = free_port();
        std::thread::scope(|scope| {
            let work = &work;
            let join = move |rank| ProcessGroup::join(rank, size, "127.0.0.1", port, Duration::from_secs(20));
            let started: Vec<_> =
                (0..size).map(|rank| scope.spawn(move || work(rank, join(rank).unwrap()))).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn ranks_add_up_and_take_over_what_rank_0_has() {
        for size in [1, 2, 3] {
            let found = ranks(size, |rank, group| {
                let mut sum = Tensor::full([3], rank as f64 + 1.0, (Kind::Double, Device::Cpu));
                group.sum(&mut sum).unwrap();
                let mut taken = Tensor::full([2], rank as f64 + 7.0, (Kind::Float, Device::Cpu));
                group.broadcast(&mut taken).unwrap();
                (Vec::<f64>::try_from(sum).unwrap(), Vec::<f32>::try_from(taken).unwrap())
            });
            let sum = (size * (size + 1) / 2) as f64;
            assert!(found.iter().all(|found| *found == (vec![sum; 3], vec![7.0; 2])), "{size}: {found:?}");
        }
    }

    #[test]
    fn a_rank_that_left_is_an_error_and_no_wait() {
        let found = ranks(2, |rank, group| {
            let mut tensor = Tensor::ones([3], (Kind::Float, Device::Cpu));
            (rank == 0).then(|| group.sum(&mut tensor).unwrap_err().to_string())
        });
        assert!(found[0].as_ref().unwrap().contains("by peer"), "{found:?}");
    }

    #[test]
    fn who_never_comes_is_waited_for_until_the_time_is_up() {
        let error =
            ProcessGroup::join(0, 2, "127.0.0.1", free_port(), Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(ProcessGroup::join(0, 2, "no such host", 1, Duration::from_millis(300)).is_err());
    }
}
