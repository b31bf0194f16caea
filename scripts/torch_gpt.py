"""GPT (Radford et al. 2018) as Hugging Face's OpenAIGPTLMHeadModel, with the parameters of `ablate`.

A reference for `make_parity_fixtures.py`. The weights that Hugging Face's model computes with are made of parameters that
have ablate's names and shapes, so that gradients and updates are those of the parameters. Two differences are made up for:
ablate may multiply embeddings by √d_model, and keeps queries, keys and values apart.
"""

import math

import torch
import transformers
from torch import nn
from torch.func import functional_call


class Gpt(nn.Module):
    versions = {"transformers": transformers.__version__}
    reads = False

    def __init__(self, model, vocabulary, longest):
        super().__init__()
        d_model = model["d_model"]
        assert (model["encoder"], model["position"], model["norm"]) == ("none", "learned", "post")
        assert model["d_ff"] == 4 * d_model
        config = transformers.OpenAIGPTConfig(
            vocab_size=vocabulary,
            n_positions=model["learned_positions"],
            n_embd=d_model,
            n_layer=model["layers"],
            n_head=model["heads"],
            # "gelu" in this model is the approximation by tanh.
            afn={"relu": "relu", "gelu_tanh": "gelu"}[model["activation"]],
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            layer_norm_epsilon=model["layer_norm_epsilon"],
            tie_word_embeddings=False,
        )
        self.theirs = transformers.OpenAIGPTLMHeadModel(config).requires_grad_(False)
        self.layers, self.tied = model["layers"], model["tying"] != "none"
        self.scale = math.sqrt(d_model) if model["embedding_scale"] else 1.0
        shapes = {"embedding.target.weight": (vocabulary, d_model)}
        if not self.tied:
            shapes["embedding.softmax.weight"] = (vocabulary, d_model)
        shapes["target_position.weight"] = (model["learned_positions"], d_model)
        for layer in range(self.layers):
            linears = {f"self_attention.{name}": (d_model, d_model) for name in ("query", "key", "value", "output")}
            linears |= {"feed_forward.inner": (4 * d_model, d_model), "feed_forward.outer": (d_model, 4 * d_model)}
            for name, shape in linears.items():
                shapes[f"decoder.{layer}.{name}.weight"] = shape
                shapes[f"decoder.{layer}.{name}.bias"] = shape[:1]
            for name in ("self_attention", "feed_forward"):
                shapes[f"decoder.{layer}.{name}.norm.scale"] = (d_model,)
                shapes[f"decoder.{layer}.{name}.norm.offset"] = (d_model,)
        self.own = {path: nn.Parameter(torch.empty(shape)) for path, shape in shapes.items()}
        for path, parameter in self.own.items():
            self.register_parameter(path.replace(".", "/"), parameter)

    def weights(self):
        """The parameters as Hugging Face has them, whose matrices are transposed."""
        own = self.own
        embedding = own["embedding.target.weight"]
        made = {
            "transformer.tokens_embed.weight": embedding * self.scale,
            "transformer.positions_embed.weight": own["target_position.weight"],
            "lm_head.weight": embedding if self.tied else own["embedding.softmax.weight"],
        }
        for layer in range(self.layers):
            ours, theirs = f"decoder.{layer}", f"transformer.h.{layer}"
            for names, to in [
                (["self_attention.query", "self_attention.key", "self_attention.value"], "attn.c_attn"),
                (["self_attention.output"], "attn.c_proj"),
                (["feed_forward.inner"], "mlp.c_fc"),
                (["feed_forward.outer"], "mlp.c_proj"),
            ]:
                made[f"{theirs}.{to}.weight"] = torch.cat([own[f"{ours}.{name}.weight"] for name in names]).T
                made[f"{theirs}.{to}.bias"] = torch.cat([own[f"{ours}.{name}.bias"] for name in names])
            for name, to in [("self_attention", "ln_1"), ("feed_forward", "ln_2")]:
                made[f"{theirs}.{to}.weight"] = own[f"{ours}.{name}.norm.scale"]
                made[f"{theirs}.{to}.bias"] = own[f"{ours}.{name}.norm.offset"]
        assert made.keys() == {name for name, _ in self.theirs.named_parameters()}
        return made

    def forward(self, source, target):
        """Ids shifted right [B, T] → logits [B, T, V]; the source is not read."""
        return functional_call(self.theirs, self.weights(), (target,)).logits

    def paths(self):
        return self.own.items()

    def buffer_paths(self):
        return []

    def end_update(self):
        pass
