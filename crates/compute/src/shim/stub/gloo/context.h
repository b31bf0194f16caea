#pragma once

#include <chrono>

namespace gloo {

// Held by shared pointer alone.
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
