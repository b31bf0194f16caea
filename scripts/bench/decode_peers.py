"""One measurement of another program by `decode_speed.py`, in a process of its own: ids to ids, loading left out.

Each peer is a function of the folder that `decode_speed.py` wrote and its arguments; it loads a model with the run's weights
and returns what translates all sources, longest first, in batches of `--batch-tokens` padded tokens. A model that the other
program does not have is refused with the setting that it lacks.

    ctranslate2   what `ablate export` wrote
    joeynmt       JoeyNMT's recurrent model: attention "luong", input feeding, first states of zeros; its own search
    fairseq       fairseq's fconv, made ready by make_generation_fast_ as fairseq-generate does; its SequenceGenerator
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

PAD, BOS, EOS = 0, 1, 2
# Both other toolkits have four special tokens; we have no <unk>.
SPECIALS = 4


def settings_of(folder, wanted):
    """The exported `[model]`, which must have the wanted values."""
    exported = json.loads((folder / "exported/experiment.json").read_text())
    model = exported["model"]
    for key, value in wanted.items():
        section, _, name = key.rpartition(".")
        found = (model[section] if section else model).get(name)
        if found != value:
            sys.exit(f"model.{key} = {json.dumps(found)}: the other program has {json.dumps(value)} alone")
    return model, exported["vocabulary"]


def weights_of(folder):
    from torch_peer import read_weights

    return read_weights(folder / "scored.weights.safetensors")


def batches(sources, tokens):
    """Returns indices of sentences, the longest first, in batches of at most `tokens` padded tokens."""
    order = sorted(range(len(sources)), key=lambda index: -len(sources[index]))
    found = [[]]
    for index in order:
        if found[-1] and (len(found[-1]) + 1) * (len(sources[found[-1][0]]) + 1) > tokens:
            found.append([])
        found[-1].append(index)
    return found


def rows(matrix, order):
    """Returns our rows in the order of the other program's vocabulary: `order` has our ids, and None for zeros."""
    import torch

    made = torch.zeros(len(order), *matrix.shape[1:])
    for row, ours in enumerate(order):
        if ours is not None:
            made[row] = matrix[ours]
    return made


def load(model, state):
    """Loads every parameter by name; none may be missing."""
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith(("version", "_float_tensor"))]
    if missing or unexpected:
        sys.exit(f"the weights do not fit: missing {missing}, too many {unexpected}")
    return model.eval()


def ctranslate2(arguments, work):
    import ctranslate2

    number_of = {token: number for number, token in enumerate(work["vocabulary"])}
    sources = [[work["vocabulary"][token] for token in source] for source in work["sources"]]
    translator = ctranslate2.Translator(
        str(arguments.folder / "model"),
        device="cpu",
        compute_type="float32",
        inter_threads=1,
        intra_threads=arguments.threads,
    )

    def translate():
        results = translator.translate_batch(
            sources,
            beam_size=arguments.beam,
            length_penalty=arguments.length_penalty,
            max_batch_size=arguments.batch_tokens,
            batch_type="tokens",
            max_decoding_length=arguments.longest,
            # As on our side: </s> counts in the length that scores are divided by, and may be the first token.
            return_end_token=True,
            min_decoding_length=0,
        )
        return [[number_of[token] for token in result.hypotheses[0]] for result in results]

    return translate


