"""The Transformer of Vaswani et al. 2017 and its variants in Python torch, out of torch's own modules.

A reference for `make_parity_fixtures.py` and `check_perplexity.py`, and a peer in `bench/train_speed.py`. Written from the
paper's formulas; `MODEL` lists the settings, which mean what `docs/` and `crates/trial/src/model/mod.rs` say.
Names of parameters are those of `ablate` (`Transformer.paths`).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

import torch_spans

PAD, BOS, EOS = 0, 1, 2

# The keys of `[model]`, with small values. None is "absent".
MODEL = {
    "encoder": "self_attention",
    "layers": 1,
    "d_model": 8,
    "d_ff": 16,
    "activation": "relu",
    "feed_forward": True,
    "heads": 2,
    "d_k": None,
    "d_v": None,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "position": "sinusoidal",
    "learned_positions": 16,
    "tying": "all",
    "residual": True,
    "norm": "post",
    "norm_kind": "layer",
    "layer_norm_epsilon": 1e-6,
    "attention_biases": True,
    "embedding_rows": None,
    "embedding_multiple": None,
    "embedding_scale": True,
    "attention": None,
}

# The keys of `[model.attention]`, which "attention" may change.
ATTENTION = {
    "score": "scaled_dot",
    "cross_score": None,
    "projections": "separate",
    "span": "full",
    "decoder_span": None,
}

# Differences from MODEL, and from TRAINING of `make_parity_fixtures.py`, in each golden file that it writes.
CASES = {
    "base": {"layers": 2},
    "one_head": {"heads": 1},
    "d_k_not_d_v": {"d_k": 3, "d_v": 5},
    "heads_not_d_model": {"heads": 3, "d_k": 4, "d_v": 4},
    "learned": {"position": "learned"},
    "halves": {"position": "sinusoidal_halves"},
    "no_positions": {"position": "none"},
    "untied": {"tying": "none"},
    "decoder_tied": {"tying": "decoder"},
    "pre_norm": {"norm": "pre", "layers": 2},
    "no_biases": {"attention_biases": False},
    "padded_rows": {"embedding_rows": 16},
    "no_smoothing": {"label_smoothing": 0.0},
    "more_smoothing": {"label_smoothing": 0.2},
    "epsilon": {"layer_norm_epsilon": 1e-3, "tying": "none", "norm": "pre", "position": "learned"},
    "rms_norm": {"norm_kind": "rms"},
    "rotary": {"position": "rotary", "layers": 2},
    "alibi": {"position": "alibi", "layers": 2},
    "alibi_three_heads": {"position": "alibi", "heads": 3, "d_k": 4, "d_v": 4, "norm": "pre"},
    "rms_pre_norm": {"norm_kind": "rms", "norm": "pre", "layers": 2},
    "gelu": {"activation": "gelu"},
    "swish": {"activation": "swish", "norm": "pre"},
    "glu": {"activation": "glu"},
    "swiglu": {"activation": "swiglu", "layers": 2},
    "geglu": {"activation": "geglu", "norm": "pre", "layers": 2},
    "no_feed_forward": {"feed_forward": False, "layers": 2},
    "no_feed_forward_pre_norm": {"feed_forward": False, "norm": "pre"},
    # In two layers without the connections, gradients are 1e-17 and their digits rounding.
    "no_residual": {"residual": False},
    "no_residual_pre_norm": {"residual": False, "norm": "pre", "activation": "gelu"},
    "attention_alone": {"residual": False, "feed_forward": False},
    "batch_norm": {"norm_kind": "batch", "layers": 2},
    "batch_pre_norm": {"norm_kind": "batch", "norm": "pre", "layer_norm_epsilon": 1e-3},
    "no_norm": {"norm_kind": "none", "layers": 2},
    "relative": {"position": {"relative": 2}, "layers": 2},
    "relative_d_k_not_d_v": {"position": {"relative": 9}, "d_k": 3, "d_v": 5, "norm": "pre"},
    "relative_one_vector": {"position": {"relative": 0}, "heads": 1},
    "t5": {"position": "t5", "layers": 2},
    "t5_three_heads": {"position": "t5", "heads": 3, "d_k": 4, "d_v": 4, "norm": "pre"},
    "score_dot": {"attention": {"score": "dot"}, "layers": 2},
    "score_additive": {"attention": {"score": "additive"}, "layers": 2},
    "score_multiplicative": {"attention": {"score": "multiplicative"}, "layers": 2, "d_k": 3, "d_v": 5},
    "multiplicative_rotary": {"attention": {"score": "multiplicative"}, "position": "rotary"},
    "additive_alibi": {"attention": {"score": "additive"}, "position": "alibi", "norm": "pre"},
    "cross_scaled": {"attention": {"score": "dot", "cross_score": "scaled_dot"}, "d_k": 3, "d_v": 5},
    "cross_dot": {"attention": {"cross_score": "dot"}},
    "cross_additive": {"attention": {"cross_score": "additive"}, "heads": 3, "d_k": 4, "d_v": 4},
    "cross_multiplicative": {"attention": {"cross_score": "multiplicative"}},
    "separate": {"attention": {"projections": "separate"}},
    "shared_query_key": {"attention": {"projections": "shared_query_key"}, "layers": 2},
    "values_only": {"attention": {"projections": "values_only"}, "layers": 2, "d_v": 5},
    "no_projections": {"attention": {"projections": "none"}, "layers": 2},
    "additive_no_projections": {"attention": {"projections": "none", "score": "additive"}, "norm": "pre"},
    "multiplicative_shared": {"attention": {"projections": "shared_query_key", "score": "multiplicative"}},
    "full_spans": {"attention": {"span": "full", "decoder_span": "full"}},
    "local_2": {"attention": {"span": {"local": 2}}, "layers": 2},
    "local_encoder": {"attention": {"span": {"local": 3}, "decoder_span": "full"}, "position": "alibi"},
    "local_decoder": {"attention": {"decoder_span": {"local": 2}}, "position": "rotary", "norm": "pre"},
    "local_decoder_alibi": {"attention": {"decoder_span": {"local": 3}}, "position": "alibi", "layers": 2},
    "local_additive": {"attention": {"span": {"local": 2}, "score": "additive"}, "d_k": 3, "d_v": 5},
    "linformer": {"attention": {"span": {"linformer": 3}}, "layers": 2},
    "linformer_learned": {"attention": {"span": {"linformer": 9}}, "position": "learned", "d_k": 3, "d_v": 5},
    "linformer_additive": {"attention": {"span": {"linformer": 2}, "score": "additive"}, "norm": "pre"},
    "big_bird": {"attention": {"span": {"big_bird": {"block": 1, "random": 1, "global": 1}}}, "layers": 2},
    "big_bird_blocks": {"attention": {"span": {"big_bird": {"block": 2, "random": 0, "global": 0}}}, "layers": 2},
    "big_bird_random": {"attention": {"span": {"big_bird": {"block": 1, "random": 2, "global": 0}}}, "position": "alibi"},
    "big_bird_window": {"attention": {"span": {"big_bird": {"block": 1, "random": 1, "global": 0}}}, "norm": "pre"},
    "big_bird_local": {
        "attention": {"span": {"big_bird": {"block": 1, "random": 1, "global": 1}}, "decoder_span": {"local": 4}},
        "position": "rotary",
    },
    "t5_local": {"position": "t5", "attention": {"span": {"local": 2}}, "layers": 2},
    "t5_big_bird": {"position": "t5", "attention": {"span": {"big_bird": {"block": 1, "random": 1, "global": 1}}}},
    "t5_additive": {"position": "t5", "attention": {"score": "additive"}, "norm": "pre"},
    "relative_dot": {"position": {"relative": 2}, "attention": {"score": "dot"}, "d_k": 3, "d_v": 5},
    "relative_multiplicative": {
        "position": {"relative": 2},
        "attention": {"score": "multiplicative", "projections": "shared_query_key"},
        "layers": 2,
    },
    "relative_values_only": {"position": {"relative": 2}, "attention": {"projections": "values_only"}, "norm": "pre"},
    "relative_no_projections": {"position": {"relative": 2}, "attention": {"projections": "none"}},
    "rotary_dot": {
        "position": "rotary",
        "attention": {"score": "dot", "projections": "shared_query_key", "span": {"local": 2}},
    },
    "rotary_values_only": {
        "position": "rotary",
        "attention": {"projections": "values_only", "span": {"big_bird": {"block": 1, "random": 1, "global": 0}}},
    },
    "rotary_no_projections": {"position": "rotary", "attention": {"projections": "none"}, "norm": "pre"},
    "alibi_dot": {
        "position": "alibi",
        "attention": {"score": "dot", "projections": "shared_query_key", "span": {"local": 2}},
    },
    "alibi_values_only": {
        "position": "alibi",
        "attention": {
            "score": "multiplicative",
            "projections": "values_only",
            "span": {"big_bird": {"block": 1, "random": 1, "global": 0}},
        },
    },
    "alibi_no_projections": {"position": "alibi", "attention": {"projections": "none", "decoder_span": {"local": 2}}},
    "t5_dot": {
        "position": "t5",
        "attention": {"score": "dot", "projections": "shared_query_key", "decoder_span": {"local": 2}},
    },
    "t5_values_only": {
        "position": "t5",
        "attention": {
            "score": "multiplicative",
            "projections": "values_only",
            "span": {"big_bird": {"block": 1, "random": 1, "global": 0}},
        },
    },
    "t5_no_projections": {"position": "t5", "attention": {"projections": "none"}, "norm": "pre"},
    "decoder_only": {"encoder": "none", "layers": 2},
    "decoder_only_untied": {"encoder": "none", "tying": "none", "norm": "pre", "position": "learned", "layers": 2},
    "decoder_only_local": {
        "encoder": "none",
        "position": "rotary",
        "norm_kind": "rms",
        "attention": {"span": {"local": 3}, "score": "multiplicative"},
    },
    "decoder_only_t5": {"encoder": "none", "position": "t5", "activation": "swiglu", "norm": "pre", "layers": 2},
    # By Hugging Face's model (torch_gpt.py), whose feed-forward layers are four times as wide as d_model.
    "gpt": {"peer": "gpt", "encoder": "none", "position": "learned", "d_ff": 32, "layers": 2},
    "gpt_exact": {
        "peer": "gpt",
        "encoder": "none",
        "position": "learned",
        "activation": "gelu_tanh",
        "embedding_scale": False,
        "d_ff": 32,
        "layers": 2,
    },
    "gelu_tanh": {"activation": "gelu_tanh"},
    "unscaled": {"embedding_scale": False},
    "gpt_untied": {"peer": "gpt", "encoder": "none", "position": "learned", "d_ff": 32, "tying": "none", "heads": 4},
}


def sinusoids(kind, length, d_model):
    """[length, d_model]: §3.5's interleaved table, or tensor2tensor's with sines before cosines."""
    position = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    pairs = torch.arange(d_model // 2, dtype=torch.float64)
    if kind == "sinusoidal":
        angle = position * torch.exp(-math.log(10_000.0) * 2 * pairs / d_model)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    angle = position * torch.exp(-math.log(10_000.0) * pairs / (d_model // 2 - 1))
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Positions(nn.Module):
    def __init__(self, model, longest):
        super().__init__()
        self.kind = model["position"]
        if self.kind == "learned":
            self.weight = nn.Parameter(torch.empty(model["learned_positions"], model["d_model"]))
        elif self.is_fixed():
            table = sinusoids(self.kind, longest, model["d_model"]).to(torch.get_default_dtype())
            self.register_buffer("table", table, persistent=False)

    def is_fixed(self):
        return self.kind in ("sinusoidal", "sinusoidal_halves")

    def forward(self, x):
        if self.kind != "learned" and not self.is_fixed():
            return x
        table = self.weight if self.kind == "learned" else self.table
        return x + table[: x.size(1)]


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of [B, T, D] whose statistics are those of real tokens; `real` [B, T] says which are.

    Python torch moves the running statistics in each pass; here an update of several passes moves them once, by the
    rows of all of its passes.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.real, self.seen = None, []

    def forward(self, x):
        if not self.training:
            return super().forward(x.flatten(0, 1)).view_as(x)
        rows = x[self.real]
        self.seen.append(rows.detach())
        normed = F.batch_norm(rows, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return torch.zeros_like(x).masked_scatter(self.real.unsqueeze(-1), normed)

    def end_update(self):
        rows, self.seen = torch.cat(self.seen), []
        self.running_mean.lerp_(rows.mean(0), self.momentum)
        self.running_var.lerp_(rows.var(0), self.momentum)


def norm(model):
    if model["norm_kind"] == "none":
        return nn.Identity()
    kind = {"layer": nn.LayerNorm, "rms": nn.RMSNorm, "batch": BatchNorm}[model["norm_kind"]]
    return kind(model["d_model"], eps=model["layer_norm_epsilon"])


def rotate(x):
    """[B, H, T, K]: RoFormer's turning of the planes (2i, 2i + 1) by position · 10000^(-2i/K), as complex numbers."""
    length, d_k = x.shape[-2:]
    turns = torch.outer(torch.arange(length, dtype=x.dtype), 10_000.0 ** (-torch.arange(0, d_k, 2, dtype=x.dtype) / d_k))
    planes = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(planes * torch.polar(torch.ones_like(turns), turns)).flatten(-2)


