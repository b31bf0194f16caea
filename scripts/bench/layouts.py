#!/usr/bin/env python3
"""Products of matrices with the two layouts of a weight: where their bits are equal, and which of them is faster.

    pip install torch==2.11.0
    python3 scripts/bench/layouts.py [--threads 1]

For each width of the input: the most rows with which the products by W kept row by row and column by column differ in a bit,
over outputs of several widths, and whether parts of many rows have the bits of all rows at once. Then the time by rows over
the time by columns for some numbers of rows. crates/compute/src/model/matrix.rs keeps a second layout where bits are equal.
MKL takes the kernels that it takes in ablate.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROWS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 15, 16, 17, 20, 24, 31, 32, 33, 48, 64, 80, 100, 128, 160, 200, 255, 256, 300, 512]
INPUTS = [16, 32, 64, 96, 128, 192, 256, 384, 512, 640, 768, 1024, 1536, 2048]
OUTPUTS = [24, 64, 128, 256, 512, 1000, 2515, 4000]
MANY_ROWS = 1500
PARTS = [16, 33, 64, 100, 256, 512]
MOST_PRODUCTS = 3e9
TIMED_SHAPES = [(128, 128), (128, 512), (256, 256), (256, 1024), (256, 4000), (512, 512), (512, 2048)]
TIMED_ROWS = [16, 64, 128, 256, 512]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if "ABLATE_KERNELS" not in os.environ:
        start_again_with_kernels()

    import torch
    from torch.nn.functional import linear

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    def weight_in_both(outputs, inputs):
        weight = torch.randn(outputs, inputs) * 0.1
        return weight, weight.t().contiguous().t()

    print("inputs   most rows that differ, by outputs " + str(OUTPUTS) + "   parts differ")
    for inputs in INPUTS:
        most, parts_differ = [], set()
        for outputs in OUTPUTS:
            layouts = weight_in_both(outputs, inputs)
            differ = [0]
            for rows in ROWS:
                x = torch.randn(rows, inputs)
                by_rows, by_columns = (linear(x, weight) for weight in layouts)
                differ += [] if torch.equal(by_rows, by_columns) else [rows]
            most.append(max(differ))
            if MANY_ROWS * inputs * outputs > MOST_PRODUCTS:
                continue
            x = torch.randn(MANY_ROWS, inputs)
            for weight in layouts:
                whole = linear(x, weight)
                for size in PARTS:
                    parts = torch.cat([linear(part, weight) for part in x.split(size)])
                    last = MANY_ROWS % size
                    if not torch.equal(whole, parts):
                        parts_differ.add(f"{size} + {last}" if last else str(size))
        print(f"{inputs:6}   {most}   {', '.join(sorted(parts_differ)) or 'no'}", flush=True)

    def median_time(x, weight):
        repeats = max(3, int(1e8 / (x.shape[0] * weight.numel())))
        times = []
        for _ in range(9):
            start = time.perf_counter()
            for _ in range(repeats):
                linear(x, weight)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    print(f"\ntime by rows over time by columns, {arguments.threads} threads; rows {TIMED_ROWS}")
    for inputs, outputs in TIMED_SHAPES:
        by_rows, by_columns = weight_in_both(outputs, inputs)
        ratios = []
        for rows in TIMED_ROWS:
            x = torch.randn(rows, inputs)
            ratios.append(f"{median_time(x, by_rows) / median_time(x, by_columns):.2f}")
        print(f"{inputs} to {outputs}: {', '.join(ratios)}", flush=True)


def start_again_with_kernels():
    """Runs this program once more with the answer of crates/compute/src/mkl.rs."""
    from train_speed import preload

    with tempfile.TemporaryDirectory() as folder:
        preload(Path(folder))
        environment = os.environ | {"ABLATE_KERNELS": "1", "LD_PRELOAD": str(Path(folder) / "libmkl_any.so")}
        sys.exit(os.spawnve(os.P_WAIT, sys.executable, [sys.executable, *sys.argv], environment))


if __name__ == "__main__":
    main()
