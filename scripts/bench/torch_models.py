"""The models that `ablate bench --export` writes for, as a user of Python torch writes them.

Definitions are those of the parity fixtures (`../torch_transformer.py`, `../torch_recurrent.py`,
`../torch_convolutional.py`, `../torch_masked.py`). Those are references, and go step by step or number by number even if
torch has a module for the whole. Here is the faster form: a recurrent decoder runs nn.LSTM or nn.GRU over
whole sequences if no step reads the result of the one before, else a cell per step; weight normalisation is torch's own
function; and a masked language model projects only the tokens that are to be found, as fairseq's RoBERTa does.
"""

import functools
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch_convolutional  # noqa: E402
import torch_masked  # noqa: E402
import torch_recurrent  # noqa: E402
from torch_transformer import PAD, Transformer, cross_entropy  # noqa: E402

__all__ = ["PAD", "build", "cross_entropy", "stated"]

def stated(section):
    """An exported `[model]` with null where a key without a default is absent."""
    full = torch_convolutional.MODEL | section
    for name in ("recurrent", "convolutional"):
        full[name] = dict.fromkeys(torch_convolutional.MODEL[name]) | section[name]
    return full



class Decoder(torch_recurrent.Decoder):
    """The recurrent decoder by modules for whole sequences, or by cells."""

    def is_stepwise(self):
        """Whether a step reads results of the step before other than its states."""
        recurrent = self.recurrent
        fed, readout = recurrent["input_feeding"], recurrent["readout"]
        attends = recurrent["attention"] != "none" and (fed == "context" or readout != "state")
        return fed == "readout" or (attends and (fed == "context" or recurrent["attend"] == "before_step"))

    def forward(self, x, encoded, mask, summary, last):
        """[B, T, D], states [B, S, E], mask [B, S] → [B, T, W]."""
        states = self.start(encoded, summary, last)
        run = self.by_steps if self.is_stepwise() else self.by_layers
        return run(x, encoded, mask, summary, states)

    def read_out(self, x, context, hidden):
        """Computes the readout of one position or of all."""
        kind = self.recurrent["readout"]
        if kind == "attentional":
            return torch.tanh(self.readout(torch.cat([context, hidden], -1)))
        return torch.cat([x, context, hidden], -1) if kind == "concatenated" else hidden

    def attend(self, queries, keys, encoded, mask):
        """[B, T, N] → contexts [B, T, E]."""
        scores = self.attention.of_all(queries, keys).masked_fill(~mask[:, None, :], -torch.inf)
        return scores.softmax(-1) @ encoded

    def by_layers(self, x, encoded, mask, summary, states):
        recurrent, lstm = self.recurrent, self.recurrent["cell"] == "lstm"
        everywhere = summary[:, None, :].expand(-1, x.size(1), -1)
        hidden = torch.cat([x, everywhere], -1) if recurrent["input_feeding"] == "context" else x
        for number, (layer, state) in enumerate(zip(self.layers, states), 1):
            hidden = self.dropout(hidden) if number > 1 else hidden
            whole = tuple(part[None].contiguous() for part in state) if lstm else state[None].contiguous()
            output, _ = layer(hidden, whole)
            residual = recurrent["residual_from"] and number >= recurrent["residual_from"]
            hidden = output + hidden if residual else output
        context = everywhere
        if recurrent["attention"] != "none" and recurrent["readout"] != "state":
            context = self.attend(hidden, self.attention.keys(encoded), encoded, mask)
        return self.read_out(x, context, hidden)

    def by_steps(self, x, encoded, mask, summary, states):
        recurrent, feeding = self.recurrent, self.recurrent["input_feeding"]
        attends, before = recurrent["attention"] != "none", recurrent["attend"] == "before_step"
        keys = self.attention.keys(encoded) if attends else None

        def context_of(state):
            return self.attend(state[:, None], keys, encoded, mask)[:, 0] if attends else summary

        fed, made, outputs, contexts = encoded.new_zeros(len(x), self.fed_width), None, [], []
        for word in x.unbind(1):
            if before:
                context = context_of(states[-1][0] if recurrent["cell"] == "lstm" else states[-1])
                fed = context if feeding == "context" else fed
            below = torch.cat([word, fed], -1) if self.fed_width else word
            for number, layer in enumerate(self.layers, 1):
                below = self.dropout(below) if number > 1 else below
                states[number - 1] = cell(layer, below, states[number - 1])
                output = states[number - 1][0] if recurrent["cell"] == "lstm" else states[number - 1]
                residual = recurrent["residual_from"] and number >= recurrent["residual_from"]
                below = output + below if residual else output
            if not before:
                context = context_of(below)
                fed = context if feeding == "context" else fed
            if feeding == "readout":
                made = fed = self.read_out(word, context, below)
                outputs.append(made)
            else:
                outputs.append(below)
                contexts.append(context)
        hidden = torch.stack(outputs, 1)
        return hidden if made is not None else self.read_out(x, torch.stack(contexts, 1), hidden)


def cell(layer, x, state):
    """Computes a step as nn.LSTMCell or nn.GRUCell with the weights of `layer` does."""
    weights = (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    return torch.lstm_cell(x, state, *weights) if isinstance(layer, nn.LSTM) else torch.gru_cell(x, state, *weights)


class Recurrent(torch_recurrent.Model):
    recurrent_decoder = Decoder


class Convolutional(torch_convolutional.Model):
    recurrent_decoder = Decoder

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for module in self.modules():
            if isinstance(module, torch_convolutional.Weighted) and hasattr(module, "magnitude"):
                module.matrix = functools.partial(normalised, module)


def normalised(module):
    """Computes the weight as torch.nn.utils.parametrizations.weight_norm does."""
    lengths = module.magnitude.view(-1, *[1] * (module.weight.dim() - 1))
    return torch._weight_norm(module.weight, lengths, 0)


class Masked(torch_masked.Masked):
    """A masked model whose `forward` returns the logits of only the tokens to be found, [N, V]."""

    def forward(self, read, found):
        norm = getattr(self.transform, "norm", None)
        if hasattr(norm, "real"):
            raise ValueError("batch normalisation of the transform needs all positions")
        return self.logits(self.transform(self.encode(read)[0][found != PAD]))


def build(settings, vocabulary):
    """Builds the model of an exported `[model]`; of two classes that fit, the one with less overhead."""
    parts = {settings["encoder"], settings["decoder"]}
    if settings["decoder"] == "none":
        return Masked(settings, vocabulary)
    if "convolutional" in parts:
        return Convolutional(settings, vocabulary)
    if "recurrent" in parts or settings["softmax_bias"]:
        return Recurrent(settings, vocabulary)
    return Transformer(settings, vocabulary)
