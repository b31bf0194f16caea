"""Reads the token ids of a prepared corpus (docs/architecture.md, Data)."""

import os
import struct


def read_store(path):
    """Returns the token ids of the source and the target sides of a store."""
    source, target, shards = read_shard(path)
    stem = os.fspath(path).removesuffix(".store")
    for number in range(1, shards):
        more = read_shard(f"{stem}.{number}.store")
        source += more[0]
        target += more[1]
    return source, target


def read_shard(path):
    """Returns the two sides in one file of a store, and the number of files of the store."""
    with open(path, "rb") as file:
        content = file.read()
    version, width, pairs, source_ids, target_ids = struct.unpack_from("<IIQQQ", content, 8)
    shards = 1 if version == 1 else struct.unpack_from("<I", content, 108)[0]
    offsets = struct.unpack_from(f"<{2 * (pairs + 1)}Q", content, 128)
    format = f"<{source_ids + target_ids}{'H' if width == 2 else 'I'}"
    ids = struct.unpack_from(format, content, 128 + 16 * (pairs + 1))
    source = [list(ids[a:b]) for a, b in zip(offsets[:pairs], offsets[1 : pairs + 1])]
    ids, offsets = ids[source_ids:], offsets[pairs + 1 :]
    return source, [list(ids[a:b]) for a, b in zip(offsets, offsets[1:])], shards
