// Memory of tensors on the CPU, as libtorch's allocator reports it to the profiler.
#include "shim.hpp"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace {

class TensorMemory final : public c10::MemoryReportingInfoBase {
 public:
  // `size` is negative for freed memory. Threads that compute a part of an operation report here as well.
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device device) override {
    if (!device.is_cpu()) return;
    int64_t now = current_.fetch_add(size) + size, known = peak_.load();
    while (now > known && !peak_.compare_exchange_weak(known, now)) {
    }
  }

  bool memoryProfilingEnabled() const override { return true; }

  int64_t peak() const { return peak_.load(); }

 private:
  std::atomic<int64_t> current_{0}, peak_{0};
};

// Counts on the thread that created it, until it is destroyed.
struct Counting {
  std::shared_ptr<TensorMemory> memory = std::make_shared<TensorMemory>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, memory};
};

}  // namespace

extern "C" {

int ablate_count_memory(Counting** out) {
  return ablate::guarded([&] { *out = new Counting; });
}

// Returns the peak in bytes since the counting began.
int ablate_counted_peak(const Counting* counting, int64_t* peak) {
  return ablate::guarded([&] { *peak = counting->memory->peak(); });
}

int ablate_end_counting(Counting* counting) {
  return ablate::guarded([&] { delete counting; });
}

}  // extern "C"
