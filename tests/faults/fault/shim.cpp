// Faults at chosen places of a program's work on files, for tests: loaded with LD_PRELOAD.
//
// Counts the calls that change files below FAULT_DIR in processes one of whose words is FAULT_IN. Each is a
// line `call path` of FAULT_LOG. At call number FAULT_AT (from 1) of those whose line matches FAULT_PLACE, a
// pattern as of file names, it does FAULT_DO, once over all processes: the first creates FAULT_MARK, which
// then holds the line.
//
//   before   dies by SIGKILL before the call
//   half     dies by SIGKILL after half of the bytes were written (other calls: before)
//   after    dies by SIGKILL after the call
//   enospc   the call writes half of its bytes and fails for lack of space; the next works again
//   term     sends itself SIGTERM before the call
//   twice    sends itself SIGTERM twice before the call
//   hangup   sends itself SIGHUP three times before the call
//   throw    a thread of its own throws std::bad_alloc before the call, which is not caught
//   full     the same as enospc, and every later call that needs space fails until FAULT_MARK is removed
//
// FAULT_CLOCK shifts the wall clock of every process by its value in seconds.

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <atomic>
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <new>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace {

enum class Fault { None, Before, Half, After, NoSpace };

std::atomic<long> counter{0};

template <typename F> F real(const char *name) { return reinterpret_cast<F>(dlsym(RTLD_NEXT, name)); }

const char *setting(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

// Whether this process is one of those that FAULT_IN names; children inherit the environment.
bool concerned() {
  static const bool answer = [] {
    char words[4096] = {0};
    int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY));
    if (file < 0) return false;
    ssize_t length = syscall(SYS_read, file, words, sizeof words - 1);
    syscall(SYS_close, file);
    for (ssize_t at = 0; at < length; at += static_cast<ssize_t>(strlen(words + at)) + 1)
      if (!strcmp(words + at, setting("FAULT_IN"))) return true;
    return false;
  }();
  return answer;
}

bool watched(const char *path) {
  const char *dir = setting("FAULT_DIR");
  return *dir && !strncmp(path, dir, strlen(dir));
}

// The path of an open file, or of a name relative to the working directory.
void path_of(int file, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = 0;
}

void path_of(const char *name, char *path) {
  if (name[0] == '/') {
    snprintf(path, PATH_MAX, "%s", name);
  } else if (char folder[PATH_MAX]; getcwd(folder, sizeof folder)) {
    snprintf(path, PATH_MAX, "%.2000s/%.2000s", folder, name);
  } else {
    path[0] = 0;
  }
}

bool disk_is_full() {
  return !strcmp(setting("FAULT_DO"), "full") && !access(setting("FAULT_MARK"), F_OK);
}

// Writes a line in one piece and closes the file.
void put_line(int file, const char *line, int length) {
  iovec parts[] = {{const_cast<char *>(line), static_cast<size_t>(length)}, {const_cast<char *>("\n"), 1}};
  syscall(SYS_writev, file, parts, 2);
  syscall(SYS_close, file);
}

