// Memory of a GPU as counted by libtorch's allocator, page-locked memory, and settings of kernels.
#include "shim.hpp"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

extern "C" {

// Bytes of tensors now, their peak, and the peak of the allocator's own reserve.
int ablate_card_memory(int index, int64_t* current, int64_t* peak, int64_t* reserved) {
  return ablate::guarded([&] {
    auto stats = at::accelerator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
    // The first entry of each array counts blocks of all sizes together.
    *current = stats.allocated_bytes[0].current;
    *peak = stats.allocated_bytes[0].peak;
    *reserved = stats.reserved_bytes[0].peak;
  });
}

// Resets the peaks.
int ablate_forget_card_peak(int index) {
  return ablate::guarded([&] {
    at::accelerator::emptyCache();
    at::accelerator::resetPeakStats(static_cast<c10::DeviceIndex>(index));
  });
}

// Copies a tensor into page-locked memory.
int ablate_pin(const at::Tensor* tensor, at::Tensor** out) {
  return ablate::guarded([&] { *out = new at::Tensor(tensor->pin_memory()); });
}

// cuDNN's attention makes a new plan for each shape of a batch, and shapes of sentences vary. TF32 has 10 bits of mantissa,
// float32 has 23. libtorch allows TF32 to cuDNN's convolutions and recurrent layers by default, and to matrix products if
// TORCH_ALLOW_TF32_CUBLAS_OVERRIDE is set, as it is in NVIDIA's containers.
int ablate_choose_card_kernels() {
  return ablate::guarded([&] {
    auto& context = at::globalContext();
    context.setSDPUseCuDNN(false);
    context.setAllowTF32CuDNN(false);
    context.setAllowTF32CuBLAS(false);
  });
}

// Returns 1 if any kernel of a GPU may compute float32 in TF32.
int ablate_card_may_use_tf32(bool* may) {
  return ablate::guarded([&] {
    auto& context = at::globalContext();
    *may = context.allowTF32CuDNN(at::Float32Op::CONV) || context.allowTF32CuDNN(at::Float32Op::RNN) ||
        context.allowTF32CuBLAS();
  });
}

}  // extern "C"
