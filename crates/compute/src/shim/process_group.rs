//! Sums of tensors over processes, by libtorch's c10d over Gloo.

use super::{check, in_time};
use crate::error::{Error, Result};
use crate::world::World;
use std::ffi::{CString, c_char, c_int, c_void};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn ablate_group_join(
        rank: c_int,
        size: c_int,
        serves: c_int,
        host: *const c_char,
        port: u16,
        prefix: *const c_char,
        own: *const c_char,
        is_interface: c_int,
        timeout_ms: i64,
        group: *mut *mut c_void,
    ) -> c_int;
    fn ablate_group_leave(group: *mut c_void);
    fn ablate_group_sum(group: *mut c_void, tensor: *mut C_tensor) -> c_int;
    fn ablate_group_broadcast(group: *mut c_void, tensor: *mut C_tensor) -> c_int;
}

/// Environment variable that names the network interface to use, as for torch's own processes.
const INTERFACE: &str = "GLOO_SOCKET_IFNAME";

/// Additional time after the patience in which c10d itself may report the missing rank.
const GRACE: Duration = Duration::from_secs(1);

/// This process's membership in a group that does the same operations in the same order. Dropping it closes the
/// connections, which the other processes notice at once.
#[derive(Debug)]
pub struct ProcessGroup {
    handle: *mut c_void,
}

// SAFETY: c10d lets any thread use a group, one at a time.
unsafe impl Send for ProcessGroup {}

impl ProcessGroup {
    /// Meets the other ranks at the address in `world`. No rank waits longer than its patience for another, neither
    /// here nor in an operation.
    ///
    /// # Errors
    /// If a rank does not come in time or the address cannot be used.
    pub fn join(world: &World) -> Result<Self> {
        let late = || {
            format!(
                "no rank answered in {} s; what listens there may be another program, or a rank that hangs",
                world.patience.as_secs()
            )
        };
        // c10d waits forever for an answer from the address, even if another program listens there.
        let meeting = world.clone();
        in_time(world.patience + GRACE, late, move || ProcessGroup::connect(&meeting))
    }

    fn connect(world: &World) -> Result<Self> {
        let World { rank, size, ref host, port, served, restarts, patience, .. } = *world;
        let (own, is_interface) = match std::env::var(INTERFACE) {
            Ok(name) => (name, true),
            Err(_) => (address_towards(host, port)?, false),
        };
        let text = |text: &str| {
            CString::new(text).map_err(|_| Error::user(format!("{text:?} is no name of a host or interface")))
        };
        // A store that outlives the ranks still has the keys of earlier ranks.
        let (host, own, prefix) = (text(host)?, text(&own)?, text(&format!("ablate/{restarts}"))?);
        let mut handle = std::ptr::null_mut();
        // SAFETY: the texts outlive the call, which writes the handle where it succeeds.
        check(unsafe {
            ablate_group_join(
                rank as c_int,
                size as c_int,
                (rank == 0 && !served).into(),
                host.as_ptr(),
                port,
                prefix.as_ptr(),
                own.as_ptr(),
                is_interface.into(),
                patience.as_millis() as i64,
                &mut handle,
            )
        })?;
        Ok(ProcessGroup { handle })
    }

    /// Replaces the tensor by the sum over all ranks' tensors of this shape and kind; the same bits on every rank.
    ///
    /// # Errors
    /// If a rank closed its connection or did not come in time. The group is unusable afterwards.
    ///
    /// # Panics
    /// If the tensor is not one contiguous block in the memory of the processor.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        assert_block(tensor);
        // SAFETY: both pointers are valid for the call, which ends when the operation did.
        check(unsafe { ablate_group_sum(self.handle, tensor.as_mut_ptr()) })
    }

    /// Replaces the tensor by that of rank 0.
    ///
    /// # Errors
    /// Like [`ProcessGroup::sum`].
    ///
    /// # Panics
    /// Like [`ProcessGroup::sum`].
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

/// Returns the source address that packets from this machine to `host` would have. No packet is sent.
fn address_towards(host: &str, port: u16) -> Result<String> {
    let found = (host, port).to_socket_addrs().and_then(|mut addresses| {
        let there = addresses.next().ok_or_else(|| std::io::Error::other("it has no address"))?;
        from_here(there)
    });
    match found {
        // Debian gives a machine's own name to loopback, which other machines cannot reach.
        Ok(address) if address.is_loopback() && !is_loopback(host) => {
            // No machine has this address (RFC 5737), so the default route leads to it.
            let outward = from_here(SocketAddr::from(([192, 0, 2, 1], 9)));
            Ok(outward.unwrap_or(address).to_string())
        }
        Ok(address) => Ok(address.to_string()),
        Err(error) => Err(Error::user(format!("{host}:{port} cannot be reached: {error}"))),
    }
}

/// Returns the source address that packets from this machine to `there` would have.
fn from_here(there: SocketAddr) -> std::io::Result<IpAddr> {
    let socket = UdpSocket::bind(if there.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(there)?;
    Ok(socket.local_addr()?.ip())
}

/// Returns whether this name of a host is valid only on the host itself.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn loopback_is_used_where_it_is_asked_for() {
        for host in ["localhost", "127.0.0.1"] {
            let found: IpAddr = address_towards(host, 9).unwrap().parse().unwrap();
            assert!(found.is_loopback() && is_loopback(host), "{host}: {found}");
        }
        assert!(!is_loopback("node-1") && !is_loopback("192.0.2.1"));
    }
    use std::time::Instant;
    use tch::Kind;

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn world(rank: usize, size: usize, port: u16, patience: Duration) -> World {
        let (host, served) = ("127.0.0.1".to_string(), false);
        World { rank, size, local_rank: rank, host, port, served, restarts: 0, patience }
    }

    /// Returns the result of `work` on each of `size` ranks, which are threads.
    fn ranks<T: Send>(size: usize, work: impl Fn(usize, ProcessGroup) -> T + Sync) -> Vec<T> {
        let port = free_port();
        std::thread::scope(|scope| {
            let work = &work;
            let join = move |rank| ProcessGroup::join(&world(rank, size, port, Duration::from_secs(20)));
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
            // A rank must not leave before the others have joined.
            group.sum(&mut tensor).unwrap();
            (rank == 0).then(|| group.sum(&mut tensor).unwrap_err().to_string())
        });
        assert!(found[0].as_ref().unwrap().contains("by peer"), "{found:?}");
    }

    #[test]
    fn who_never_comes_is_waited_for_until_the_time_is_up() {
        let alone = world(0, 2, free_port(), Duration::from_millis(300));
        let error = ProcessGroup::join(&alone).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let begun = Instant::now();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let beside = World { rank: 1, port: silent.local_addr().unwrap().port(), ..alone.clone() };
        let error = ProcessGroup::join(&beside).unwrap_err();
        assert!(error.to_string().contains("no rank answered in"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        let nowhere = World { host: "no such host".into(), ..alone };
        assert_eq!(ProcessGroup::join(&nowhere).unwrap_err().exit_code(), 2);
    }
}
