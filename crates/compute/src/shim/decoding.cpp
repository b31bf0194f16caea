// Kernels of decoding on a CPU: attention of one query a row, and the most probable next tokens.
//
// Callers have checked the shapes, so the only possible failure is a lack of memory: each thread has a few vectors of its
// own, and an exception in a parallel region ends the process (see terminate.cpp). Loops that compute are compiled for
// several instruction sets; the loader chooses the one for the processor.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__) && defined(__gnu_linux__)
#define X86_64_LEVELS
#define FOR_ALL_PROCESSORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_ALL_PROCESSORS
#endif

namespace {

// e^x for x <= 0 to within two units in the last place, 0 below -87. After the range reduction and polynomial of
// Cephes' expf.
inline float exponential(float x) {
  const float clamped = x < -87.0f ? -87.0f : x;
  // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
  const float shifted = clamped * 1.44269504f + 12582912.0f;
  const float power = shifted - 12582912.0f;
  const float rest = clamped - power * 0.693359375f + power * 2.12194440e-4f;
  float sum = 1.9875691500e-4f;
  sum = sum * rest + 1.3981999507e-3f;
  sum = sum * rest + 8.3334519073e-3f;
  sum = sum * rest + 4.1665795894e-2f;
  sum = sum * rest + 1.6666665459e-1f;
  sum = sum * rest + 5.0000001201e-1f;
  sum = sum * rest * rest + rest + 1.0f;
  const int32_t bits = (static_cast<int32_t>(power) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return x < -87.0f ? 0.0f : sum * scale;
}

// Number of partial sums, whatever a register holds, so that numbers are added up in the same order everywhere.
constexpr int64_t LANES = 16;

inline int64_t whole_lanes(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

#define ALWAYS_INLINE inline __attribute__((always_inline))

typedef float Whole __attribute__((vector_size(64)));
typedef float Half __attribute__((vector_size(32)));
typedef float Quarter __attribute__((vector_size(16)));

// The lanes in registers of the type Vector. A vector type that is wider than the processor's registers would go
// through memory at every step.
template <typename Vector>
struct Lanes {
  typedef Vector Unaligned __attribute__((aligned(4), may_alias));
  static constexpr int64_t WIDTH = sizeof(Vector) / sizeof(float), PARTS = LANES / WIDTH;
  Vector parts[PARTS] = {};

  static ALWAYS_INLINE const Unaligned& load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }

  ALWAYS_INLINE void add_products(const float* a, const float* b) {
#pragma GCC unroll 4
    for (int64_t part = 0; part < PARTS; ++part) parts[part] += load(a + part * WIDTH) * load(b + part * WIDTH);
  }

  ALWAYS_INLINE void add_scaled(float factor, const float* a) {
#pragma GCC unroll 4
    for (int64_t part = 0; part < PARTS; ++part) parts[part] += factor * load(a + part * WIDTH);
  }

  ALWAYS_INLINE void store_scaled(float factor, float* to) const {
#pragma GCC unroll 4
    for (int64_t part = 0; part < PARTS; ++part) {
      *reinterpret_cast<Unaligned*>(to + part * WIDTH) = parts[part] * factor;
    }
  }
};

ALWAYS_INLINE float sum_of(const Quarter& sums) { return (sums[0] + sums[2]) + (sums[1] + sums[3]); }

ALWAYS_INLINE float sum_of(const Half& sums) {
  return sum_of(__builtin_shufflevector(sums, sums, 0, 1, 2, 3) + __builtin_shufflevector(sums, sums, 4, 5, 6, 7));
}

ALWAYS_INLINE float sum_of(const Whole& sums) {
  return sum_of(__builtin_shufflevector(sums, sums, 0, 1, 2, 3, 4, 5, 6, 7) +
                __builtin_shufflevector(sums, sums, 8, 9, 10, 11, 12, 13, 14, 15));
}

ALWAYS_INLINE float sum_of(const Lanes<Whole>& lanes) { return sum_of(lanes.parts[0]); }

ALWAYS_INLINE float sum_of(const Lanes<Half>& lanes) { return sum_of(lanes.parts[0] + lanes.parts[1]); }

ALWAYS_INLINE float sum_of(const Lanes<Quarter>& lanes) {
  return sum_of((lanes.parts[0] + lanes.parts[2]) + (lanes.parts[1] + lanes.parts[3]));
}

// One row. `weights` has room for whole_lanes(positions) numbers.
template <typename Vector>
ALWAYS_INLINE void attend_with(const float* query, const float* const* keys, const float* const* values,
                               int64_t positions, int64_t heads, int64_t d_k, int64_t d_v, float scale,
                               float* weights, float* mixed) {
  const int64_t padded = whole_lanes(positions);
  for (int64_t head = 0; head < heads; ++head, query += d_k, mixed += d_v) {
    float largest = -INFINITY;
    for (int64_t position = 0; position < positions; ++position) {
      const float* key = keys[position] + head * d_k;
      Lanes<Vector> products;
      int64_t i = 0;
      for (; i + LANES <= d_k; i += LANES) products.add_products(query + i, key + i);
      float product = sum_of(products);
      for (; i < d_k; ++i) product += query[i] * key[i];
      weights[position] = product * scale;
      largest = weights[position] > largest ? weights[position] : largest;
    }
    // Places behind the last position have weight 0, so that only whole vectors are computed.
    for (int64_t position = positions; position < padded; ++position) weights[position] = -INFINITY;
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t position = 0; position < padded; ++position) {
      weights[position] = exponential(weights[position] - largest);
      sum += weights[position];
    }
    const float share = 1.0f / sum;
    int64_t i = 0;
    for (; i + LANES <= d_v; i += LANES) {
      Lanes<Vector> total;
      for (int64_t position = 0; position < positions; ++position) {
        total.add_scaled(weights[position], values[position] + head * d_v + i);
      }
      total.store_scaled(share, mixed + i);
    }
    for (; i < d_v; ++i) {
      float total = 0.0f;
      for (int64_t position = 0; position < positions; ++position) {
        total += weights[position] * values[position][head * d_v + i];
      }
      mixed[i] = total * share;
    }
  }
}

using Attend = void (*)(const float*, const float* const*, const float* const*, int64_t, int64_t, int64_t, int64_t, float,
                        float*, float*);

// `attend_with` for one kind of processor.
#define ATTEND(name, Vector)                                                                                      \
  void name(const float* query, const float* const* keys, const float* const* values, int64_t positions,          \
            int64_t heads, int64_t d_k, int64_t d_v, float scale, float* weights, float* mixed) {                 \
    attend_with<Vector>(query, keys, values, positions, heads, d_k, d_v, scale, weights, mixed);                  \
  }

ATTEND(attend_by_quarters, Quarter)
#ifdef X86_64_LEVELS
__attribute__((target("arch=x86-64-v3"))) ATTEND(attend_by_halves, Half)
__attribute__((target("arch=x86-64-v4"))) ATTEND(attend_by_wholes, Whole)
#endif

// The variants that this processor can run, the fastest first.
std::vector<Attend> runnable() {
  std::vector<Attend> found;
#ifdef X86_64_LEVELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) found.push_back(attend_by_wholes);
  if (__builtin_cpu_supports("x86-64-v3")) found.push_back(attend_by_halves);
#endif
  found.push_back(attend_by_quarters);
  return found;
}

const std::vector<Attend> attends = runnable();

// Prefetches the vectors that a row will read, which lie in as many tensors as there are positions.
inline void fetch(const float* from, int64_t count) {
  for (int64_t i = 0; i < count; i += LANES) __builtin_prefetch(from + i);
}

constexpr int64_t BLOCK = 64;

FOR_ALL_PROCESSORS
float block_maxima(const float* scores, int64_t columns, float* maxima) {
  float overall = -INFINITY;
  for (int64_t first = 0, block = 0; first < columns; first += BLOCK, ++block) {
    const int64_t end = std::min(first + BLOCK, columns);
    float largest = scores[first];
#pragma omp simd reduction(max : largest)
    for (int64_t i = first; i < end; ++i) largest = scores[i] > largest ? scores[i] : largest;
    maxima[block] = largest;
    overall = std::max(overall, largest);
  }
  return overall;
}

FOR_ALL_PROCESSORS
double sum_of_exponentials(const float* scores, int64_t columns, float largest) {
  double total = 0.0;
  for (int64_t first = 0; first < columns; first += 1024) {
    const int64_t end = std::min<int64_t>(first + 1024, columns);
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = first; i < end; ++i) sum += exponential(scores[i] - largest);
    total += sum;
  }
  return total;
}

}  // namespace

