"""Compares exports of language models by `ablate export` with Hugging Face transformers: `--format openai-gpt` with
OpenAIGPTLMHeadModel, `--format bert` with BertForMaskedLM. A part of `check_export.py`.

Small models of every variant are trained on running text. Logits are compared with `torch_transformer.py` and
`torch_masked.py`, which `tests/parity` compares with ablate, on ablate's own exported weights. The first model of each kind is
also compared with numbers and texts of ablate itself: tokens of a text, the loss of the dev set, generated text; and a
model without an encoder that translates with ablate's prompts and translations.
"""

import glob
import json
import os
import random
import sys

import torch
import torch_masked
import torch_transformer
import transformers
from exported import HUGGING_FACE, TRANSLATING, Ablate, check_logits, reference, train
from programs import output
from stores import read_store
from torch.nn.utils.rnn import pad_sequence
from torch_transformer import BOS, EOS, PAD

# Largest relative gap, in float64 on both sides.
LOSS_TOLERANCE = 1e-12

BLOCK = 16
RECIPE = f"""
name = "running"
source_language = "en"
target_language = "en"
[data]
merges = 60
max_length = {BLOCK}
[corpus.files]
train = [{{ source = "train.txt", target = "train.txt", format = "running" }}]
dev = {{ source = "dev.txt", target = "dev.txt", format = "running" }}
test = {{ source = "dev.txt", target = "dev.txt", format = "running" }}
"""

EXPERIMENT = """
[data]
recipe = "running.toml"
[model]
KIND = "none"
layers = 2
d_model = 16
d_ff = 24
heads = 2
[training]
# Few and large steps: norms and biases leave their ones and zeros.
steps = 3
label_smoothing = 0.0
warmup_steps = 1
learning_rate_scale = 0.2
batch_tokens = 400
micro_batch_tokens = 400
checkpoint_interval_steps = 3
average_checkpoints = 1
dev_interval_steps = 3
precision = "float64"
[run]
device = "cpu"
threads = 1
tensorboard = false
"""

LEARNED = {"position": "learned", "learned_positions": BLOCK, "embedding_scale": False}

# Settings that both formats express, or refuse by the name of the setting.
BOTH = {
    "paper": ({}, None),
    "halves": ({"position": "sinusoidal_halves"}, None),
    "no positions": ({"position": "none"}, None),
    "untied": ({"tying": "none"}, None),
    "no biases": ({"attention_biases": False}, None),
    "large epsilon": ({"layer_norm_epsilon": 0.01}, None),
    "narrow heads": ({"d_k": 3, "d_v": 5}, None),
    "padded rows": ({"embedding_rows": 700}, None),
    "Swish": ({"activation": "swish"}, None),
    "GELU by tanh": ({"activation": "gelu_tanh"}, None),
    "dot products": ({"attention.score": "dot"}, None),
    "a matrix in scores": ({"attention.score": "multiplicative"}, None),
    "no projections": ({"attention.projections": "none"}, None),
    "SwiGLU": ({"activation": "swiglu"}, "model.activation"),
    "pre-norm": ({"norm": "pre"}, "model.norm"),
    "RMS norm": ({"norm_kind": "rms"}, "model.norm_kind"),
    "rotary": ({"position": "rotary"}, "model.position"),
    "wide keys": ({"d_k": 11}, "model.d_k"),
    "additive scores": ({"attention.score": "additive"}, "model.attention.score"),
    "local": ({"attention.span": {"local": 3}}, "model.attention.span"),
    "no residual": ({"residual": False}, "model.residual"),
}

GPT = {
    "exact": (LEARNED | {"activation": "gelu_tanh", "d_ff": 64, "layer_norm_epsilon": 1e-5}, None),
    "exact and untied": (LEARNED | {"tying": "none"}, None),
    **BOTH,
    "GELU": ({"activation": "gelu"}, "model.activation"),
    "wide d_ff": ({"d_ff": 65}, "model.d_ff"),
    "bias of the softmax": ({"softmax_bias": True}, "model.softmax_bias"),
}