def alibi(heads, length):
    """[H, T, T]: ALiBi's penalty, with the slopes of the authors' code, on both sides of a query."""
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (h + 1) / power) for h in range(power)]
    slopes += [2 ** (-4 * (h + 1) / power) for h in range(0, 2 * (heads - power), 2)]
    places = torch.arange(length)
    distance = (places[None, :] - places[:, None]).abs().to(torch.get_default_dtype())
    return -torch.tensor(slopes)[:, None, None] * distance


def distances(length):
    """[T, T]: the position of the key, in columns, less that of the query."""
    places = torch.arange(length)
    return places[None, :] - places[:, None]


def t5_buckets(distance, causal, buckets=32, furthest=128):
    """Mesh TensorFlow's buckets, as a search among the first distances of each bucket."""
    half = buckets if causal else buckets // 2
    exact = half // 2
    steps = torch.arange(1, half - exact, dtype=torch.float64)
    growing = torch.ceil(exact * (furthest / exact) ** (steps / (half - exact)) - 1e-9).long()
    begins = torch.cat([torch.arange(1, exact + 1), growing])
    size = (-distance).clamp(min=0) if causal else distance.abs()
    number = torch.searchsorted(begins, size, right=True)
    return number if causal else number + half * (distance > 0)


class Score(nn.Module):
    """A score of a query and a key of a head other than their scaled product."""

    def __init__(self, kind, heads, d_k):
        super().__init__()
        self.kind = kind
        fresh = lambda *shape: nn.Parameter(torch.empty(shape).uniform_(-0.1, 0.1))  # noqa: E731
        if kind == "additive":
            self.vector = fresh(heads, d_k)
        if kind == "multiplicative":
            self.weight = fresh(heads, d_k, d_k)

    def turn(self, queries):
        """[B, H, T, K]: q W, which comes before positions; q W k is then a product."""
        return torch.einsum("bhta,hac->bhtc", queries, self.weight) if self.kind == "multiplicative" else queries

    def forward(self, queries, keys):
        """[B, H, T, K], [B, H, S, K] → [B, H, T, S]."""
        if self.kind == "additive":
            hidden = torch.tanh(queries.unsqueeze(-2) + keys.unsqueeze(-3))
            return torch.einsum("bh...k,hk->bh...", hidden, self.vector)
        scores = queries @ keys.mT
        return scores / math.sqrt(queries.size(-1)) if self.kind == "scaled_dot" else scores


