#pragma once

#include <memory>

namespace gloo::transport {

// Held by shared and unique pointers alone.
class Device;

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};

}  // namespace gloo::transport