// Returns the fault to cause at this call; `needs_space` says whether a full disk refuses the call.
Fault crossing(const char *call, const char *path, bool needs_space) {
  if (!watched(path)) return Fault::None;
  if (needs_space && disk_is_full()) return Fault::NoSpace;
  if (!concerned()) return Fault::None;
  char line[PATH_MAX + 32];
  int length = snprintf(line, sizeof line, "%s %s", call, path + strlen(setting("FAULT_DIR")));
  if (*setting("FAULT_LOG")) {
    int log = static_cast<int>(syscall(SYS_openat, AT_FDCWD, setting("FAULT_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644));
    put_line(log, line, length);
  }
  const char *kind = setting("FAULT_DO");
  if (!*kind || fnmatch(setting("FAULT_PLACE"), line, 0)) return Fault::None;
  if (++counter != atol(setting("FAULT_AT"))) return Fault::None;
  int mark = static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, setting("FAULT_MARK"), O_WRONLY | O_CREAT | O_EXCL, 0644));
  if (mark < 0) return Fault::None;
  put_line(mark, line, length);
  bool twice = !strcmp(kind, "twice");
  if (twice || !strcmp(kind, "term")) {
    kill(getpid(), SIGTERM);
    if (twice) kill(getpid(), SIGTERM);
    return Fault::None;
  }
  if (!strcmp(kind, "hangup")) {
    for (int times = 0; times < 3; ++times) kill(getpid(), SIGHUP);
    return Fault::None;
  }
  if (!strcmp(kind, "throw")) std::thread([] { throw std::bad_alloc(); }).join();
  if (!strcmp(kind, "before")) return Fault::Before;
  if (!strcmp(kind, "half")) return Fault::Half;
  if (!strcmp(kind, "after")) return Fault::After;
  return needs_space ? Fault::NoSpace : Fault::None;
}

void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// A call that no fault can leave half done.
template <typename Call> auto whole(Fault fault, Call call) -> decltype(call()) {
  if (fault == Fault::Before || fault == Fault::Half) die();
  if (fault == Fault::NoSpace) {
    errno = ENOSPC;
    return -1;
  }
  auto result = call();
  if (fault == Fault::After) die();
  return result;
}

using Write = ssize_t (*)(int, const void *, size_t);

// Writes half of the bytes where the fault wants that. A short count makes the caller come back with the rest,
// so the error is given at once: the caller cannot know what reached the file, as on a disk that filled up.
ssize_t written(Fault fault, int file, const void *bytes, size_t length) {
  auto write = real<Write>("write");
  if (fault == Fault::Half || fault == Fault::NoSpace) write(file, bytes, length / 2);
  if (fault == Fault::Half) die();
  return whole(fault, [&] { return write(file, bytes, length); });
}

int opened(const char *symbol, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  path_of(name, path);
  bool creates = flags & O_CREAT;
  Fault fault = creates ? crossing("create", path, true) : Fault::None;
  return whole(fault, [&] { return real<int (*)(const char *, int, ...)>(symbol)(name, flags, mode); });
}

template <typename Named> int on_file(const char *call, int file, Named act, bool needs_space) {
  char path[PATH_MAX];
  path_of(file, path);
  return whole(crossing(call, path, needs_space), act);
}

}  // namespace

extern "C" {

ssize_t write(int file, const void *bytes, size_t length) {
  char path[PATH_MAX];
  path_of(file, path);
  return written(crossing("write", path, true), file, bytes, length);
}

ssize_t writev(int file, const iovec *parts, int count) {
  char path[PATH_MAX];
  path_of(file, path);
  Fault fault = crossing("write", path, true);
  if ((fault == Fault::Half || fault == Fault::NoSpace) && count > 0)
    return written(fault, file, parts[0].iov_base, parts[0].iov_len);
  return whole(fault, [&] { return real<ssize_t (*)(int, const iovec *, int)>("writev")(file, parts, count); });
}

int open64(const char *name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened("open64", name, flags, mode);
}

int rename(const char *from, const char *to) noexcept {
  char path[PATH_MAX];
  path_of(to, path);
  return whole(crossing("rename", path, false), [&] { return real<int (*)(const char *, const char *)>("rename")(from, to); });
}

int unlink(const char *name) noexcept {
  char path[PATH_MAX];
  path_of(name, path);
  return whole(crossing("unlink", path, false), [&] { return real<int (*)(const char *)>("unlink")(name); });
}

int mkdir(const char *name, mode_t mode) noexcept {
  char path[PATH_MAX];
  path_of(name, path);
  return whole(crossing("mkdir", path, true), [&] { return real<int (*)(const char *, mode_t)>("mkdir")(name, mode); });
}

int fsync(int file) {
  return on_file("sync", file, [&] { return real<int (*)(int)>("fsync")(file); }, false);
}

int fdatasync(int file) {
  return on_file("sync", file, [&] { return real<int (*)(int)>("fdatasync")(file); }, false);
}

int ftruncate64(int file, off64_t length) noexcept {
  return on_file("truncate", file, [&] { return real<int (*)(int, off64_t)>("ftruncate64")(file, length); }, false);
}

int clock_gettime(clockid_t clock, timespec *time) noexcept {
  int result = real<int (*)(clockid_t, timespec *)>("clock_gettime")(clock, time);
  if (!result && clock == CLOCK_REALTIME) time->tv_sec += atol(setting("FAULT_CLOCK"));
  return result;
}

}  // extern "C"