class Matrix(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-0.1, 0.1))


class Attention(nn.Module):
    """Projections, softmax(QKᵀ/√d_k)V over heads or a variant of it, and the norm of the connection around it."""

    def __init__(self, model, own=True, causal=False, path=""):
        super().__init__()
        d_model, self.heads = model["d_model"], model["heads"]
        d_k = model["d_k"] or d_model // self.heads
        d_v = model["d_v"] or d_model // self.heads
        biases = model["attention_biases"]
        variant = ATTENTION | (model.get("attention") or {})
        projections = variant["projections"]
        if projections == "separate":
            self.query = nn.Linear(d_model, self.heads * d_k, bias=biases)
        if projections in ("separate", "shared_query_key"):
            self.key = nn.Linear(d_model, self.heads * d_k, bias=biases)
        if projections != "none":
            self.value = nn.Linear(d_model, self.heads * d_v, bias=biases)
            self.output = nn.Linear(self.heads * d_v, d_model, bias=biases)
        self.projections = projections
        kind = variant["score"] if own else variant["cross_score"] or variant["score"]
        self.score = Score(kind, self.heads, d_k)
        self.span = self.span_of(variant, own, causal)
        self.random = torch_spans.stream(model.get("seed", 1), path)
        if "linformer" in self.span:
            shape = (self.span["linformer"], model["learned_positions"])
            self.mixture = nn.ModuleDict({name: Matrix(*shape) for name in ("key", "value")})
        # Unpadded rows in blocks, for counting.
        self.in_blocks = model.get("in_blocks", False)
        self.norm = norm(model)
        self.rate = model["attention_dropout"]
        self.position = model["position"] if own else "none"
        if isinstance(self.position, dict):
            self.furthest = self.position["relative"]
            self.relative_key = nn.Embedding(2 * self.furthest + 1, d_k)
            self.relative_value = nn.Embedding(2 * self.furthest + 1, d_v)

    def relative(self, queries, keys, values, mask, causal):
        """Shaw et al. 2018, equations 3 and 4, by products with all 2k + 1 vectors; definition in make_layer_fixtures.py."""
        length, d_k = queries.shape[-2:]
        which = (distances(length).clamp(-self.furthest, self.furthest) + self.furthest).expand(*queries.shape[:2], -1, -1)
        scale = 1 / math.sqrt(d_k) if self.score.kind == "scaled_dot" else 1
        products = queries @ self.relative_key.weight.T
        scores = (queries @ keys.transpose(-1, -2) + torch.take_along_dim(products, which, -1)) * scale
        seen = torch.ones(length, length, dtype=torch.bool).tril() if causal else mask
        weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
        weights = F.dropout(weights, self.rate, self.training)
        by_distance = torch.zeros_like(products).scatter_add(-1, which, weights)
        return weights @ values + by_distance @ self.relative_value.weight

    @staticmethod
    def span_of(variant, own, causal):
        span = variant["span"] if own else "full"
        if own and causal:
            inherited = span if isinstance(span, dict) and "local" in span else "full"
            span = variant["decoder_span"] or inherited
        return {} if span == "full" else span

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def project(self, x, memory):
        """Returns queries, keys and values, which are then split into heads."""
        if self.projections == "none":
            return x, memory, memory
        if self.projections == "values_only":
            return x, memory, self.value(memory)
        query = self.key if self.projections == "shared_query_key" else self.query
        return query(x), self.key(memory), self.value(memory)

    def forward(self, x, memory, mask=None, causal=False, bias=None):
        queries, keys, values = map(self.split, self.project(x, memory))
        queries = self.score.turn(queries)
        if isinstance(self.position, dict):
            return self.joined(self.relative(queries, keys, values, mask, causal))
        if self.position == "rotary":
            queries, keys = rotate(queries), rotate(keys)
        if "linformer" in self.span:
            real = mask.mT if mask is not None else 1
            columns = lambda matrix, x: torch.einsum("ks,bhsd->bhkd", matrix.weight[:, : x.size(2)], x * real)  # noqa: E731
            keys, values = columns(self.mixture["key"], keys), columns(self.mixture["value"], values)
            mask = None
        elif self.span and self.in_blocks:
            width, span = self.span.get("local"), self.span.get("big_bird")
            if width:
                mixed = torch_spans.blocks_of_local(width, causal, self.score, queries, keys, values)
            else:
                mixed = torch_spans.blocks_of_big_bird(span, self.random, self.score, queries, keys, values)
            return self.joined(mixed)
        elif self.span:
            everything = torch.ones(x.shape[:2], dtype=torch.bool)
            real = everything if mask is None else mask[:, 0, 0]
            mask, causal = torch_spans.visible(self.span, x.size(1), real, causal, self.random), False
        if self.position == "alibi":
            bias = alibi(self.heads, x.size(1))
        if bias is not None:
            seen = torch.ones(x.size(1), x.size(1), dtype=torch.bool).tril() if causal else mask
            mask = bias.masked_fill(~seen, -math.inf)
            causal = False
        rate = self.rate if self.training else 0.0
        if self.score.kind == "scaled_dot":
            mixed = F.scaled_dot_product_attention(
                queries, keys, values, attn_mask=mask, is_causal=causal, dropout_p=rate
            )
        else:
            mixed = self.mix(self.score(queries, keys), values, mask, causal, rate)
        return self.joined(mixed)

    def joined(self, mixed):
        mixed = mixed.transpose(1, 2).flatten(2)
        return mixed if self.projections == "none" else self.output(mixed)

    @staticmethod
    def mix(scores, values, mask, causal, rate):
        if causal:
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
        return F.dropout(scores.softmax(-1), rate) @ values


