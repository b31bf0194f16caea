"""Masked language models: an encoder of `torch_transformer.py` or `torch_recurrent.py` with BERT's embeddings and head in
Python torch, and BERT (Devlin et al. 2019) as Hugging Face's BertForMaskedLM, both with the parameters of `ablate`.

A reference for `make_parity_fixtures.py` and `check_flops.py`. The settings mean what `crates/trial/src/model/masked.rs` says.
A batch is what the model reads, which of its tokens are to be found, and these tokens, 0 elsewhere.
"""

import torch
import transformers
from torch import nn
from torch.func import functional_call
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


class Bert(nn.Module):
    """Hugging Face's model, whose weights are made of parameters that have ablate's names and shapes."""

    versions = {"transformers": transformers.__version__}
    reads = True
    pairs, collate = PAIRS, staticmethod(collate)

    def __init__(self, model, vocabulary, longest):
        super().__init__()
        d_model, width, masked = model["d_model"], model["d_ff"], model["masked"]
        assert (model["position"], model["norm"], model["norm_kind"]) == ("learned", "post", "layer")
        assert masked["embedding_norm"] and masked["head"] == "transform" and not model["embedding_scale"]
        config = transformers.BertConfig(
            vocab_size=vocabulary,
            max_position_embeddings=model["learned_positions"],
            type_vocab_size=masked["segments"],
            hidden_size=d_model,
            intermediate_size=width,
            num_hidden_layers=model["layers"],
            num_attention_heads=model["heads"],
            hidden_act={"gelu": "gelu", "gelu_tanh": "gelu_new"}[model["activation"]],
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=model["layer_norm_epsilon"],
            pad_token_id=PAD,
            tie_word_embeddings=False,
            attn_implementation="eager",
        )
        self.theirs = transformers.BertForMaskedLM(config).requires_grad_(False)
        self.layers, self.tied = model["layers"], model["tying"] != "none"
        shapes = {"embedding.source.weight": (vocabulary, d_model), "embedding.softmax.bias": (vocabulary,)}
        if not self.tied:
            shapes["embedding.softmax.weight"] = (vocabulary, d_model)
        shapes["segment.weight"] = (masked["segments"], d_model)
        shapes["source_position.weight"] = (model["learned_positions"], d_model)
        norms, linears = ["source_norm", "transform.norm"], {"transform": (d_model, d_model)}
        for layer in range(self.layers):
            for name in ("query", "key", "value", "output"):
                linears[f"encoder.{layer}.self_attention.{name}"] = (d_model, d_model)
            linears[f"encoder.{layer}.feed_forward.inner"] = (width, d_model)
            linears[f"encoder.{layer}.feed_forward.outer"] = (d_model, width)
            norms += [f"encoder.{layer}.self_attention.norm", f"encoder.{layer}.feed_forward.norm"]
        for name, shape in linears.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        for name in norms:
            shapes |= {f"{name}.scale": (d_model,), f"{name}.offset": (d_model,)}
        self.own = {path: nn.Parameter(torch.empty(shape)) for path, shape in shapes.items()}
        for path, parameter in self.own.items():
            self.register_parameter(path.replace(".", "/"), parameter)

    def weights(self):
        """The parameters by Hugging Face's names."""
        embeddings, head = "bert.embeddings", "cls.predictions"
        names = {
            "embedding.source": f"{embeddings}.word_embeddings",
            "segment": f"{embeddings}.token_type_embeddings",
            "source_position": f"{embeddings}.position_embeddings",
            "source_norm": f"{embeddings}.LayerNorm",
            "embedding.softmax": f"{head}.decoder",
            "transform": f"{head}.transform.dense",
            "transform.norm": f"{head}.transform.LayerNorm",
        }
        for layer in range(self.layers):
            ours, theirs = f"encoder.{layer}", f"bert.encoder.layer.{layer}"
            for name in ("query", "key", "value"):
                names[f"{ours}.self_attention.{name}"] = f"{theirs}.attention.self.{name}"
            names[f"{ours}.self_attention.output"] = f"{theirs}.attention.output.dense"
            names[f"{ours}.self_attention.norm"] = f"{theirs}.attention.output.LayerNorm"
            names[f"{ours}.feed_forward.inner"] = f"{theirs}.intermediate.dense"
            names[f"{ours}.feed_forward.outer"] = f"{theirs}.output.dense"
            names[f"{ours}.feed_forward.norm"] = f"{theirs}.output.LayerNorm"
        made = {}
        for path, parameter in self.own.items():
            place, kind = path.rsplit(".", 1)
            made[f"{names[place]}.{ {'scale': 'weight', 'offset': 'bias'}.get(kind, kind) }"] = parameter
        if self.tied:
            made[f"{head}.decoder.weight"] = self.own["embedding.source.weight"]
        # The same numbers under a second name.
        made[f"{head}.bias"] = self.own["embedding.softmax.bias"]
        assert made.keys() == {name for name, _ in self.theirs.named_parameters()}, self.theirs
        return made

    def run(self, read):
        mask = {"attention_mask": (read != PAD).long(), "output_hidden_states": True}
        return functional_call(self.theirs, self.weights(), (read,), mask)

    def encode(self, read):
        return self.run(read).hidden_states[-1], None

    def forward(self, read, scored):
        """Ids [B, S] → logits [B, S, V]."""
        return self.run(read).logits

    def paths(self):
        return self.own.items()

    def buffer_paths(self):
        return []

    def end_update(self):
        pass
