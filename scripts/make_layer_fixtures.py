#!/usr/bin/env python3
"""Writes tests/fixtures/parity/layers/*.json: Python torch's results for each layer by itself, in float64.

    pip install torch==2.11.0 numpy transformers==5.23.0
    python3 scripts/make_layer_fixtures.py

`tests/parity/layers.rs` computes the same with `ablate` and compares every number. A layer is torch's own
module where there is one, otherwise its formula; `peer` says which. Weights and inputs are made by name
on both sides, as in make_parity_fixtures.py: an input is 2 (2 u - 1), and the gradients are those of the
sum of all outputs times 2 u - 1 of the variable "direction.<output>".
"""

import json
import math
import platform
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import torch
import transformers
from torch import nn
from torch.nn import functional as F

from make_parity_fixtures import start, uniforms
from checks import package
from torch_transformer import MODEL, distances, learning_rate, sinusoids

FOLDER = Path(__file__).parent.parent / "tests/fixtures/parity/layers"
VOCABULARY = 9


def signed(name, shape):
    """Numbers in [-1, 1) of the variable `name`."""
    return torch.from_numpy(2 * uniforms(name, math.prod(shape)) - 1).view(shape)


class Case:
    """One layer's settings, inputs, weights, outputs and gradients."""

    def __init__(self, layer, peer, changes=None, package=f"torch {torch.__version__.split('+')[0]}", **settings):
        self.model = MODEL | (changes or {})
        model = {key: value for key, value in self.model.items() if value is not None}
        self.record = {"layer": layer, "peer": f"{package}: {peer}", "model": model} | settings
        self.leaves = {}
        self.shapes = {}

    def input(self, name, *shape):
        self.shapes[name] = list(shape)
        return self.leaf(name, 2 * signed(name, shape))

    def weight(self, name, *shape):
        return self.leaf(name, start(name, shape))

    def leaf(self, name, values):
        self.leaves[name] = values.requires_grad_()
        return values

    def adopt(self, module, names):
        """Sets the parameters of torch's module; `names` maps each of its names to those of the rows it packs."""
        parameters = dict(module.named_parameters())
        assert parameters.keys() == names.keys(), parameters.keys() ^ names.keys()
        for theirs, ours in names.items():
            parameter = parameters[theirs]
            rows = parameter.size(0) // len(ours)
            with torch.no_grad():
                parameter.copy_(torch.cat([start(name, (rows, *parameter.shape[1:])) for name in ours]))
            for index, name in enumerate(ours):
                self.leaves[name] = (parameter, index * rows, rows)

    def finish(self, **outputs):
        sum((output * signed(f"direction.{name}", output.shape)).sum() for name, output in outputs.items()).backward()
        gradients = {}
        for name, leaf in self.leaves.items():
            if isinstance(leaf, tuple):
                leaf, first, rows = leaf
                gradients[name] = numbers(leaf.grad[first : first + rows])
            else:
                gradients[name] = numbers(leaf.grad)
        return self.done(outputs, gradients)

    def done(self, outputs, gradients):
        versions = {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}
        outputs = {name: numbers(output) for name, output in outputs.items()}
        return self.record | {"versions": versions, "inputs": self.shapes, "outputs": outputs, "gradients": gradients}