extern "C" {

// Returns the number of variants of ablate_attend_once that this processor can run.
int ablate_attend_variants() { return static_cast<int>(attends.size()); }

// softmax(q Kᵀ · scale) V for each row and head. Variant 0 is the fastest.
//
// queries [rows, heads·d_k]; out [rows, heads·d_v]. Row r sees positions 0 to lengths[r] - 1. Its vector at
// position p is number owners[p][r] of the vectors that begin at keys[p] (values[p]), key_stride (value_stride) apart.
void ablate_attend_once(const float* queries, const float* const* keys, const float* const* values,
                        int64_t key_stride, int64_t value_stride, const int64_t* const* owners,
                        const int64_t* lengths, int64_t rows, int64_t heads, int64_t d_k, int64_t d_v, float scale,
                        float* out, int threads, int variant) {
  const Attend attend = attends[variant];
  int64_t longest = 0;
  for (int64_t row = 0; row < rows; ++row) longest = std::max(longest, lengths[row]);
#pragma omp parallel num_threads(threads) if (rows > 1)
  {
    std::vector<const float*> key(longest), value(longest);
    std::vector<float> weights(whole_lanes(longest));
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t position = 0; position < lengths[row]; ++position) {
        const int64_t owner = owners[position][row];
        key[position] = keys[position] + owner * key_stride;
        value[position] = values[position] + owner * value_stride;
      }
      for (int64_t position = 0; row + 1 < rows && position < lengths[row + 1]; ++position) {
        const int64_t owner = owners[position][row + 1];
        // Rows of one sentence read the same.
        if (position < lengths[row] && owner == owners[position][row]) continue;
        fetch(keys[position] + owner * key_stride, heads * d_k);
        fetch(values[position] + owner * value_stride, heads * d_v);
      }
      attend(queries + row * heads * d_k, key.data(), value.data(), lengths[row], heads, d_k, d_v, scale,
             weights.data(), out + row * heads * d_v);
    }
  }
}