def joeynmt(arguments, work):
    import torch
    from joeynmt.model import build_model
    from joeynmt.search import beam_search, greedy
    from joeynmt.vocabulary import Vocabulary

    wanted = {"encoder": "recurrent", "decoder": "recurrent", "softmax_bias": False, "tying": "all"}
    of_recurrent = {
        "bidirectional": "all", "residual_from": None, "attention": "general", "attend": "after_step",
        "input_feeding": "readout", "readout": "attentional", "bridge": "zeros",
    }
    model, size = settings_of(arguments.folder, wanted | {f"recurrent.{key}": of_recurrent[key] for key in of_recurrent})
    recurrent = model["recurrent"]
    if recurrent["hidden"] != model["d_model"]:
        sys.exit("model.recurrent.hidden is not model.d_model: JoeyNMT's attention vectors are as wide as its states")
    weights = weights_of(arguments.folder)
    symbols = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": None}
    numbers = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_id": None}
    order = [None, PAD, BOS, EOS, *range(EOS + 1, size)]
    words = [f"w{token}" for token in range(EOS + 1, size)]
    vocabulary = Vocabulary(words, SimpleNamespace(**symbols, **numbers, lang_tags=[]))
    embeddings = {"embedding_dim": model["d_model"], "scale": model["embedding_scale"]}
    stack = {"type": "recurrent", "rnn_type": recurrent["cell"], "hidden_size": recurrent["hidden"], "embeddings": embeddings}
    peer = build_model(
        {
            "tied_embeddings": True,
            "tied_softmax": True,
            "encoder": stack | {"num_layers": recurrent["encoder_layers"], "bidirectional": True},
            "decoder": stack
            | {"num_layers": recurrent["decoder_layers"], "attention": "luong", "input_feeding": True, "init_hidden": "zeros"},
        },
        vocabulary,
        vocabulary,
    )
    shared = rows(weights["embedding.shared.weight"], order)
    hidden, readout = recurrent["hidden"], weights["decoder.readout.weight"]
    state = {
        "src_embed.lut.weight": shared,
        "trg_embed.lut.weight": shared,
        "decoder.output_layer.weight": shared,
        "decoder.attention.key_layer.weight": weights["decoder.attention.source.weight"],
        # Our readout reads the context before the state.
        "decoder.att_vector_layer.weight": torch.cat([readout[:, -hidden:], readout[:, :-hidden]], 1),
        "decoder.att_vector_layer.bias": weights["decoder.readout.bias"],
    }
    for side, layers in (("encoder", recurrent["encoder_layers"]), ("decoder", recurrent["decoder_layers"])):
        for layer in range(layers):
            ways = {"forward.": "", "backward.": "_reverse"} if side == "encoder" else {"": ""}
            for ours, theirs in ways.items():
                for name, kind in (("input", "ih"), ("state", "hh")):
                    for of in ("weight", "bias"):
                        own = f"{side}.{layer}.{ours}{name}.{of}"
                        absent = torch.zeros_like(weights[f"{side}.{layer}.{ours}input.bias"])
                        state[f"{side}.rnn.{of}_{kind}_l{layer}{theirs}"] = weights[own] if of == "weight" else weights.get(own, absent)
    load(peer, state)
    theirs = {ours: number for number, ours in enumerate(order) if ours is not None}
    groups = batches(work["sources"], arguments.batch_tokens)
    sources = [[theirs[token] for token in [*source, EOS]] for source in work["sources"]]

    def of_batch(group):
        lengths = torch.tensor([len(sources[index]) for index in group])
        ids = torch.full((len(group), int(lengths.max())), vocabulary.pad_index)
        for row, index in enumerate(group):
            ids[row, : len(sources[index])] = torch.tensor(sources[index])
        mask = (ids != vocabulary.pad_index).unsqueeze(1)
        with torch.no_grad():
            output, last, _, _ = peer(return_type="encode", src=ids, src_length=lengths, src_mask=mask)
        given = {"model": peer, "src_mask": mask, "max_output_length": arguments.longest, "encoder_output": output}
        given |= {"encoder_hidden": last, "generate_unk": False, "min_output_length": 0}
        search = {} if arguments.beam == 1 else {"beam_size": arguments.beam, "alpha": arguments.length_penalty}
        found, _, _ = (greedy if arguments.beam == 1 else beam_search)(**given, **search)
        return found.tolist()

    return in_batches(groups, of_batch, order, EOS)