BERT = {
    "exact": (LEARNED | {"activation": "gelu", "softmax_bias": True, "layer_norm_epsilon": 1e-12}, None),
    "exact and untied": (LEARNED | {"softmax_bias": True, "tying": "none"}, None),
    **BOTH,
    "GELU": ({"activation": "gelu"}, None),
    "wide d_ff": ({"d_ff": 65}, None),
    "no segments": ({"masked.segments": 0}, None),
    "next sentence": (LEARNED | {"softmax_bias": True, "learned_positions": BLOCK + 3, "masked.next_sentence": True}, None),
    "next sentence, no segments": ({"masked.next_sentence": True, "masked.segments": 0}, None),
    "next sentence, one segment": ({"masked.next_sentence": True, "masked.segments": 1}, None),
    "embeddings as they are": ({"masked.embedding_norm": False}, "model.masked.embedding_norm"),
    "no head": ({"masked.head": "none"}, "model.masked.head"),
}


def write_text(path, count, draw):
    """Lines of words and signs, some of them empty, with blanks at some ends."""
    words = ["The", "the", "cat", "mouse", "saw", "ate", "Åsa", "naïve", "42", "3.5", "well-known", "(once)", "don't"]
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for _ in range(count):
            length = draw.choice([0, 3, 5, 8, 9])
            line = " ".join(draw.choice(words) for _ in range(length))
            file.write(line + draw.choice([".", "!", "", " ", "  "]) + "\n")


def random_texts(vocabulary):
    """Ids [B, T] of texts of 1 to a block's number of tokens, padded."""
    draw = random.Random(7)
    lengths = [draw.randint(1, BLOCK) for _ in range(24)]
    return pad_sequence(
        [torch.tensor([draw.randrange(3, vocabulary) for _ in range(length)]) for length in lengths], batch_first=True
    )


def check_language_models(checks, binary, folder):
    """Adds the comparisons of both kinds to `checks`; writes below `folder`."""
    draw = random.Random(5)
    for name, lines in [("train.txt", 300), ("dev.txt", 40)]:
        write_text(os.path.join(folder, name), lines, draw)
    ablate = Ablate(binary, os.path.join(folder, "data"), os.path.join(folder, "language-models"))
    with open(os.path.join(folder, "running.toml"), "w", encoding="utf-8") as file:
        file.write(RECIPE)
    ablate.call("prepare", os.path.join(folder, "running.toml"), "--source", folder)
    check_kind(checks, ablate, folder, "openai-gpt", "encoder", GPT)
    check_kind(checks, ablate, folder, "bert", "decoder", BERT)
    check_translating(checks, ablate, folder)


def check_kind(checks, ablate, folder, format, missing, variants):
    experiment = os.path.join(folder, f"{format}.toml")
    with open(experiment, "w", encoding="utf-8") as file:
        file.write(EXPERIMENT.replace("KIND", missing))
    own = {"openai-gpt": (gpt_logits, check_gpt_itself), "bert": (bert_logits, check_bert_itself)}
    logits, check_itself = own[format]
    for variant, (settings, no_place) in variants.items():
        name = f"{format}, {variant}"
        trained = train(ablate, experiment, name, settings)
        plain, out = (os.path.join(trained, "exported", kind) for kind in ("safetensors", format))
        if no_place:
            refused = no_place in ablate.refusal(trained, format, out)
            checks.add(f"{name}: refused, naming {no_place}", HUGGING_FACE, "1 export", int(not refused))
            continue
        ablate.export(trained, "safetensors", plain)
        program = ablate.export(trained, format, out)
        model = logits(checks, name, plain, out)
        if variant == "exact":
            check_tokenizer(checks, name, folder, out)
            check_itself(checks, name, ablate, folder, trained, out, program, model)