// The `count` largest of the scores first to allowed - 1 of each row, largest first and of equals the smaller column,
// as log-probabilities under the softmax over all columns.
//
// scores [rows, columns]; log_probabilities and ids [rows, count], count <= allowed - first.
void ablate_most_probable(const float* scores, int64_t rows, int64_t columns, int64_t first, int64_t allowed,
                          int64_t count, double* log_probabilities, uint32_t* ids, int threads) {
#pragma omp parallel num_threads(threads) if (rows > 1)
  {
    std::vector<float> maxima((columns + BLOCK - 1) / BLOCK);
    std::vector<float> best(count);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
      const float* of_row = scores + row * columns;
      const float largest = block_maxima(of_row, columns, maxima.data());
      const double normaliser = largest + std::log(sum_of_exponentials(of_row, columns, largest));
      uint32_t* found = ids + row * count;
      int64_t filled = 0;
      for (int64_t block = 0; block * BLOCK < allowed; ++block) {
        // Columns come in ascending order, so an equal one is never better than those already found.
        if (filled == count && maxima[block] <= best[count - 1]) continue;
        const int64_t end = std::min((block + 1) * BLOCK, allowed);
        for (int64_t column = std::max(block * BLOCK, first); column < end; ++column) {
          const float score = of_row[column];
          if (filled == count && score <= best[count - 1]) continue;
          int64_t place = filled < count ? filled++ : count - 1;
          for (; place > 0 && best[place - 1] < score; --place) {
            best[place] = best[place - 1];
            found[place] = found[place - 1];
          }
          best[place] = score;
          found[place] = static_cast<uint32_t>(column);
        }
      }
      for (int64_t place = 0; place < count; ++place) {
        log_probabilities[row * count + place] = static_cast<double>(best[place]) - normaliser;
      }
    }
  }
}

}  // extern "C"
