// Collective operations of libtorch's c10d over Gloo, on tensors in CPU memory.
#include "shim.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstdint>
#include <vector>

namespace {

// The store outlives the group: rank 0 serves it to all others.
struct Group {
  c10::intrusive_ptr<c10d::TCPStore> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

}  // namespace

extern "C" {

// Meets the other ranks at host:port, where the one that `serves` listens, under keys that begin with `prefix`, and
// connects to each of them. `own` is this machine's name or address towards them, or if `is_interface` the name of a
// network interface. `timeout_ms` is the longest wait for another rank, here and in every operation.
int ablate_group_join(int rank, int size, int serves, const char* host, uint16_t port, const char* prefix,
                      const char* own, int is_interface, int64_t timeout_ms, void** group) {
  return ablate::guarded([&] {
    using c10d::ProcessGroupGloo;
    const std::chrono::milliseconds timeout(timeout_ms);
    c10d::TCPStoreOptions meeting;
    meeting.port = port;
    meeting.isServer = serves;
    meeting.numWorkers = size;
    meeting.timeout = timeout;
    auto store = c10::make_intrusive<c10d::TCPStore>(host, meeting);
    auto options = ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(is_interface ? ProcessGroupGloo::createDeviceForInterface(own)
                                            : ProcessGroupGloo::createDeviceForHostname(own));
    options->threads = 1;
    auto prefixed = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
    auto gloo = c10::make_intrusive<ProcessGroupGloo>(prefixed, rank, size, options);
    *group = new Group{store, gloo};
  });
}

void ablate_group_leave(void* group) {
  ablate::guarded([&] { delete static_cast<Group*>(group); });
}

// Replaces a tensor by its sum over all ranks; the same bits on every rank.
int ablate_group_sum(void* group, at::Tensor* tensor) {
  return ablate::guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    static_cast<Group*>(group)->gloo->allreduce(tensors)->wait();
  });
}

// Copies the tensor of rank 0 into the tensor of every other rank.
int ablate_group_broadcast(void* group, at::Tensor* tensor) {
  return ablate::guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    static_cast<Group*>(group)->gloo->broadcast(tensors)->wait();
  });
}

}  // extern "C"
