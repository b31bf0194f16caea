"""Helpers of the scripts `check_*.py`: their results, in words or as JSON.

With --json a script prints {"checks": [{"what", "peer", "size", "tolerance", "gap", "ok"}]} and nothing else on
standard output: the compared quantity, package and version of the peer, amount of data, largest gap
allowed, largest gap seen. `scripts/parity` makes docs/parity.md of them. Details go to standard error.
"""

import json
import sys
from importlib.metadata import version


def package(*names):
    """Names and versions of installed packages."""
    return ", ".join(f"{name} {version(name)}" for name in names)


def detail(*words):
    """Prints a line that helps to find the cause of a gap."""
    print(*words, file=sys.stderr)


class Checks:
    def __init__(self):
        self.done = []

    def add(self, what, peer, size, gap, tolerance=0):
        # Not `gap > tolerance`, which NaN would pass.
        ok = gap <= tolerance
        self.done.append({"what": what, "peer": peer, "size": size, "tolerance": tolerance, "gap": gap, "ok": ok})

    def finish(self, as_json):
        """Prints the results; returns the exit status."""
        if as_json:
            print(json.dumps({"checks": self.done}, indent=1))
        else:
            for check in self.done:
                verdict = "ok" if check["ok"] else "DIFFERENT"
                print(f"{verdict}: {check['what']} ({check['size']}) and {check['peer']}: gap {check['gap']:.2g}")
        return 0 if all(check["ok"] for check in self.done) else 1