def numbers(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def hidden_padding(lengths, width):
    """[B, S], true where there is padding."""
    return torch.arange(width)[None, :] >= torch.tensor(lengths)[:, None]


def hidden_future(length):
    """[T, T], true where a position comes later."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def attention_names(theirs, ours, biases=True):
    """Names in nn.MultiheadAttention, which packs queries, keys and values, to ours."""
    names = {}
    for kind in ["weight", "bias"] if biases else ["weight"]:
        names[f"{theirs}in_proj_{kind}"] = [f"{ours}{part}.{kind}" for part in ("query", "key", "value")]
        names[f"{theirs}out_proj.{kind}"] = [f"{ours}output.{kind}"]
    return names


def attention(layer, changes=None, lengths=None):
    """Self-attention under a padding or a causal mask, or attention to a padded memory."""
    expressible = not {"d_k", "d_v"} & (changes or {}).keys()
    peer = "nn.MultiheadAttention" if expressible else "nn.functional.scaled_dot_product_attention"
    case = Case(layer, peer, changes, lengths=lengths)
    d_model, heads, biases = (case.model[key] for key in ("d_model", "heads", "attention_biases"))
    x = case.input("x", 2, 5, d_model)
    memory = case.input("memory", 2, 6, d_model) if layer == "cross_attention" else x
    hidden = hidden_future(5) if lengths is None else hidden_padding(lengths, memory.size(1))
    if expressible:
        module = nn.MultiheadAttention(d_model, heads, bias=biases, batch_first=True)
        case.adopt(module, attention_names("", "", biases))
        masks = {"attn_mask": hidden} if lengths is None else {"key_padding_mask": hidden}
        return case.finish(output=module(x, memory, memory, need_weights=False, **masks)[0])
    widths = [case.model["d_k"] or d_model // heads] * 2 + [case.model["d_v"] or d_model // heads]

    def project(name, x, outputs):
        weight = case.weight(f"{name}.weight", outputs, x.size(-1))
        return F.linear(x, weight, case.weight(f"{name}.bias", outputs) if biases else None)

    q, k, v = (
        project(name, x, heads * width).unflatten(-1, (heads, width)).transpose(1, 2)
        for name, x, width in zip(("query", "key", "value"), (x, memory, memory), widths)
    )
    visible = ~(hidden if lengths is None else hidden[:, None, None, :])
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    return case.finish(output=project("output", mixed.transpose(1, 2).flatten(2), d_model))


def relative_attention(furthest, lengths=None, changes=None):
    """Shaw et al. 2018, equations 3 and 4: a vector for every pair of a query and a key."""
    case = Case("self_attention", "torch.einsum", {"position": {"relative": furthest}} | (changes or {}), lengths=lengths)
    model, (batch, length) = case.model, (2, 5)
    heads = model["heads"]
    d_k, d_v = (model[key] or model["d_model"] // heads for key in ("d_k", "d_v"))
    x = case.input("x", batch, length, model["d_model"])

    def project(name, x, outputs):
        return F.linear(x, case.weight(f"{name}.weight", outputs, x.size(-1)), case.weight(f"{name}.bias", outputs))

    q, k, v = (
        project(name, x, heads * width).unflatten(-1, (heads, width))
        for name, width in (("query", d_k), ("key", d_k), ("value", d_v))
    )
    tables = [case.weight(f"relative_{name}.weight", 2 * furthest + 1, d) for name, d in (("key", d_k), ("value", d_v))]
    which = distances(length).clamp(-furthest, furthest) + furthest
    a_k, a_v = (table[which] for table in tables)  # [T, T, width]
    scores = torch.einsum("bihd,bjhd->bhij", q, k) + torch.einsum("bihd,ijd->bhij", q, a_k)
    hidden = hidden_future(length) if lengths is None else hidden_padding(lengths, length)[:, None, None, :]
    weights = (scores / math.sqrt(d_k)).masked_fill(hidden, -math.inf).softmax(-1)
    mixed = torch.einsum("bhij,bjhd->bihd", weights, v) + torch.einsum("bhij,ijd->bihd", weights, a_v)
    return case.finish(output=project("output", mixed.flatten(2), model["d_model"]))


def rotary_attention(lengths):
    """Hugging Face's RoFormer: its layer in eager attention, with its table of sines in float64, where it rounds to float32."""
    from transformers.models.roformer import modeling_roformer as roformer

    case = Case("self_attention", "RoFormerSelfAttention", {"position": "rotary"}, package("transformers"), lengths=lengths)
    d_model, heads = case.model["d_model"], case.model["heads"]
    x = case.input("x", 2, 5, d_model)
    config = roformer.RoFormerConfig(
        hidden_size=d_model, embedding_size=d_model, num_attention_heads=heads, attention_probs_dropout_prob=0.0
    )
    module = roformer.RoFormerSelfAttention(config)
    case.adopt(module, {f"{part}.{kind}": [f"{part}.{kind}"] for part in ("query", "key", "value") for kind in ("weight", "bias")})
    d_k = d_model // heads
    table = sinusoids("sinusoidal", 5, d_k)
    rounded = roformer.RoFormerSinusoidalPositionalEmbedding(5, d_k)
    rounded.weight = nn.Parameter(rounded.create_weight(), requires_grad=False)
    table = torch.cat([table[:, 0::2], table[:, 1::2]], dim=-1)  # sines before cosines
    assert (table - rounded(torch.Size([2, 5]))).abs().max() < 1e-7
    hidden = hidden_padding(lengths, 5)
    mask = torch.zeros(2, 1, 1, 5).masked_fill(hidden[:, None, None, :], -math.inf)
    mixed = module(x, attention_mask=mask, sinusoidal_pos=table[None, None])[0]
    weight, bias = case.weight("output.weight", d_model, d_model), case.weight("output.bias", d_model)
    return case.finish(output=F.linear(mixed, weight, bias))


def outside_positions():
    """Functions of distances in transformers: T5's buckets, and BLOOM's ALiBi, whose numbers are float32."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    from transformers.models.t5.modeling_t5 import T5Attention

    reach = torch.arange(-600, 601)

    def buckets(causal):
        return T5Attention._relative_position_bucket(reach, bidirectional=not causal).tolist()

    def slopes(heads):
        return build_alibi_tensor(torch.ones(1, 2), heads, torch.float64)[:, 0, 1].tolist()

    return {
        "peer": package("transformers"),
        "first_distance": -600,
        "t5_encoder": buckets(causal=False),
        "t5_decoder": buckets(causal=True),
        "alibi_slopes": {heads: slopes(heads) for heads in range(1, 17)},
    }


def feed_forward():
    case = Case("feed_forward", "nn.Linear, nn.ReLU")
    d_model, d_ff = case.model["d_model"], case.model["d_ff"]
    module = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model))
    names = {f"{i}.{kind}": [f"{name}.{kind}"] for i, name in ((0, "inner"), (2, "outer")) for kind in ("weight", "bias")}
    case.adopt(module, names)
    return case.finish(output=module(case.input("x", 2, 5, d_model)))


def layer_norm(epsilon):
    case = Case("layer_norm", "nn.LayerNorm", {"layer_norm_epsilon": epsilon})
    module = nn.LayerNorm(case.model["d_model"], eps=epsilon)
    case.adopt(module, {"weight": ["scale"], "bias": ["offset"]})
    return case.finish(output=module(case.input("x", 2, 5, case.model["d_model"])))


def residual(norm):
    """A residual connection around the sub-layer tanh, which has no weights."""
    case = Case("residual", "nn.LayerNorm", {"norm": norm})
    d_model = case.model["d_model"]
    module = nn.LayerNorm(d_model, eps=case.model["layer_norm_epsilon"])
    case.adopt(module, {"weight": ["norm.scale"], "bias": ["norm.offset"]})
    x = case.input("x", 2, 5, d_model)
    return case.finish(output=x + module(x).tanh() if norm == "pre" else module(x + x.tanh()))


def embedding(changes=None):
    """Source embeddings from position 0, target embeddings from position 3, and scores of all rows."""
    source, target = [[3, 7, 5, 2], [8, 3, 2, 0]], [[1, 4, 6], [1, 8, 8]]
    case = Case("embedding", "nn.Embedding", changes, source=source, target=target, vocabulary=VOCABULARY)
    model = case.model
    rows, d_model = model["embedding_rows"] or VOCABULARY, model["d_model"]
    own = {"all": ["shared"] * 3, "decoder": ["source", "target", "target"], "none": ["source", "target", "softmax"]}
    modules = {name: nn.Embedding(rows, d_model) for name in dict.fromkeys(own[model["tying"]])}
    for name, module in modules.items():
        case.adopt(module, {"weight": [f"embedding.{name}.weight"]})
    use = dict(zip(("source", "target", "softmax"), own[model["tying"]]))

    def embed(side, ids, first):
        x = modules[use[side]](torch.tensor(ids)) * math.sqrt(d_model)
        if model["position"] == "none":
            return x
        if model["position"] == "learned":
            table = case.weight(f"{side}_position.weight", model["learned_positions"], d_model)
        else:
            table = sinusoids(model["position"], 16, d_model)
        return x + table[first : first + x.size(1)]

    outputs = {"source": embed("source", source, 0), "target": embed("target", target, 3)}
    return case.finish(**outputs, scores=F.linear(case.input("x", 2, 3, d_model), modules[use["softmax"]].weight))


def cross_entropy(layer, smoothing):
    """Cross-entropy against the target distribution, written out: KL divergence from it plus its entropy."""
    peer = "nn.functional.kl_div"
    # Two rows of the matrix are beyond the vocabulary: no target names them, the softmax counts them.
    targets, rows = [3, 8, 2, 5, 3, 0, 7], VOCABULARY + 2
    case = Case(layer, peer, {"embedding_rows": rows}, targets=targets, label_smoothing=smoothing)
    hidden, matrix = case.input("hidden", len(targets), 4), case.input("matrix", rows, 4)
    log_p = F.log_softmax(hidden @ matrix.T, dim=-1)
    wanted = torch.full_like(log_p, smoothing / (rows - 1)).scatter(1, torch.tensor(targets)[:, None], 1 - smoothing)
    entropy = -torch.xlogy(wanted, wanted).sum()
    smoothed = F.kl_div(log_p, wanted, reduction="sum") + entropy
    unsmoothed = F.nll_loss(log_p, torch.tensor(targets), reduction="sum").detach()
    smoothed.backward()
    gradients = {name: numbers(leaf.grad) for name, leaf in case.leaves.items()}
    return case.done({"smoothed": smoothed, "unsmoothed": unsmoothed}, gradients)


def r_drop(alpha):
    """Two passes as in the paper's released criterion, and half of its sum."""
    targets, rows = [3, 8, 2, 5, 3, 0, 7], VOCABULARY + 2
    settings = {"targets": targets, "label_smoothing": 0.1, "r_drop": alpha}
    case = Case("r_drop", "nn.functional.kl_div, cross_entropy", {"embedding_rows": rows}, **settings)
    passes = [case.input("hidden", len(targets), 4), case.input("hidden_again", len(targets), 4)]
    matrix, wanted = case.input("matrix", rows, 4), torch.tensor(targets)
    log_p, log_q = (F.log_softmax(hidden @ matrix.T, dim=-1) for hidden in passes)
    # Here torch's smoothing gives every class the same share; ours gives none of it to the reference.
    epsilon = 0.1 * rows / (rows - 1)
    smoothed = [F.cross_entropy(scores, wanted, label_smoothing=epsilon, reduction="sum") for scores in (log_p, log_q)]
    apart = [F.kl_div(a, b, log_target=True, reduction="sum") for a, b in ((log_p, log_q), (log_q, log_p))]
    ((sum(smoothed) + alpha * sum(apart) / 2) / 2).backward()
    unsmoothed = [F.nll_loss(scores, wanted, reduction="sum").detach() for scores in (log_p, log_q)]
    gradients = {name: numbers(leaf.grad) for name, leaf in case.leaves.items()}
    return case.done({"smoothed": sum(smoothed) / 2, "unsmoothed": sum(unsmoothed) / 2}, gradients)


def stack(layer, changes):
    """A stack of encoder or decoder layers, under padding and causal masks."""
    decoder = layer == "decoder"
    lengths = [6, 4]
    peer = f"nn.Transformer{layer.capitalize()}, nn.Transformer{layer.capitalize()}Layer"
    case = Case(layer, peer, changes, lengths=lengths)
    model = case.model
    d_model, epsilon, pre = model["d_model"], model["layer_norm_epsilon"], model["norm"] == "pre"
    settings = {"dropout": 0.0, "layer_norm_eps": epsilon, "batch_first": True, "norm_first": pre}
    one = (nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer)(
        d_model, model["heads"], model["d_ff"], **settings
    )
    end = nn.LayerNorm(d_model, eps=epsilon) if pre else None
    if decoder:
        module = nn.TransformerDecoder(one, model["layers"], end)
    else:
        module = nn.TransformerEncoder(one, model["layers"], end, enable_nested_tensor=False)
    names = {"norm.weight": ["norm.scale"], "norm.bias": ["norm.offset"]} if pre else {}
    parts = ["self_attention", "cross_attention", "feed_forward"] if decoder else ["self_attention", "feed_forward"]
    for i in range(model["layers"]):
        names |= attention_names(f"layers.{i}.self_attn.", f"{i}.self_attention.")
        if decoder:
            names |= attention_names(f"layers.{i}.multihead_attn.", f"{i}.cross_attention.")
        for kind in ("weight", "bias"):
            names[f"layers.{i}.linear1.{kind}"] = [f"{i}.feed_forward.inner.{kind}"]
            names[f"layers.{i}.linear2.{kind}"] = [f"{i}.feed_forward.outer.{kind}"]
        for number, part in enumerate(parts, start=1):
            names[f"layers.{i}.norm{number}.weight"] = [f"{i}.{part}.norm.scale"]
            names[f"layers.{i}.norm{number}.bias"] = [f"{i}.{part}.norm.offset"]
    case.adopt(module, names)
    if not decoder:
        x = case.input("x", 2, 6, d_model)
        return case.finish(output=module(x, src_key_padding_mask=hidden_padding(lengths, 6)))
    x, encoded = case.input("x", 2, 5, d_model), case.input("encoded", 2, 6, d_model)
    hidden = hidden_padding(lengths, 6)
    return case.finish(output=module(x, encoded, tgt_mask=hidden_future(5), memory_key_padding_mask=hidden))


def optimizer(clip_norm=None, weight_decay=None):
    """Ten updates by given gradients under the schedule. torch's own clipping adds 1e-6 to the norm and
    so comes near the limit only; ours reaches it, as tensor2tensor's does, and is written out here.
    With weight decay, which biases are spared, the optimizer is AdamW."""
    training = {"learning_rate_scale": 0.5, "warmup_steps": 4, "adam_beta1": 0.9, "adam_beta2": 0.98}
    training |= {"adam_epsilon": 1e-9} | ({} if clip_norm is None else {"clip_norm": clip_norm})
    training |= {} if weight_decay is None else {"weight_decay": weight_decay}
    peer = f"optim.{'Adam' if weight_decay is None else 'AdamW'}, optim.lr_scheduler.LambdaLR, nn.utils.get_total_norm"
    case = Case("optimizer", peer, training=training)
    shapes = {"matrix.weight": (3, 4), "vector.bias": (5,), "unused.weight": (2, 2)}
    weights = {name: case.weight(name, *shape) for name, shape in shapes.items()}
    betas = training["adam_beta1"], training["adam_beta2"]
    settings = {"lr": 1.0, "betas": betas, "eps": training["adam_epsilon"]}
    if weight_decay is None:
        adam = torch.optim.Adam(weights.values(), **settings)
    else:
        decayed = [weight for name, weight in weights.items() if not name.endswith(".bias")]
        spared = [weight for name, weight in weights.items() if name.endswith(".bias")]
        groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
        adam = torch.optim.AdamW(groups, **settings)

    def rate(done):
        scale, warmup = training["learning_rate_scale"], training["warmup_steps"]
        return learning_rate(done + 1, case.model["d_model"], scale, warmup)

    schedule = torch.optim.lr_scheduler.LambdaLR(adam, rate)
    norms, rates, outputs = [], [], {}
    for update in range(1, 11):
        for name in ("matrix.weight", "vector.bias"):
            # Sizes that vary, so that clipping is felt.
            weights[name].grad = signed(f"gradient.{update}.{name}", shapes[name]) * (update % 3 + 0.1)
        norms.append(torch.nn.utils.get_total_norm([w.grad for w in weights.values() if w.grad is not None]))
        if clip_norm is not None:
            for weight in weights.values():
                if weight.grad is not None:
                    weight.grad *= min(1.0, clip_norm / norms[-1].item())
        rates.append(schedule.get_last_lr()[0])
        adam.step()
        schedule.step()
        outputs |= {f"update {update}: {name}": weight.detach().clone() for name, weight in weights.items()}
    for name, weight in weights.items():
        if weight.grad is not None:
            outputs[f"first moment: {name}"] = adam.state[weight]["exp_avg"]
            outputs[f"second moment: {name}"] = adam.state[weight]["exp_avg_sq"]
    outputs |= {"gradient norms": torch.stack(norms), "learning rates": torch.tensor(rates)}
    return case.done(outputs, {})


def schedule():
    """The paper's configuration, in 40 decimal digits."""
    getcontext().prec = 40
    d_model, warmup, steps = 512, 4000, [1, 2, 10, 3999, 4000, 4001, 100_000, 300_000]
    python = f"Python {platform.python_version()}"
    case = Case("schedule", "decimal", {"d_model": d_model}, python, steps=steps)

    def rate(step):
        step, half = Decimal(step), Decimal("-0.5")
        return float(Decimal(d_model) ** half * min(step**half, step * Decimal(warmup) ** Decimal("-1.5")))

    return case.done({"learning rates": torch.tensor([rate(step) for step in steps])}, {})


def stated_schedule(name):
    """A schedule with a stated peak as transformers has it. Updates count from 1 here and from 0 there, where the first
    one has a rate of 0: update s is their index s, of a training of one update more. torch's own schedulers, put one
    after the other, are held to the same but for the rounding of their recursions."""
    warmup, updates, peak = 40, 200, 7e-4
    training = {"schedule": name, "peak_learning_rate": peak, "warmup_steps": warmup, "steps": updates}
    steps = [1, 2, 39, 40, 41, 77, 120, 199, 200]
    after, linear = updates + 1 - warmup, torch.optim.lr_scheduler.LinearLR
    make, torchs = {
        "inverse_sqrt": (lambda o: transformers.get_inverse_sqrt_schedule(o, warmup), None),
        "cosine": (
            lambda o: transformers.get_cosine_schedule_with_warmup(o, warmup, updates + 1),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, after),
        ),
        "linear": (
            lambda o: transformers.get_linear_schedule_with_warmup(o, warmup, updates + 1),
            lambda o: linear(o, 1.0, 0.0, after),
        ),
        "constant": (
            lambda o: transformers.get_constant_schedule_with_warmup(o, warmup),
            lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0),
        ),
    }[name]

    def rates(scheduler):
        found = []
        for _ in range(updates + 1):
            found.append(scheduler.get_last_lr()[0])
            scheduler.optimizer.step()
            scheduler.step()
        return found

    def sgd():
        return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)

    theirs = rates(make(sgd()))[1:]
    if torchs is not None:
        optimizer = sgd()
        parts = [linear(optimizer, 1 / warmup, 1.0, warmup - 1), torchs(optimizer)]
        chained = rates(torch.optim.lr_scheduler.SequentialLR(optimizer, parts, [warmup - 1]))[:updates]
        gap = max(abs(a - b) for a, b in zip(theirs, chained, strict=True))
        assert gap < 1e-12 * peak, (name, gap)
    function = f"get_{name}_schedule" + ("" if name == "inverse_sqrt" else "_with_warmup")
    case = Case("schedule", function, package=package("transformers"), training=training, steps=steps)
    return case.done({"learning rates": torch.tensor([theirs[step - 1] for step in steps])}, {})