class FeedForward(nn.Module):
    """Linear, activation, Linear; with a gate (Shazeer 2020), the product of two maps, 2/3 as wide, before the last."""

    PLAIN = {
        "relu": F.relu,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "swish": F.silu,
    }
    GATED = {
        "glu": lambda gate, up: F.glu(torch.cat([up, gate], dim=-1)),
        "swiglu": lambda gate, up: F.silu(gate) * up,
        "geglu": lambda gate, up: F.gelu(gate) * up,
    }

    def __init__(self, model):
        super().__init__()
        d_model, width, self.activation = model["d_model"], model["d_ff"], model["activation"]
        if self.activation in self.GATED:
            width = round(2 * width / 3)
            self.gate = nn.Linear(d_model, width)
            self.up = nn.Linear(d_model, width)
            self.down = nn.Linear(width, d_model)
        else:
            self.inner = nn.Linear(d_model, width)
            self.outer = nn.Linear(width, d_model)
        self.norm = norm(model)
        self.dropout = nn.Dropout(model["activation_dropout"])

    def forward(self, x):
        if self.activation in self.GATED:
            return self.down(self.dropout(self.GATED[self.activation](self.gate(x), self.up(x))))
        return self.outer(self.dropout(self.PLAIN[self.activation](self.inner(x))))


