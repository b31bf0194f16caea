"""Masked language models: an encoder of `torch_transformer.py` or `torch_recurrent.py` with BERT's embeddings and head in
Python torch, with the parameters of `ablate`.

A reference for `make_parity_fixtures.py` and `check_flops.py`; `torch_bert.py` has Hugging Face's model of some cases. The
settings mean what `crates/trial/src/model/masked.rs` says. A batch is what the model reads, which of its tokens are to be
found, and these tokens, 0 elsewhere.
"""

import torch
from torch import nn
from torch.nn import functional as F

import torch_recurrent
from torch_recurrent import RECURRENT
from torch_transformer import PAD, BatchNorm, FeedForward, Positions, Stack, norm

# The keys of `[model.masked]`.
MASKED = {"embedding_norm": True, "head": "transform", "segments": 2}

MODEL = torch_recurrent.MODEL | {"decoder": "none", "masked": MASKED}

BERT = {"peer": "bert", "position": "learned", "softmax_bias": True, "embedding_scale": False, "layer_norm_epsilon": 1e-12}
PLAIN = {"embedding_norm": False, "head": "none", "segments": 0}

# What differs from MODEL in each golden file that `make_parity_fixtures.py` writes.
CASES = {
    "bert": BERT | {"activation": "gelu", "layers": 2},
    "bert_untied": BERT | {"activation": "gelu_tanh", "tying": "none", "heads": 4},
    "masked": {"layers": 2},
    "masked_plain": {"masked": PLAIN, "norm": "pre", "position": "rotary", "layers": 2},
    "masked_gate": {"activation": "swiglu", "norm_kind": "rms", "tying": "none", "softmax_bias": True},
    "masked_glu": {"activation": "glu", "feed_forward": False, "norm_kind": "none", "position": "alibi"},
    "masked_linformer": {"attention": {"span": {"linformer": 3}}, "masked": MASKED | {"segments": 1}, "position": "learned"},
    "masked_batch_norm": {"norm_kind": "batch", "layer_norm_epsilon": 1e-2},
    "masked_recurrent": {"encoder": "recurrent", "activation": "gelu", "recurrent": RECURRENT | {"cell": "lstm"}},
    "masked_recurrent_plain": {"encoder": "recurrent", "masked": MASKED | {"head": "none"}, "tying": "none"},
}

# Texts as the model reads them, 1 where a token is hidden, and the tokens that it is to find at their places.
PAIRS = [
    ([3, 1, 5, 10], [0, 7, 0, 0]),
    ([1], [9]),
    ([6, 4, 4, 1, 3, 8], [6, 0, 0, 8, 0, 7]),
    ([5, 1, 1], [0, 10, 4]),
    ([8, 3, 9, 7, 5], [0, 0, 9, 0, 0]),
]


def collate(pairs):
    """→ ids [B, S], which are to be found [B, S], tokens to be found [B, S]."""
    pad = lambda rows: nn.utils.rnn.pad_sequence(  # noqa: E731
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD
    )
    read, found = (pad(side) for side in zip(*pairs))
    return read, found != PAD, found


class Transform(nn.Linear):
    """Linear, activation, norm."""

    OF_GATES = {"glu": torch.sigmoid, "swiglu": F.silu, "geglu": F.gelu}

    def __init__(self, inputs, model):
        super().__init__(inputs, model["d_model"])
        self.activation = (FeedForward.PLAIN | self.OF_GATES)[model["activation"]]
        self.norm = norm(model)

    def forward(self, x):
        return self.norm(self.activation(super().forward(x)))


class Masked(torch_recurrent.Model):
    """Any encoder with a head that finds tokens."""

    pairs, collate = PAIRS, staticmethod(collate)

    def __init__(self, model, vocabulary, longest=1024):
        nn.Module.__init__(self)
        masked, d_model = MASKED | model["masked"], model["d_model"]
        rows = model.get("embedding_rows") or vocabulary
        if model["encoder"] == "recurrent":
            self.source_position, self.encoder = nn.Identity(), torch_recurrent.Encoder(model)
            width = self.encoder.width
        else:
            self.source_position, self.encoder = Positions(model, longest), Stack(model, decoder=False)
            width = d_model
        transforms = masked["head"] == "transform"
        self.transform = Transform(width, model) if transforms else nn.Identity()
        self.source_norm = norm(model) if masked["embedding_norm"] else nn.Identity()
        self.segment = nn.Embedding(masked["segments"], d_model) if masked["segments"] else None
        self.embedding = nn.ModuleDict({"source": nn.Embedding(rows, d_model)})
        if model["tying"] == "none":
            self.embedding["softmax"] = nn.Embedding(rows, d_model if transforms else width)
        self.of = {"source": "source", "softmax": "softmax" if model["tying"] == "none" else "source"}
        if model["softmax_bias"]:
            self.softmax_bias = nn.Parameter(torch.zeros(rows))
        self.dropout = nn.Dropout(model["dropout"])
        self.scale = d_model**0.5 if model["embedding_scale"] else 1.0
        self.model, self.reads = model, True

    def embed(self, use, ids, positions):
        x = self.embedding[use](ids) * self.scale
        if self.segment is not None:
            x = x + self.segment.weight[0]
        if isinstance(self.source_norm, BatchNorm):
            self.source_norm.real = ids != PAD
        return self.dropout(self.source_norm(positions(x)))

    def forward(self, read, scored):
        """Ids [B, S] and which of them are to be found [B, S] → logits [B, S, V]."""
        norm_of_head = getattr(self.transform, "norm", None)
        if isinstance(norm_of_head, BatchNorm):
            norm_of_head.real = scored
        return self.logits(self.transform(self.encode(read)[0]))
