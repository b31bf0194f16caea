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
MASKED = {"embedding_norm": True, "head": "transform", "segments": 2, "next_sentence": False}

MODEL = torch_recurrent.MODEL | {"decoder": "none", "masked": MASKED}

BERT = {"peer": "bert", "position": "learned", "softmax_bias": True, "embedding_scale": False, "layer_norm_epsilon": 1e-12}
PLAIN = {"embedding_norm": False, "head": "none", "segments": 0, "next_sentence": False}
NEXT = MASKED | {"next_sentence": True}

# Differences from MODEL in each golden file that `make_parity_fixtures.py` writes.
CASES = {
    "bert": BERT | {"activation": "gelu", "layers": 2},
    "bert_untied": BERT | {"activation": "gelu_tanh", "tying": "none", "heads": 4},
    "bert_next_sentence": BERT | {"activation": "gelu", "layers": 2, "masked": NEXT},
    "masked": {"layers": 2},
    "masked_next_sentence": {"masked": NEXT | {"segments": 1, "head": "none"}, "norm": "pre"},
    "masked_recurrent_next_sentence": {"encoder": "recurrent", "masked": NEXT, "recurrent": RECURRENT | {"cell": "lstm"}},
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


# Second texts: the number of tokens read before each, and 0 if it follows the first text, else 1.
SECOND = [(2, 0), (1, 1), (3, 1), (1, 0), (4, 1)]


def second_texts(read):
    """Ids [B, S], rows of PAIRS → 1 at the places of their second texts [B, S], and the labels of these [B]."""
    of = {tuple(row): second for (row, _), second in zip(PAIRS, SECOND)}
    found = [of[tuple(row[row != PAD].tolist())] for row in read]
    places = torch.arange(read.shape[1])
    segments = torch.stack([places >= before for before, _ in found]) & (read != PAD)
    return segments.long(), torch.tensor([label for _, label in found])


def next_sentence_loss(scores, read, found):
    """Scores [B, 2] → their cross-entropy, each row as often as it has tokens to be found, summed."""
    return (F.cross_entropy(scores, second_texts(read)[1], reduction="none") * (found != PAD).sum(1)).sum()


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
        if masked["next_sentence"]:
            maps = {"pooler": nn.Linear(width, d_model), "scores": nn.Linear(d_model, 2)}
            self.next_sentence = nn.ModuleDict(maps)
            # For rows that are not PAIRS, the caller replaces this by the places of their second texts.
            self.segments = lambda ids: second_texts(ids)[0]
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
        if self.segment is not None and hasattr(self, "next_sentence"):
            x = x + self.segment(self.segments(ids).clamp(max=len(self.segment.weight) - 1))
        elif self.segment is not None:
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

    def next_scores(self, read):
        """Ids [B, S] → the scores of "the second text follows" and "it does not" [B, 2]; None for a model without them."""
        if not hasattr(self, "next_sentence"):
            return None
        return self.tell(self.encode(read)[0])

    def tell(self, states):
        """States [B, S, E] → [B, 2]."""
        return self.next_sentence["scores"](torch.tanh(self.next_sentence["pooler"](states[:, 0])))
