"""Spans of self-attention (`model.attention.span`): masks over all pairs, which are the definition, and the same
attention in blocks, whose operations `check_flops.py` counts.

The random blocks of BigBird are those of `ablate`: a function of the seed, the path of the layer and the number of
blocks of a sentence, through SplitMix64 and BLAKE3.
"""

import math

import torch
from torch.nn import functional as F

MASK = 2**64 - 1
WINDOW = 3


def mix(value):
    """SplitMix64's output function with its increment."""
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def blake3_first_64_bits(text):
    """Returns the first 64 bits of BLAKE3 of a text of at most 64 bytes: one block, the root."""
    data = text.encode()
    assert len(data) <= 64
    iv = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
    order = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
    padded = data.ljust(64, b"\0")
    words = [int.from_bytes(padded[i : i + 4], "little") for i in range(0, 64, 4)]
    start, end, root = 1, 2, 8
    state = iv + iv[:4] + [0, 0, len(data), start | end | root]
    turn = lambda value, bits: ((value >> bits) | (value << (32 - bits))) & 0xFFFFFFFF  # noqa: E731

    def quarter(a, b, c, d, x, y):
        for word, first, second in ((x, 16, 12), (y, 8, 7)):
            state[a] = (state[a] + state[b] + word) & 0xFFFFFFFF
            state[d] = turn(state[d] ^ state[a], first)
            state[c] = (state[c] + state[d]) & 0xFFFFFFFF
            state[b] = turn(state[b] ^ state[c], second)

    for _ in range(7):
        columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
        diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
        for index, places in enumerate(columns + diagonals):
            quarter(*places, words[2 * index], words[2 * index + 1])
        words = [words[i] for i in order]
    return (state[0] ^ state[8]) | ((state[1] ^ state[9]) << 32)


def stream(seed, path):
    """src/seed.rs: derive(seed, Purpose::RandomBlocks, place(path))."""
    purpose = 8
    salted = mix(seed ^ 0x61626C6174650001) ^ ((purpose * 0xD6E8FEB86659FD93) & MASK)
    return mix((mix(salted) + blake3_first_64_bits(path)) & MASK)


def random_blocks(of_layer, own, blocks, count, first):
    """`count` of the blocks from `first` on that are not in the window of `own`, by Floyd's sample."""
    others = [block for block in range(first, blocks) if abs(block - own) > 1]
    draws, chosen = mix(of_layer ^ mix(own)), []
    for draw, last in enumerate(range(max(len(others) - count, 0), len(others))):
        index = mix((draws + draw) & MASK) % (last + 1)
        chosen.append(last if index in chosen else index)
    return [others[index] for index in chosen]


def seen_blocks(span, of_layer, own, blocks):
    """The blocks that block `own` of a sentence of `blocks` sees; global blocks see all."""
    first = span["global"]
    if own < first:
        return set(range(blocks))
    window = {block for block in (own - 1, own, own + 1) if first <= block < blocks}
    return set(range(min(first, blocks))) | window | set(random_blocks(of_layer, own, blocks, span["random"], first))


def visible(span, length, real, causal, of_layer):
    """[B, 1, T, T]: the pairs that a span shows. `real` [B, T]. Every position sees itself."""
    place = torch.arange(length)
    offset = place[None, :] - place[:, None]
    if "local" in span:
        width = span["local"]
        before = width - 1 if causal else width // 2
        shown = ((offset >= -before) & (offset <= width - 1 - before)).expand(real.size(0), -1, -1)
    else:
        span = span["big_bird"]
        size = span["block"]
        shown = torch.zeros(real.size(0), length, length, dtype=torch.bool)
        for row, tokens in enumerate(real.sum(1).tolist()):
            blocks = -(-tokens // size)
            for own in range(blocks):
                for block in seen_blocks(span, of_layer, own, blocks):
                    shown[row, own * size : (own + 1) * size, block * size : (block + 1) * size] = True
    return (shown & real[:, None, :] | (offset == 0))[:, None]


def blocks_of_local(width, causal, score, queries, keys, values):
    """Attention of unpadded rows to a neighbourhood, in blocks of `width` queries with 2 · width - 1 keys."""
    length, window = queries.size(2), 2 * width - 1
    before = width - 1 if causal else width // 2
    blocks = -(-length // width)
    rest = blocks * width - length
    cut = lambda x: F.pad(x, (0, 0, before, rest + width - 1 - before)).unfold(2, window, width).mT  # noqa: E731
    own = F.pad(queries, (0, 0, 0, rest)).unflatten(2, (blocks, width))
    places = torch.arange(blocks)[:, None] * width
    key = (places + torch.arange(window) - before)[:, None, :]
    query = (places + torch.arange(width))[:, :, None]
    near = (key - query >= -before) & (key - query <= width - 1 - before) & (key >= 0) & (key < length)
    scores = score(own, cut(keys)).masked_fill(~(near | (key == query)), -math.inf)
    return (scores.softmax(-1) @ cut(values)).flatten(2, 3)[:, :, :length]


def blocks_of_big_bird(span, of_layer, score, queries, keys, values):
    """Attention of unpadded rows of whole blocks to global, neighbouring and random blocks."""
    size, first = span["block"], span["global"]
    blocks, slots = queries.size(2) // size, span["global"] + WINDOW + span["random"]
    seen = [sorted(seen_blocks(span, of_layer, own, blocks)) for own in range(first, blocks)]
    index = torch.tensor([row + [0] * (slots - len(row)) for row in seen])
    counts = torch.tensor([[True] * len(row) + [False] * (slots - len(row)) for row in seen])
    cut = lambda x: x.unflatten(2, (blocks, size))[:, :, index].flatten(3, 4)  # noqa: E731
    own = queries.unflatten(2, (blocks, size))[:, :, first:]
    hidden = ~counts.repeat_interleave(size, 1)[:, None]
    mixed = (score(own, cut(keys)).masked_fill(hidden, -math.inf).softmax(-1) @ cut(values)).flatten(2, 3)
    if first == 0:
        return mixed
    everything = score(queries[:, :, : first * size], keys).softmax(-1) @ values
    return torch.cat([everything, mixed], 2)
