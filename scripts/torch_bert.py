"""BERT (Devlin et al. 2019) as Hugging Face's BertForMaskedLM or BertForPreTraining, with the parameters of `ablate`.

A reference for `make_parity_fixtures.py`; batches and settings are those of `torch_masked.py`.
"""

import torch
import transformers
from torch import nn
from torch.func import functional_call

from torch_masked import PAIRS, collate, second_texts
from torch_transformer import PAD


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
        self.tells = masked["next_sentence"]
        kind = transformers.BertForPreTraining if self.tells else transformers.BertForMaskedLM
        self.theirs = kind(config).requires_grad_(False)
        self.layers, self.tied = model["layers"], model["tying"] != "none"
        shapes = {"embedding.source.weight": (vocabulary, d_model), "embedding.softmax.bias": (vocabulary,)}
        if not self.tied:
            shapes["embedding.softmax.weight"] = (vocabulary, d_model)
        shapes["segment.weight"] = (masked["segments"], d_model)
        shapes["source_position.weight"] = (model["learned_positions"], d_model)
        norms, linears = ["source_norm", "transform.norm"], {"transform": (d_model, d_model)}
        if self.tells:
            linears |= {"next_sentence.pooler": (d_model, d_model), "next_sentence.scores": (2, d_model)}
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
            "next_sentence.pooler": "bert.pooler.dense",
            "next_sentence.scores": "cls.seq_relationship",
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
        if self.tells:
            mask["token_type_ids"] = second_texts(read)[0]
        return functional_call(self.theirs, self.weights(), (read,), mask)

    def encode(self, read):
        return self.run(read).hidden_states[-1], None

    def forward(self, read, scored):
        """Ids [B, S] → logits [B, S, V]."""
        found = self.run(read)
        return found.prediction_logits if self.tells else found.logits

    def next_scores(self, read):
        """Ids [B, S] → scores [B, 2]; None for a model without them."""
        return self.run(read).seq_relationship_logits if self.tells else None

    def paths(self):
        return self.own.items()

    def buffer_paths(self):
        return []

    def end_update(self):
        pass