def gpt_logits(checks, name, plain, out):
    """Compares logits; returns the reference."""
    model, vocabulary = reference(plain, torch_transformer.Transformer, torch_transformer.MODEL)
    texts = random_texts(vocabulary)
    inputs = torch.cat([torch.full_like(texts[:, :1], BOS), texts[:, :-1]], 1)
    with torch.no_grad():
        expected = model(None, inputs)
    check_logits(
        checks, name, transformers.OpenAIGPTLMHeadModel, out, {"input_ids": inputs}, expected, texts != PAD
    )
    return model


def bert_logits(checks, name, plain, out):
    """Compares logits at all positions of texts some of whose tokens are hidden; returns the reference."""
    model, vocabulary = reference(plain, torch_masked.Masked, torch_masked.MODEL)
    texts = random_texts(vocabulary)
    real = texts != PAD
    hidden = torch.rand(texts.shape, generator=torch.Generator().manual_seed(3)) < 0.3
    inputs = texts.masked_fill(hidden & real, BOS)
    given = {"input_ids": inputs, "attention_mask": real.long()}
    architecture, second = transformers.BertForMaskedLM, None
    if hasattr(model, "next_sentence"):
        # Second texts begin in the middle of the rows.
        segments = (real.cumsum(1) > real.sum(1, keepdim=True) // 2).long() * real
        model.segments = lambda _: segments
        given["token_type_ids"] = segments
        architecture = transformers.BertForPreTraining
        with torch.no_grad():
            second = model.next_scores(inputs)
        check_pairs(checks, name, out)
    with torch.no_grad():
        expected = model(inputs, real)
    check_logits(checks, name, architecture, out, given, expected, real, second)
    return model


def check_pairs(checks, name, out):
    """Checks the tokens around two texts, and their types."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    first, second = "The cat saw", "the mouse."
    found = tokenizer(first, second)
    bare = [tokenizer(text, add_special_tokens=False).input_ids for text in (first, second)]
    wanted = [EOS, *bare[0], EOS, *bare[1], EOS]
    types = [0] * (len(bare[0]) + 2) + [1] * (len(bare[1]) + 1)
    strange = int(found.input_ids != wanted) + int(found.token_type_ids != types)
    strange += int([tokenizer.cls_token_id, tokenizer.sep_token_id] != [EOS, EOS])
    strange += int(tokenizer.decode(found.input_ids, skip_special_tokens=True).split() != f"{first} {second}".split())
    checks.add(f"{name}: tokens around two texts, and types", HUGGING_FACE, f"{len(wanted)} tokens", strange)


def prepared(folder):
    """Returns the text of the dev set, and its blocks as ids."""
    with open(os.path.join(folder, "dev.txt"), encoding="utf-8", newline="") as file:
        text = file.read()
    [store] = glob.glob(os.path.join(folder, "data", "running-*", "dev.store"))
    return text, read_store(store)[1]


def check_tokenizer(checks, name, folder, out):
    """Checks that AutoTokenizer gives the ids of the prepared text, line by line, and restores the text."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    text, blocks = prepared(folder)
    ids = [id for block in blocks for id in block]
    for part in [text, text + "<s> </s> <pad>"]:
        found = tokenizer(part, add_special_tokens=False).input_ids
        if part == text:
            checks.add(f"{name}: ids of running text", HUGGING_FACE, f"{len(ids)} tokens", int(found != list(ids)))
        # A text that spells a special token does not become one.
        again = tokenizer.decode(found) == part and min(found) > 2
        checks.add(f"{name}: text of these ids", HUGGING_FACE, f"{len(part)} characters", int(not again))


def check_gpt_itself(checks, name, ablate, folder, trained, out, program, _):
    """Compares with the loss of the dev set that the run recorded, and with texts that it writes."""
    with open(os.path.join(trained, "record.json"), encoding="utf-8") as file:
        recorded = json.load(file)["record"]["metrics"]["dev/loss"]
    model = transformers.OpenAIGPTLMHeadModel.from_pretrained(out).eval()
    nats, tokens = 0.0, 0
    for block in prepared(folder)[1]:
        ids = torch.tensor([list(block)])
        inputs = torch.cat([torch.tensor([[BOS]]), ids[:, :-1]], 1)
        with torch.no_grad():
            found = torch.log_softmax(model(inputs).logits, -1).gather(-1, ids.unsqueeze(-1))
        nats, tokens = nats - found.sum().item(), tokens + ids.numel()
    gap = abs(nats / tokens / recorded - 1)
    checks.add(f"{name}: dev/loss of the run", HUGGING_FACE, f"{tokens} tokens", gap, LOSS_TOLERANCE)
    prompt, count = "The cat", 8
    words = ["--prompt", prompt, "--tokens", str(count), "--temperature", "0"]
    wanted = ablate.call("generate", trained, *words)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    # With the special tokens in front and those left out that the folder says.
    inputs = tokenizer(prompt, return_tensors="pt")
    ids = model.generate(**inputs, do_sample=False, max_length=None, max_new_tokens=count)
    found = tokenizer.decode(ids[0], skip_special_tokens=True) + "\n"
    checks.add(f"{name}: the most probable text", HUGGING_FACE, f"{count} tokens", int(found != wanted))
    written = output([sys.executable, "-c", program], quiet=True, input=f"{prompt}\n")
    begins = written.startswith(prompt) and len(written) > len(prompt) + 1
    checks.add(f"{name}: the printed program's text", HUGGING_FACE, "1 line", int(not begins))


def check_translating(checks, ablate, folder):
    """Checks a model without an encoder that translates: its prompts, and greedy search up to ablate's limit."""
    name, experiment = "openai-gpt, translating", os.path.join(folder, "translating.toml")
    with open(experiment, "w", encoding="utf-8") as file:
        file.write(TRANSLATING)
    trained = train(ablate, experiment, name, {"encoder": "none"})
    out = os.path.join(trained, "exported")
    ablate.export(trained, "openai-gpt", out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    model = transformers.OpenAIGPTLMHeadModel.from_pretrained(out).eval()
    [store] = glob.glob(os.path.join(folder, "data", "small-*", "test.store"))
    with open(os.path.join(os.path.dirname(store), "test.source.txt"), encoding="utf-8", newline="\n") as file:
        lines = file.read().splitlines()
    found, strange = "", 0
    for line, source in zip(lines, read_store(store)[0]):
        inputs = tokenizer(line, return_tensors="pt")
        length = inputs.input_ids.shape[1]
        strange += inputs.input_ids[0].tolist() != [*source, EOS, BOS]
        # The experiment's max_extra_length.
        longest = len(source) + 4
        greedy = {"num_beams": 1, "early_stopping": False, "max_length": None, "max_new_tokens": longest}
        ids = model.generate(**inputs, **greedy)[0, length:]
        found += tokenizer.decode(ids, skip_special_tokens=True) + "\n"
    checks.add(f"{name}: prompts of sources", HUGGING_FACE, f"{len(lines)} lines", strange)
    wanted = ablate.call("translate", trained, "--beam", "1", input="".join(f"{line}\n" for line in lines))
    different = sum(a != b for a, b in zip(found.split("\n"), wanted.split("\n"), strict=True))
    checks.add(f"{name}: greedy translations that differ", HUGGING_FACE, f"{len(lines)} lines", different)


def check_bert_itself(checks, name, ablate, folder, trained, out, program, model):
    """Compares the token that the printed program finds with the reference's."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    line = "The cat saw the mouse."
    ids = torch.tensor([tokenizer(line).input_ids])
    middle = ids.shape[1] // 2
    ids[0, middle] = BOS
    with torch.no_grad():
        scores = model(ids, ids != PAD)[0, middle, 3 : len(tokenizer)]
    wanted = tokenizer.decode([3 + int(scores.argmax())]) + "\n"
    found = output([sys.executable, "-c", program], quiet=True, input=f"{line}\n")
    checks.add(f"{name}: the printed program's token", HUGGING_FACE, "1 line", int(found != wanted))
