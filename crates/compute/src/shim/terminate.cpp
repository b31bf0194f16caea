// Uncaught exceptions for lack of memory, for example in a thread of libtorch: the process ends with the exit code for
// lack of memory instead of SIGABRT.
#include "shim.hpp"

#include <cstring>
#include <new>

#include <unistd.h>

namespace {

std::terminate_handler usual = nullptr;
int exit_code = 0;

bool is_for_lack_of_memory(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::exception& error) {
    return std::strstr(error.what(), "allocate memory") || std::strstr(error.what(), "out of memory");
  } catch (...) {
    return false;
  }
}

[[noreturn]] void terminate() {
  const std::exception_ptr exception = std::current_exception();
  if (exception && is_for_lack_of_memory(exception)) {
    constexpr char line[] = "error: out of memory in a thread of a library\n";
    if (write(STDERR_FILENO, line, sizeof line - 1)) {}
    _exit(exit_code);
  }
  usual();
  std::abort();
}

}  // namespace

// From now on, such an exception ends the process with this exit code.
extern "C" void ablate_end_where_memory_runs_out(int code) {
  exit_code = code;
  usual = std::set_terminate(terminate);
}
