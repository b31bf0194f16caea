"""Helpers of the checks of exports: runs of `ablate`, the reference that has their weights, and the comparison of
logits with a model of Hugging Face transformers. Used by `check_export.py` and `exported_language_models.py`.
"""

import json
import os
import subprocess
import sys

import safetensors
import safetensors.torch
import torch
import torch_transformer
from checks import package
from programs import output, toml

HUGGING_FACE = package("transformers")

# Absolute gaps of logits and of log-probabilities of tokens (nats).
FLOAT64_TOLERANCE = 1e-13
FLOAT32_TOLERANCE = 1e-5

# A small experiment of a model that translates.
TRANSLATING = """
[data]
merges = 60
[data.recipe]
name = "small"
source_language = "en"
target_language = "de"
[data.recipe.corpus.generated]
train = 300
dev = 12
test = 12
seed = 3
[model]
layers = 2
d_model = 16
d_ff = 24
heads = 2
[training]
# Few and large steps: norms and biases leave their ones and zeros.
steps = 3
warmup_steps = 1
learning_rate_scale = 0.2
batch_tokens = 400
micro_batch_tokens = 400
checkpoint_interval_steps = 3
average_checkpoints = 1
dev_interval_steps = 3
precision = "float64"
[decoding]
beam = 2
max_extra_length = 4
[run]
device = "cpu"
threads = 1
tensorboard = false
"""


class Ablate:
    """The program, with its places of data and results."""

    def __init__(self, binary, data, results):
        self.binary, self.results = os.path.abspath(binary), results
        self.places = ["--data", data, "--results", results]

    def call(self, *words, **options):
        return output([self.binary, *words, *self.places], quiet=True, **options)

    def export(self, run, format, out):
        """Exports a run; returns the Python program that `ablate export` prints."""
        command = [self.binary, "export", run, "--format", format, "--out", out, *self.places]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
        return done.stderr.split("\n\n", 1)[1]

    def refusal(self, run, format, out):
        """Returns the error for a model that does not fit; "" if the model fits or something was written."""
        command = [self.binary, "export", run, "--format", format, "--out", out, *self.places]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        return done.stderr if done.returncode == 2 and not os.path.exists(out) else ""


def train(ablate, experiment, variant, settings):
    """Trains an experiment with these settings of its model; returns the directory of the run."""
    name = variant.replace(" ", "-").replace("'", "").replace(":", "").replace(",", "")
    sets = [f"model.{key}={toml(value)}" for key, value in settings.items()]
    ablate.call("train", experiment, "--name", name, *(word for set in sets for word in ("--set", set)))
    return os.path.join(ablate.results, name, "seed-1")


def reference(folder, build, defaults):
    """A model in Python torch, in float64, with the weights of a safetensors export, and its vocabulary's size.

    `build` makes it of settings and a size of the vocabulary; `defaults` are the settings that it knows.
    """
    path = os.path.join(folder, "model.safetensors")
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(path)
    vocabulary = len(json.loads(metadata["tokenizer"])["model"]["vocab"])
    configuration = json.loads(metadata["configuration"])
    settings = configuration["model"]
    settings.pop("initialisation")
    unknown = settings.keys() - defaults.keys()
    if unknown:
        sys.exit(f"{build.__name__} knows no {', '.join(sorted(unknown))}")
    settings["seed"] = configuration["training"]["seed"]
    model = build({**defaults, **settings}, vocabulary).double().eval()
    own = dict(model.paths())
    if own.keys() != tensors.keys():
        sys.exit(f"{path} and {build.__name__} name other weights: {sorted(own.keys() ^ tensors.keys())}")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])
    # Buffers were rounded to the default type when they were made.
    for side in ("source_position", "target_position"):
        position = getattr(model, side, None)
        if hasattr(position, "table"):
            length, d_model = position.table.shape
            position.table = torch_transformer.sinusoids(position.kind, length, d_model)
    return model, vocabulary


def check_logits(checks, variant, architecture, folder, given, expected, real, second=None):
    """Compares logits of a model of transformers loaded from `folder`, at the positions where `real`, and the
    predictions of a BertForPreTraining about second texts."""
    model, report = architecture.from_pretrained(folder, output_loading_info=True)
    strange = sum(len(found) for found in report.values())
    checks.add(f"{variant}: keys missing or unexpected", HUGGING_FACE, f"{len(model.state_dict())} tensors", strange)
    for dtype, tolerance in [(torch.float64, FLOAT64_TOLERANCE), (torch.float32, FLOAT32_TOLERANCE)]:
        with torch.no_grad():
            found = model.to(dtype).eval()(**given)
        kind = str(dtype).removeprefix("torch.")
        logits = found.logits if second is None else found.prediction_logits
        gap = (logits.double() - expected)[real].abs().max().item()
        checks.add(f"{variant}: logits, {kind}", HUGGING_FACE, f"{real.sum()} positions", gap, tolerance)
        if second is not None:
            gap = (found.seq_relationship_logits.double() - second).abs().max().item()
            checks.add(f"{variant}: second texts, {kind}", HUGGING_FACE, f"{len(second)} pairs", gap, tolerance)