CASES = {
    "attention_padding": lambda: attention("self_attention", lengths=[5, 3]),
    "attention_causal": lambda: attention("self_attention"),
    "attention_cross": lambda: attention("cross_attention", lengths=[6, 2]),
    "attention_one_head": lambda: attention("self_attention", {"heads": 1}, [5, 3]),
    "attention_no_biases": lambda: attention("cross_attention", {"attention_biases": False}, [4, 6]),
    "attention_d_k_not_d_v": lambda: attention("cross_attention", {"d_k": 3, "d_v": 5}, [6, 1]),
    "attention_heads_not_d_model": lambda: attention("self_attention", {"heads": 3, "d_k": 4, "d_v": 4}),
    "attention_relative": lambda: relative_attention(2, [5, 3]),
    "attention_relative_causal": lambda: relative_attention(1, changes={"d_k": 3, "d_v": 5}),
    "attention_relative_far": lambda: relative_attention(7, [2, 5]),
    "attention_rotary": lambda: rotary_attention([5, 3]),
    "feed_forward": feed_forward,
    "layer_norm": lambda: layer_norm(1e-6),
    "layer_norm_epsilon": lambda: layer_norm(0.1),
    "residual_post": lambda: residual("post"),
    "residual_pre": lambda: residual("pre"),
    "embedding_sinusoidal": lambda: embedding(),
    "embedding_sinusoidal_halves": lambda: embedding({"position": "sinusoidal_halves"}),
    "embedding_learned": lambda: embedding({"position": "learned"}),
    "embedding_no_positions": lambda: embedding({"position": "none"}),
    "embedding_decoder_tied": lambda: embedding({"tying": "decoder"}),
    "embedding_untied": lambda: embedding({"tying": "none"}),
    "embedding_padded_rows": lambda: embedding({"embedding_rows": 12}),
    "cross_entropy_0": lambda: cross_entropy("cross_entropy", 0.0),
    "cross_entropy_0.1": lambda: cross_entropy("cross_entropy", 0.1),
    "cross_entropy_0.2": lambda: cross_entropy("cross_entropy", 0.2),
    "projected_cross_entropy_0": lambda: cross_entropy("projected_cross_entropy", 0.0),
    "projected_cross_entropy_0.1": lambda: cross_entropy("projected_cross_entropy", 0.1),
    "projected_cross_entropy_0.2": lambda: cross_entropy("projected_cross_entropy", 0.2),
    "r_drop": lambda: r_drop(5.0),
    "encoder_layer_post": lambda: stack("encoder", {}),
    "encoder_layer_pre": lambda: stack("encoder", {"norm": "pre"}),
    "encoder_two_layers": lambda: stack("encoder", {"norm": "pre", "layers": 2}),
    "decoder_layer_post": lambda: stack("decoder", {}),
    "decoder_layer_pre": lambda: stack("decoder", {"norm": "pre"}),
    "decoder_two_layers": lambda: stack("decoder", {"layers": 2}),
    "optimizer": optimizer,
    "optimizer_clipped": lambda: optimizer(1.5),
    "optimizer_weight_decay": lambda: optimizer(1.5, weight_decay=0.3),
    "schedule": schedule,
    "schedule_inverse_sqrt": lambda: stated_schedule("inverse_sqrt"),
    "schedule_cosine": lambda: stated_schedule("cosine"),
    "schedule_linear": lambda: stated_schedule("linear"),
    "schedule_constant": lambda: stated_schedule("constant"),
}


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        # One line a tensor, so that a diff shows which one moved.
        text = json.dumps(make(), separators=(",", ":")).replace('},"', '},\n"')
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {len(text)} bytes")
    (FOLDER.parent / "positions.json").write_text(json.dumps(outside_positions(), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
