"""Convolutional encoders and decoders in Python torch, alone and beside the parts of `torch_recurrent.py`.

A reference for `make_parity_fixtures.py` and `check_flops.py`, written out from the papers and, where they leave it open,
from fairseq's `models/fconv.py`: kernels are `conv1d` over [B, C, T], and weight normalisation is its formula. The settings
mean what `crates/trial/src/model/convolutional/mod.rs` says; names of parameters are those of `ablate` (`Model.paths`).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

import torch_recurrent
from torch_recurrent import RECURRENT
from torch_transformer import PAD

# The keys of `[model.convolutional]`, with small values.
CONVOLUTIONAL = {
    "block": "gated",
    "channels": 6,
    "kernel": 3,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "further_layers": [],
    "dilations": [1],
    "attention": "dot",
    "attention_layers": None,
    "attention_projections": "per_layer",
    "weight_normalisation": True,
    "scale_encoder_gradients": True,
}

MODEL = torch_recurrent.MODEL | {"position": "learned", "convolutional": CONVOLUTIONAL}


def both(position="learned", tying="all", softmax_bias=False, **convolutional):
    parts = {"encoder": "convolutional", "decoder": "convolutional", "position": position, "tying": tying}
    return parts | {"softmax_bias": softmax_bias, "convolutional": CONVOLUTIONAL | convolutional}


def half(part, other="self_attention", **settings):
    """One convolutional part beside another kind."""
    rest = "decoder" if part == "encoder" else "encoder"
    return {part: "convolutional", rest: other, "position": "sinusoidal"} | settings


# Differences from MODEL in each golden file that `make_parity_fixtures.py` writes.
CASES = {
    "convolutional": both(),
    "convolutional_plain": both(weight_normalisation=False, scale_encoder_gradients=False, tying="none", softmax_bias=True),
    "convolutional_shared": both(
        attention_projections="shared", kernel=2, decoder_layers=3, position="sinusoidal", tying="decoder"
    ),
    "convolutional_sizes": both(
        encoder_layers=1,
        decoder_layers=1,
        further_layers=[{"layers": 1, "channels": 10, "kernel": 1}, {"layers": 1, "channels": 8, "kernel": 2}],
        position="sinusoidal",
        tying="none",
        # Rows of unlike lengths would make the gradients of queries vanish.
        weight_normalisation=False,
    ),
    "convolutional_some_attend": both(decoder_layers=3, attention_layers=[1, 3], kernel=4),
    "convolutional_dilated": both(attention="none", dilations=[1, 2], kernel=3, encoder_layers=3, decoder_layers=3),
    "convolutional_bytenet": both(
        attention="none",
        block="bottleneck",
        channels=16,
        dilations=[1, 2],
        weight_normalisation=False,
        position="none",
        tying="none",
        softmax_bias=True,
    ),
    "convolutional_bottleneck": both(
        block="bottleneck", channels=16, encoder_layers=1, further_layers=[{"layers": 1, "channels": 12, "kernel": 3}]
    ),
    "convolutional_encoder": half("encoder", layers=2),
    "convolutional_decoder": half("decoder", layers=2),
    "convolutional_standing": half("decoder", norm="pre", convolutional=CONVOLUTIONAL | {"attention": "none"}),
    "convolutional_to_recurrent": half("encoder", "recurrent", recurrent=RECURRENT | {"bridge": "tanh"}),
    "convolutional_after_recurrent": half("decoder", "recurrent", recurrent=RECURRENT | {"cell": "lstm"}),
}


def shapes(settings, first):
    """(inputs, channels, kernel, dilation) of each layer."""
    groups = [{"layers": first, "channels": settings["channels"], "kernel": settings["kernel"]}, *settings["further_layers"]]
    sizes = [(group["channels"], group["kernel"]) for group in groups for _ in range(group["layers"])]
    inputs = [settings["channels"]] + [channels for channels, _ in sizes]
    dilations = settings["dilations"]
    return [(inputs[i], *size, dilations[i % len(dilations)]) for i, size in enumerate(sizes)]


class Weighted(nn.Module):
    """A matrix or kernel, of which each row may be a length times a direction."""

    def __init__(self, settings, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))
        if settings["weight_normalisation"]:
            self.magnitude = nn.Parameter(self.weight.detach().flatten(1).norm(dim=1))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None

    def matrix(self):
        if not hasattr(self, "magnitude"):
            return self.weight
        lengths = self.weight.square().flatten(1).sum(1).sqrt()
        return self.weight * (self.magnitude / lengths).view(-1, *[1] * (self.weight.dim() - 1))


class Map(Weighted):
    def __init__(self, settings, inputs, outputs, bias=True):
        super().__init__(settings, outputs, inputs, bias=bias)

    def forward(self, x):
        return F.linear(x, self.matrix(), self.bias)


class Kernel(Weighted):
    def __init__(self, settings, inputs, outputs, taps, dilation):
        super().__init__(settings, outputs, inputs, taps)
        self.taps, self.dilation = taps, dilation

    def forward(self, x, causal):
        """[B, T, in] → [B, T, out]."""
        context = (self.taps - 1) * self.dilation
        before = context if causal else context // 2
        x = F.pad(x.transpose(1, 2), (before, context - before))
        return F.conv1d(x, self.matrix(), self.bias, dilation=self.dilation).transpose(1, 2)


class Normed(nn.Module):
    """A map of the output of layer normalisation and ReLU."""

    def __init__(self, width, epsilon, mapped):
        super().__init__()
        self.norm, self.mapped = nn.LayerNorm(width, eps=epsilon), mapped

    def before(self, x):
        return F.relu(self.norm(x))

    def forward(self, x, *options):
        return self.mapped(self.before(x), *options)


class Layer(nn.Module):
    def __init__(self, model, inputs, channels, taps, dilation):
        super().__init__()
        settings, epsilon = model["convolutional"], model["layer_norm_epsilon"]
        self.gated, self.dropout = settings["block"] == "gated", nn.Dropout(model["dropout"])
        if self.gated:
            self.kernel = Kernel(settings, inputs, 2 * channels, taps, dilation)
        else:
            middle = channels // 2
            self.narrow = Normed(inputs, epsilon, Map(settings, inputs, middle))
            self.kernel = Normed(middle, epsilon, Kernel(settings, middle, middle, taps, dilation))
            self.wide = Normed(middle, epsilon, Map(settings, middle, channels))
        if inputs != channels:
            self.residual = Map(settings, inputs, channels)

    def inner(self, x, causal, real):
        """[B, T, I] → [B, T, C]; `real` [B, T, 1] is 0 where there is padding."""
        x = self.dropout(x)
        if self.gated:
            values, gates = self.kernel(x * real, causal).chunk(2, -1)
            return values * torch.sigmoid(gates)
        x = self.kernel.before(self.narrow(x)) * real
        return self.wide(self.kernel.mapped(x, causal))

    def join(self, x, y):
        y = y + (self.residual(x) if hasattr(self, "residual") else x)
        return y * math.sqrt(0.5) if self.gated else y


class Attention(nn.Module):
    def __init__(self, settings, channels, d_model):
        super().__init__()
        self.query, self.output = Map(settings, channels, d_model), Map(settings, d_model, channels)

    def forward(self, y, embedded, keys, values, mask):
        queries = (self.query(y) + embedded) * math.sqrt(0.5)
        scores = torch.bmm(queries, keys.transpose(1, 2)).masked_fill(~mask[:, None, :], -torch.inf)
        words = mask.sum(1)[:, None, None].to(y.dtype)
        context = torch.bmm(scores.softmax(-1), values) * (words * torch.sqrt(1 / words))
        return (self.output(context) + y) * math.sqrt(0.5)


class Encoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        settings, d_model = model["convolutional"], model["d_model"]
        sizes = shapes(settings, settings["encoder_layers"])
        self.input = Map(settings, d_model, settings["channels"])
        self.layers = nn.ModuleList(Layer(model, *size) for size in sizes)
        self.output = Map(settings, sizes[-1][1], d_model)

    def forward(self, x, real):
        hidden = self.input(x)
        for layer in self.layers:
            hidden = layer.join(hidden, layer.inner(hidden, False, real))
        return self.output(hidden)


class Decoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.settings, d_model = model["convolutional"], model["d_model"]
        settings = self.settings
        sizes = shapes(settings, settings["decoder_layers"])
        self.input = Map(settings, d_model, settings["channels"])
        if settings["attention"] == "none":
            self.source = Map(settings, d_model, settings["channels"], bias=False)
        self.layers = nn.ModuleList(Layer(model, *size) for size in sizes)
        self.attending = settings["attention_layers"] or list(range(1, len(sizes) + 1))
        if settings["attention"] == "none":
            self.attending = []
        elif settings["attention_projections"] == "shared":
            self.attention = Attention(settings, sizes[-1][1], d_model)
        else:
            for number in self.attending:
                self.layers[number - 1].attention = Attention(settings, sizes[number - 1][1], d_model)
        self.output, self.dropout = Map(settings, sizes[-1][1], d_model), nn.Dropout(model["dropout"])

    def forward(self, x, encoded, embedded, mask):
        """[B, T, D], states and embedded source [B, S, D], mask [B, S] → [B, T, D]."""
        hidden, ones = self.input(x), torch.ones(1, 1, 1)
        if hasattr(self, "source"):
            states = encoded * mask[..., None]
            states = F.pad(states, (0, 0, 0, max(0, x.size(1) - states.size(1))))[:, : x.size(1)]
            hidden = hidden + self.source(states)
        values = (encoded + embedded) * math.sqrt(0.5)
        for number, layer in enumerate(self.layers, 1):
            y = layer.inner(hidden, True, ones)
            if number in self.attending:
                attention = self.attention if hasattr(self, "attention") else layer.attention
                y = attention(y, x, encoded, values, mask)
            hidden = layer.join(hidden, y)
        return self.dropout(self.output(hidden))


class Model(torch_recurrent.Model):
    """Any encoder with any decoder."""

    def __init__(self, model, vocabulary, longest=1024):
        super().__init__(model, vocabulary, longest)
        if model["encoder"] == "convolutional":
            self.encoder = Encoder(model)
        if model["decoder"] == "convolutional":
            self.decoder = Decoder(model)

    def asking(self):
        """Returns the number of layers of the decoder that attend to the source."""
        kind = self.model["decoder"]
        if kind == "convolutional":
            return len(self.decoder.attending)
        return self.model["layers"] if kind == "self_attention" else 1

    def embed(self, use, ids, positions):
        embedded = super().embed(use, ids, positions)
        if use == "source":
            self.embedded = embedded
        return embedded

    def encode(self, source):
        if self.model["encoder"] != "convolutional":
            return super().encode(source)
        real = source != PAD
        x = self.embed("source", source, self.source_position)
        encoded = self.encoder(x, real[..., None].to(x.dtype))
        if self.model["convolutional"]["scale_encoder_gradients"] and encoded.requires_grad:
            share = 1 / max(1, self.asking())
            encoded.register_hook(lambda gradient: gradient * share)
        self.last = None
        self.summary = (encoded * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return encoded, real[:, None, None, :]

    def decode(self, target, encoded, mask):
        if self.model["decoder"] != "convolutional":
            return super().decode(target, encoded, mask)
        x = self.embed("target", target, self.target_position)
        return self.decoder(x, encoded, self.embedded, mask[:, 0, 0, :])

    def paths(self):
        for name, parameter in super().paths():
            yield name.replace(".mapped.", "."), parameter
