// The graph of operations that autograd records.
#include "shim.hpp"

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using torch::autograd::Node;

// Leaves, which collect gradients, do not count as operations.
int64_t weight(const Node* node) {
  return node->name().find("AccumulateGrad") == std::string::npos ? 1 : 0;
}

// Without recursion: a chain may be longer than the stack is deep.
int64_t longest_chain(Node* root) {
  std::unordered_map<const Node*, int64_t> known;
  // A node and the number of its edges that were visited.
  std::vector<std::pair<Node*, size_t>> open;
  if (root) open.emplace_back(root, 0);
  while (!open.empty()) {
    auto& [node, seen] = open.back();
    if (seen < node->next_edges().size()) {
      Node* next = node->next_edges()[seen++].function.get();
      if (next && known.find(next) == known.end()) open.emplace_back(next, 0);
      continue;
    }
    int64_t behind = 0;
    for (const auto& edge : node->next_edges()) {
      if (edge.function) behind = std::max(behind, known.at(edge.function.get()));
    }
    known[node] = weight(node) + behind;
    open.pop_back();
  }
  return root ? known.at(root) : 0;
}

}  // namespace

extern "C" {

int ablate_longest_chain(const at::Tensor* tensor, int64_t* out) {
  return ablate::guarded([&] { *out = longest_chain(tensor->grad_fn().get()); });
}

}  // extern "C"
