#include "shim.hpp"

extern "C" const char* ablate_last_error() { return ablate::last_error.c_str(); }
