// Operations on all weights at once: on a GPU, one or a few kernels in place of several per weight.
#include "shim.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <vector>

namespace {

using Pointers = at::Tensor* const*;

std::vector<at::Tensor> list(Pointers tensors, int count) {
  std::vector<at::Tensor> found;
  found.reserve(count);
  for (int i = 0; i < count; i++) found.push_back(*tensors[i]);
  return found;
}

}  // namespace

extern "C" {

// Does update number `step`, counted from 1, of all weights, with one decoupled weight decay for all. No number is copied
// from or to the device.
int ablate_fused_adam(int count, Pointers weights, Pointers gradients, Pointers first, Pointers second, double step,
                      double rate, double beta1, double beta2, double epsilon, double weight_decay) {
  return ablate::guarded([&] {
    at::NoGradGuard no_grad;
    auto parameters = list(weights, count);
    auto options = parameters.at(0).options().dtype(at::kFloat).requires_grad(false);
    std::vector<at::Tensor> steps(count, at::full({}, step, options));
    auto grads = list(gradients, count), means = list(first, count), squares = list(second, count);
    if (weight_decay == 0.0) {
      at::_fused_adam_(parameters, grads, means, squares, {}, steps, rate, beta1, beta2, weight_decay, epsilon,
                       /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adamw_(parameters, grads, means, squares, {}, steps, rate, beta1, beta2, weight_decay, epsilon,
                        /*amsgrad=*/false, /*maximize=*/false);
    }
  });
}

// Computes the Euclidean norm of all numbers of all tensors: a scalar of float64 on their device.
int ablate_joint_norm(int count, Pointers tensors, at::Tensor** out) {
  return ablate::guarded([&] {
    at::NoGradGuard no_grad;
    auto norms = at::_foreach_norm(list(tensors, count), 2);
    *out = new at::Tensor(at::linalg_vector_norm(at::stack(norms).to(at::kDouble)));
  });
}

int ablate_scale_all(int count, Pointers tensors, double factor) {
  return ablate::guarded([&] {
    at::NoGradGuard no_grad;
    at::_foreach_mul_(list(tensors, count), factor);
  });
}

// Removes all gradients. The next backward pass then stores its gradients instead of adding them to zeros.
int ablate_forget_gradients(int count, Pointers weights) {
  return ablate::guarded([&] {
    for (int i = 0; i < count; i++) weights[i]->mutable_grad().reset();
  });
}

}  // extern "C"
