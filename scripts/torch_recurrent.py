"""Recurrent encoders and decoders in Python torch, alone and beside the stacks of `torch_transformer.py`.

A reference for `make_parity_fixtures.py` and `check_flops.py`: `nn.LSTM` and `nn.GRU` over packed sequences, and the
decoder step by step with its attention written out from the papers' formulas, whether or not a step needs the one before.
The settings mean what `crates/trial/src/model/recurrent/mod.rs` says; names of parameters are those of `ablate` (`Model.paths`).
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_transformer import MODEL as SELF_ATTENTION
from torch_transformer import PAD, Transformer

# The keys of `[model.recurrent]`, with small values.
RECURRENT = {
    "cell": "gru",
    "hidden": 6,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "bidirectional": "all",
    "residual_from": None,
    "attention": "additive",
    "attention_width": None,
    "attend": "after_step",
    "input_feeding": "context",
    "readout": "attentional",
    "bridge": "zeros",
    "dropout_masks": "per_step",
    "recurrent_biases": True,
    "forget_bias": 1.0,
}

MODEL = SELF_ATTENTION | {
    "encoder": "self_attention",
    "decoder": "self_attention",
    "softmax_bias": False,
    "recurrent": RECURRENT,
}

BOTH = {"encoder": "recurrent", "decoder": "recurrent"}


def without_absent(settings):
    """The settings of a section that are stated, those of sections inside of it too."""
    nested = {key: without_absent(value) if isinstance(value, dict) else value for key, value in settings.items()}
    return {key: value for key, value in nested.items() if value is not None}


def both(tying="all", softmax_bias=False, **recurrent):
    return BOTH | {"tying": tying, "softmax_bias": softmax_bias, "recurrent": RECURRENT | recurrent}


def alone(**changes):
    """A language model: a decoder without an encoder."""
    return both(**{"attention": "none", "input_feeding": "none"} | changes) | {"encoder": "none"}


# Differences from MODEL in each golden file that `make_parity_fixtures.py` writes.
CASES = {
    "softmax_bias": {"softmax_bias": True},
    "recurrent": both(),
    "recurrent_lstm": both(cell="lstm", bridge="tanh", attention_width=5, softmax_bias=True),
    "recurrent_luong": both(
        cell="lstm",
        attention="general",
        input_feeding="readout",
        bidirectional="none",
        encoder_layers=2,
        bridge="copy",
        tying="decoder",
    ),
    "recurrent_dot": both(attention="dot", input_feeding="none", bidirectional="none", bridge="linear"),
    "recurrent_bahdanau": both(
        attend="before_step", bridge="tanh", readout="concatenated", tying="none", decoder_layers=1, softmax_bias=True
    ),
    "recurrent_before_readout": both(attend="before_step", input_feeding="readout", attention="general", cell="lstm"),
    "recurrent_before_none": both(attend="before_step", input_feeding="none"),
    "recurrent_last_state": both(
        attention="none", input_feeding="none", readout="state", bridge="copy", bidirectional="none", cell="lstm",
        encoder_layers=2, tying="none",
    ),
    "recurrent_summary": both(attention="none", readout="concatenated", bridge="tanh", tying="none", decoder_layers=1),
    "recurrent_summary_fed": both(attention="none", input_feeding="readout", cell="lstm"),
    "recurrent_one_bias": both(recurrent_biases=False, cell="lstm"),
    "recurrent_residual": both(
        residual_from=3, bidirectional="first", encoder_layers=3, decoder_layers=3, input_feeding="none"
    ),
    "recurrent_residual_steps": both(residual_from=2, encoder_layers=2, decoder_layers=3),
    "recurrent_encoder": {"encoder": "recurrent", "layers": 2, "recurrent": RECURRENT | {"cell": "lstm"}},
    "recurrent_decoder": {"decoder": "recurrent", "layers": 2, "recurrent": RECURRENT | {"bridge": "tanh"}},
    "recurrent_decoder_mean": {
        "decoder": "recurrent",
        "norm": "pre",
        "recurrent": RECURRENT | {"attention": "none", "input_feeding": "none", "bridge": "linear", "cell": "lstm"},
    },
    "recurrent_alone": alone(cell="lstm", readout="state", tying="none"),
    "recurrent_alone_fed": alone(input_feeding="readout", softmax_bias=True),
    "recurrent_masks": both(dropout_masks="per_sequence"),
}


def cells(recurrent, inputs, both=False):
    """One layer of torch's own. A single bias leaves the other one at 0."""
    kind = {"gru": nn.GRU, "lstm": nn.LSTM}[recurrent["cell"]]
    layer = kind(inputs, recurrent["hidden"], batch_first=True, bidirectional=both)
    if not recurrent["recurrent_biases"]:
        for name, parameter in layer.named_parameters():
            if name.startswith("bias_hh"):
                parameter.data.zero_()
                parameter.requires_grad_(False)
    return layer