class Layer(nn.Module):
    """An encoder layer; with `decoder`, one that attends to the encoder as well, if there is one."""

    def __init__(self, model, decoder, number):
        super().__init__()
        path = f"{'decoder' if decoder else 'encoder'}.{number}.self_attention"
        self.self_attention = Attention(model, causal=decoder, path=path)
        if decoder and model.get("encoder") != "none":
            self.cross_attention = Attention(model, own=False)
        self.feed_forward = FeedForward(model) if model["feed_forward"] else None
        self.dropout = nn.Dropout(model["dropout"])
        self.pre = model["norm"] == "pre"
        self.kept = 1 if model["residual"] else 0

    def around(self, sublayer, x, apply):
        if self.pre:
            return self.kept * x + self.dropout(apply(sublayer.norm(x)))
        return sublayer.norm(self.kept * x + self.dropout(apply(x)))

    def forward(self, x, mask=None, causal=False, encoded=None, encoded_mask=None, bias=None):
        attention = self.self_attention
        x = self.around(attention, x, lambda x: attention(x, x, mask, causal, bias))
        if encoded is not None:
            cross = self.cross_attention
            x = self.around(cross, x, lambda x: cross(x, encoded, encoded_mask))
        return x if self.feed_forward is None else self.around(self.feed_forward, x, self.feed_forward)


