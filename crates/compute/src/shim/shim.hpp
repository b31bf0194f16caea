// Shared by the files of the shim. Each function that Rust calls is `extern "C"` and begins with `ablate_`. One that can
// meet an exception runs its work in `guarded`, which returns 0, or -1 after an exception: none passes into Rust.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

namespace ablate {

// The message of the last exception of this thread.
inline thread_local std::string last_error;

template <class Work>
int guarded(Work&& work) noexcept {
  try {
    work();
    return 0;
  } catch (const c10::Error& error) {
    last_error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "an exception of unknown type";
  }
  return -1;
}

}  // namespace ablate