def zeros(like, *shape):
    """A state before the first word. It asks for a gradient, which nothing uses, so that all steps have equal operations."""
    return like.new_zeros(shape).requires_grad_()


def sides_joined(state):
    """[directions, B, N] → [B, directions · N], of an LSTM's pair of states too."""
    if isinstance(state, tuple):
        return tuple(sides_joined(part) for part in state)
    return torch.cat(list(state), -1)


class Encoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        recurrent, width = model["recurrent"], model["d_model"]
        self.layers, self.residual_from = nn.ModuleList(), recurrent["residual_from"]
        for index in range(recurrent["encoder_layers"]):
            both = {"all": True, "first": index == 0, "none": False}[recurrent["bidirectional"]]
            self.layers.append(cells(recurrent, width, both))
            width = recurrent["hidden"] * (2 if both else 1)
        self.width = width
        self.dropout = nn.Dropout(model["dropout"])

    def forward(self, x, lengths):
        """[B, S, D] → states [B, S, E] and the last state of each layer."""
        last = []
        for number, layer in enumerate(self.layers, 1):
            x = self.dropout(x) if number > 1 else x
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            sides = 2 if layer.bidirectional else 1
            start = [zeros(x, sides, len(x), layer.hidden_size) for _ in range(2 if isinstance(layer, nn.LSTM) else 1)]
            output, state = layer(packed, tuple(start) if len(start) == 2 else start[0])
            output, _ = pad_packed_sequence(output, batch_first=True, total_length=x.size(1))
            x = output + x if self.residual_from and number >= self.residual_from else output
            last.append(sides_joined(state))
        return x, last


class Scores(nn.Module):
    def __init__(self, recurrent, states):
        super().__init__()
        hidden, kind = recurrent["hidden"], recurrent["attention"]
        width = recurrent["attention_width"] or hidden
        self.kind = kind
        if kind == "additive":
            self.state = nn.Linear(hidden, width, bias=False)
            self.source = nn.Linear(states, width)
            self.vector = nn.Linear(width, 1, bias=False)
        if kind == "general":
            self.source = nn.Linear(states, hidden, bias=False)

    def keys(self, h):
        """Keys of the states of the source [B, S, E], computed once per sentence."""
        return h if self.kind == "dot" else self.source(h)

    def forward(self, s, keys):
        """States of the decoder [B, N] → [B, S]."""
        if self.kind == "additive":
            sums = torch.tanh(self.state(s)[:, None, :] + keys)
            # As a product of matrices, so that it counts as an operation on pairs of words.
            return torch.bmm(sums, self.vector.weight.T.expand(len(sums), -1, -1))[..., 0]
        return torch.bmm(keys, s[:, :, None])[..., 0]

    def of_all(self, s, keys):
        """The same for all positions at once, [B, T, N] → [B, T, S]."""
        if self.kind == "additive":
            return self.vector(torch.tanh(self.state(s)[:, :, None, :] + keys[:, None]))[..., 0]
        return torch.bmm(s, keys.transpose(1, 2))