class Stack(nn.Module):
    def __init__(self, model, decoder):
        super().__init__()
        self.layers = nn.ModuleList(Layer(model, decoder, number) for number in range(model["layers"]))
        pre = model["norm"] == "pre"
        self.norm = norm(model) if pre else nn.Identity()
        self.decoder = decoder
        self.position_bias = nn.Embedding(32, model["heads"]) if model["position"] == "t5" else None

    def forward(self, x, **context):
        if self.position_bias is not None:
            buckets = t5_buckets(distances(x.size(1)), causal=self.decoder)
            context["bias"] = self.position_bias(buckets).permute(2, 0, 1)
        for layer in self.layers:
            x = layer(x, **context)
        return self.norm(x)

    def batch_norms(self):
        return [module for module in self.modules() if isinstance(module, BatchNorm)]


class Transformer(nn.Module):
    # Versions of packages other than torch that compute.
    versions = {}

    def __init__(self, model, vocabulary, longest=1024):
        super().__init__()
        multiple, d_model = model.get("embedding_multiple") or 1, model["d_model"]
        rows = model.get("embedding_rows") or -(-vocabulary // multiple) * multiple
        own = {"all": ["shared"], "decoder": ["source", "target"], "none": ["source", "target", "softmax"]}
        alone = {"all": ["target"], "decoder": ["target"], "none": ["target", "softmax"]}
        self.reads = model.get("encoder") != "none"
        names = (own if self.reads else alone)[model["tying"]]
        self.embedding = nn.ModuleDict({name: nn.Embedding(rows, d_model) for name in names})
        self.of = {use: use if use in names else names[-1] for use in ("source", "target", "softmax")}
        if self.reads:
            self.source_position = Positions(model, longest)
        self.target_position = Positions(model, longest)
        self.dropout = nn.Dropout(model["dropout"])
        if self.reads:
            self.encoder = Stack(model, decoder=False)
        self.decoder = Stack(model, decoder=True)
        self.scale = math.sqrt(d_model) if model["embedding_scale"] else 1.0

    def embed(self, use, ids, positions):
        return self.dropout(positions(self.embedding[self.of[use]](ids) * self.scale))

    def encode(self, source):
        """Ids [B, S] → output [B, S, D], mask [B, 1, 1, S] that is true where attention is allowed."""
        mask = (source != PAD)[:, None, None, :]
        for module in self.encoder.batch_norms():
            module.real = source != PAD
        return self.encoder(self.embed("source", source, self.source_position), mask=mask), mask

    def decode(self, target, encoded=None, mask=None):
        """Ids shifted right [B, T], and the encoder's output and mask, if there is an encoder → [B, T, D]."""
        x = self.embed("target", target, self.target_position)
        for module in self.decoder.batch_norms():
            module.real = target != PAD
        return self.decoder(x, causal=True, encoded=encoded, encoded_mask=mask)

    def logits(self, hidden):
        return F.linear(hidden, self.embedding[self.of["softmax"]].weight)

    def forward(self, source, target):
        return self.logits(self.decode(target, *(self.encode(source) if self.reads else ())))

    def end_update(self):
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.end_update()

    def paths(self):
        """(path in ablate, parameter) of every parameter."""
        for name, parameter in self.named_parameters():
            name = name.replace(".layers.", ".")
            name = name.replace("norm.weight", "norm.scale").replace("norm.bias", "norm.offset")
            yield name, parameter

    def buffer_paths(self):
        """(path in ablate, buffer) of every buffer that a checkpoint of ablate holds."""
        for name, buffer in self.named_buffers():
            if ".running_" in name:
                yield name.replace(".layers.", ".").replace("running_var", "running_variance"), buffer


def cross_entropy(logits, targets, smoothing, reduction="sum"):
    """Mass ε/(V-1) on every class but the reference, which keeps 1-ε; padding is left out.

    torch spreads its ε over all classes, the reference among them; ε·V/(V-1) makes the two equal.
    """
    classes = logits.size(-1)
    smoothing = smoothing * classes / (classes - 1)
    return F.cross_entropy(
        logits.flatten(0, -2), targets.flatten(), ignore_index=PAD, reduction=reduction, label_smoothing=smoothing
    )


def collate(pairs):
    """(source, target) lists of ids → source [B, S], shifted target [B, T], target [B, T], padded."""
    sources = [torch.tensor(source + [EOS]) for source, _ in pairs]
    inputs = [torch.tensor([BOS] + target) for _, target in pairs]
    outputs = [torch.tensor(target + [EOS]) for _, target in pairs]
    pad = lambda rows: nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)  # noqa: E731
    return pad(sources), pad(inputs), pad(outputs)


def learning_rate(update, d_model, scale, warmup):
    """§5.3, eq. 3; updates count from 1."""
    return scale * d_model**-0.5 * min(update**-0.5, update * warmup**-1.5)