def fairseq(arguments, work):
    import torch
    from fairseq.data import Dictionary
    from fairseq.models.fconv import FConvDecoder, FConvEncoder, FConvModel
    from fairseq.sequence_generator import SequenceGenerator

    wanted = {"encoder": "convolutional", "decoder": "convolutional", "softmax_bias": True, "tying": "none"}
    wanted |= {"position": "learned", "embedding_scale": False}
    wanted |= {f"convolutional.{key}": value for key, value in {
        "block": "gated", "further_layers": [], "dilations": [1], "attention": "dot", "attention_layers": None,
        "attention_projections": "per_layer", "weight_normalisation": True,
    }.items()}
    model, size = settings_of(arguments.folder, wanted)
    settings, width = model["convolutional"], model["d_model"]
    weights = weights_of(arguments.folder)
    dictionary = Dictionary()
    for token in range(EOS + 1, size):
        dictionary.add_symbol(f"w{token}")
    order = [BOS, PAD, EOS, None, *range(EOS + 1, size)]
    assert len(dictionary) == len(order) and (dictionary.bos(), dictionary.pad(), dictionary.eos()) == (0, 1, 2)
    layers = lambda count: ((settings["channels"], settings["kernel"]),) * count  # noqa: E731
    # Positions are counted from the one behind that of padding.
    positions = model["learned_positions"] + dictionary.pad() + 1
    encoder = FConvEncoder(dictionary, width, max_positions=positions, convolutions=layers(settings["encoder_layers"]))
    decoder = FConvDecoder(
        dictionary, width, out_embed_dim=width, max_positions=positions, convolutions=layers(settings["decoder_layers"])
    )
    peer = FConvModel(encoder, decoder)
    state = {}

    def normalised(theirs, ours, kernel=False):
        magnitude, weight = weights[f"{ours}.magnitude"], weights[f"{ours}.weight"]
        state[f"{theirs}.weight_g"] = magnitude.view(1, 1, -1) if kernel else magnitude.view(-1, 1)
        state[f"{theirs}.weight_v"] = weight.permute(2, 1, 0) if kernel else weight
        state[f"{theirs}.bias"] = weights[f"{ours}.bias"]

    table = lambda name: torch.cat([torch.zeros(2, width), weights[name]])  # noqa: E731
    for side, use in (("encoder", "source"), ("decoder", "target")):
        state[f"{side}.embed_tokens.weight"] = rows(weights[f"embedding.{use}.weight"], order)
        state[f"{side}.embed_positions.weight"] = table(f"{use}_position.weight")
        normalised(f"{side}.fc1", f"{side}.input")
        normalised(f"{side}.fc2", f"{side}.output")
        for layer in range(settings[f"{side}_layers"]):
            normalised(f"{side}.convolutions.{layer}", f"{side}.{layer}.kernel", kernel=True)
            if side == "decoder":
                for ours, theirs in (("query", "in"), ("output", "out")):
                    normalised(f"decoder.attention.{layer}.{theirs}_projection", f"decoder.{layer}.attention.{ours}")
    softmax = rows(weights["embedding.softmax.weight"], order)
    state["decoder.fc3.weight_v"], state["decoder.fc3.weight_g"] = softmax, softmax.norm(dim=1, keepdim=True)
    # A row of length 0 has no direction.
    state["decoder.fc3.weight_v"][dictionary.unk()] = 1.0
    state["decoder.fc3.bias"] = rows(weights["embedding.softmax.bias"], order)
    state["decoder.fc3.bias"][dictionary.unk()] = -1e4
    load(peer, state)
    peer.make_generation_fast_(beamable_mm_beam_size=arguments.beam, need_attn=False)
    generator = SequenceGenerator(
        [peer],
        dictionary,
        beam_size=arguments.beam,
        max_len_a=1,
        max_len_b=arguments.extra - 1,
        min_len=0,
        len_penalty=arguments.length_penalty,
    )
    theirs = {ours: number for number, ours in enumerate(order) if ours is not None}
    groups = batches(work["sources"], arguments.batch_tokens)
    sources = [[theirs[token] for token in [*source, EOS]] for source in work["sources"]]

    def of_batch(group):
        lengths = torch.tensor([len(sources[index]) for index in group])
        ids = torch.full((len(group), int(lengths.max())), dictionary.pad())
        for row, index in enumerate(group):
            # Padding stands before the words, as fairseq's translation task has it.
            ids[row, ids.size(1) - len(sources[index]) :] = torch.tensor(sources[index])
        sample = {"net_input": {"src_tokens": ids, "src_lengths": lengths}}
        found = generator.generate([peer], sample, bos_token=dictionary.bos())
        return [hypotheses[0]["tokens"].tolist() for hypotheses in found]

    return in_batches(groups, of_batch, order, EOS)


def in_batches(groups, of_batch, order, end):
    """Translates all groups; ids are ours again, up to the end of the sentence if there is one."""

    def translate():
        results = [None] * sum(map(len, groups))
        for group in groups:
            for index, found in zip(group, of_batch(group)):
                results[index] = found
        return results

    def ours():
        made = []
        for found in translate():
            ids = [order[token] for token in found]
            made.append(ids[: ids.index(end) + 1] if end in ids else ids)
        return made

    return ours


PEERS = {"ctranslate2": ctranslate2, "joeynmt": joeynmt, "fairseq": fairseq}
# Formula of the length penalty that a program has, in our words.
PENALTIES = {"ctranslate2": "power", "joeynmt": "gnmt", "fairseq": "power"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    for name in ("beam", "threads", "passes", "batch-tokens", "longest", "extra"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--length-penalty", type=float, required=True)
    arguments = parser.parse_args()
    # Output of a package must not mix with our lines.
    answers, sys.stdout = sys.stdout, sys.stderr
    if arguments.peer != "ctranslate2":
        import torch

        torch.set_num_threads(arguments.threads)
    work = json.loads((arguments.folder / "lines.json").read_text())
    translate = PEERS[arguments.peer](arguments, work)
    seconds = []
    for number in range(arguments.passes + 1):
        begun = time.perf_counter()
        ids = translate()
        if number > 0:
            seconds.append(time.perf_counter() - begun)
    print(json.dumps({"seconds": statistics.median(seconds), "ids": ids}), file=answers)


if __name__ == "__main__":
    main()