class Decoder(nn.Module):
    def __init__(self, model, states):
        super().__init__()
        self.recurrent = recurrent = model["recurrent"]
        hidden, d_model = recurrent["hidden"], model["d_model"]
        self.width = {"attentional": d_model, "concatenated": d_model + states + hidden, "state": hidden}[
            recurrent["readout"]
        ]
        self.fed_width = {"none": 0, "context": states, "readout": self.width}[recurrent["input_feeding"]]
        self.dropout = nn.Dropout(model["dropout"])
        depth = recurrent["decoder_layers"]
        inputs = [d_model + self.fed_width] + [hidden] * (depth - 1)
        self.layers = nn.ModuleList(cells(recurrent, width) for width in inputs)
        if recurrent["attention"] != "none":
            self.attention = Scores(recurrent, states)
        if recurrent["readout"] == "attentional":
            self.readout = nn.Linear(states + hidden, d_model)
        if recurrent["bridge"] in ("linear", "tanh"):
            self.bridge = nn.Linear(states, depth * (2 if recurrent["cell"] == "lstm" else 1) * hidden)

    def start(self, encoded, summary, last):
        kind, lstm = self.recurrent["bridge"], self.recurrent["cell"] == "lstm"
        if kind == "copy":
            return list(last)
        if kind == "zeros":
            state = lambda: zeros(encoded, len(encoded), self.recurrent["hidden"])  # noqa: E731
            return [(state(), state()) if lstm else state() for _ in self.layers]
        started = self.bridge(summary)
        parts = (torch.tanh(started) if kind == "tanh" else started).split(self.recurrent["hidden"], -1)
        return [(parts[2 * i], parts[2 * i + 1]) if lstm else parts[i] for i in range(len(self.layers))]

    def context(self, state, keys, encoded, mask, summary):
        if self.recurrent["attention"] == "none":
            return summary
        weights = self.attention(state, keys).masked_fill(~mask, -torch.inf).softmax(-1)
        return torch.bmm(weights[:, None, :], encoded)[:, 0]

    def forward(self, x, encoded, mask, summary, last):
        """[B, T, D], states [B, S, E], mask [B, S] → [B, T, W]."""
        recurrent, lstm = self.recurrent, self.recurrent["cell"] == "lstm"
        states = self.start(encoded, summary, last)
        keys = None if recurrent["attention"] == "none" else self.attention.keys(encoded)
        before = recurrent["attend"] == "before_step"
        fed, outputs = encoded.new_zeros(len(x), self.fed_width), []
        constant = recurrent["attention"] == "none" and recurrent["input_feeding"] == "context"
        for word in x.unbind(1):
            top = states[-1][0] if lstm else states[-1]
            if before:
                context = self.context(top, keys, encoded, mask, summary)
            if constant:
                fed = summary
            elif before and recurrent["input_feeding"] == "context":
                fed = context
            below = torch.cat([word, fed], -1)
            for number, layer in enumerate(self.layers, 1):
                below = self.dropout(below) if number > 1 else below
                whole = tuple(part[None] for part in states[number - 1]) if lstm else states[number - 1][None]
                output, state = layer(below[:, None], whole)
                states[number - 1] = tuple(part[0] for part in state) if lstm else state[0]
                residual = recurrent["residual_from"] and number >= recurrent["residual_from"]
                below = output[:, 0] + below if residual else output[:, 0]
            if not before:
                context = self.context(below, keys, encoded, mask, summary)
            made = {
                "attentional": lambda: torch.tanh(self.readout(torch.cat([context, below], -1))),
                "concatenated": lambda: torch.cat([word, context, below], -1),
                "state": lambda: below,
            }[recurrent["readout"]]()
            if recurrent["input_feeding"] == "readout":
                fed = made
            elif recurrent["input_feeding"] == "context":
                fed = context
            outputs.append(made)
        return torch.stack(outputs, 1)


class Model(Transformer):
    """Any encoder with any decoder."""

    recurrent_decoder = Decoder

    def __init__(self, model, vocabulary, longest=1024):
        super().__init__(model, vocabulary, longest)
        width = model["d_model"]
        states = width if self.reads else 0
        if model["encoder"] == "recurrent":
            self.source_position, self.encoder = nn.Identity(), Encoder(model)
            states = self.encoder.width
        if model["decoder"] == "recurrent":
            self.target_position, self.decoder = nn.Identity(), self.recurrent_decoder(model, states)
            width = self.decoder.width
        elif self.reads and states != width:
            self.encoder_output = nn.Linear(states, width)
        rows = self.embedding[self.of["softmax"]].num_embeddings
        if model["tying"] == "none":
            self.embedding["softmax"] = nn.Embedding(rows, width)
        if model["softmax_bias"]:
            self.softmax_bias = nn.Parameter(torch.zeros(rows))
        self.model, self.last = model, None

    def encode(self, source):
        """Does the same as the Transformer's; keeps what a recurrent decoder reads of the source beside its states."""
        if self.model["encoder"] == "self_attention":
            encoded, mask = super().encode(source)
            real = mask[:, 0, 0, :, None]
            self.last = None
            self.summary = (encoded * real).sum(1) / real.sum(1)
            return encoded, mask
        mask = (source != PAD)[:, None, None, :]
        x = self.embed("source", source, self.source_position)
        encoded, self.last = self.encoder(x, (source != PAD).sum(1))
        top = self.last[-1]
        self.summary = top[0] if isinstance(top, tuple) else top
        if hasattr(self, "encoder_output"):
            encoded = self.encoder_output(encoded)
        return encoded, mask

    def decode(self, target, encoded=None, mask=None):
        if self.model["decoder"] == "self_attention":
            return super().decode(target, encoded, mask)
        x = self.embed("target", target, self.target_position)
        if not self.reads:
            return self.decoder(x, x[:, :0, :0], None, x[:, 0, :0], None)
        return self.decoder(x, encoded, mask[:, 0, 0, :], self.summary, self.last)

    def logits(self, hidden):
        logits = super().logits(hidden)
        return logits + self.softmax_bias if self.model["softmax_bias"] else logits

    def paths(self):
        words = {"weight_ih": "input.weight", "weight_hh": "state.weight", "bias_ih": "input.bias", "bias_hh": "state.bias"}
        for name, parameter in super().paths():
            if not parameter.requires_grad:
                continue
            if name == "softmax_bias":
                name = "embedding.softmax.bias"
            before, _, last = name.rpartition(".")
            for theirs, ours in words.items():
                if last.startswith(theirs):
                    side = {"_l0": "forward.", "_l0_reverse": "backward."}[last.removeprefix(theirs)]
                    name = f"{before}.{side if before.startswith('encoder') else ''}{ours}"
            yield name, parameter
