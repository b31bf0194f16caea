"""Helpers of the scripts in this folder and in `bench/` that run other programs."""

import json
import socket
import subprocess
import sys


def output(command, quiet=False, **options):
    """Runs a program that must succeed; returns its standard output. Standard error is shown; if `quiet`, only on failure."""
    command = [str(word) for word in command]
    if quiet:
        options["stderr"] = subprocess.PIPE
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False, **options)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
    if done.returncode != 0:
        said = f":\n{done.stderr.strip()}" if quiet else ""
        sys.exit(f"{' '.join(command)} ended with {done.returncode}{said}")
    return done.stdout


def free_port():
    """Returns a port of this machine on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def toml(value):
    """Returns a value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)
