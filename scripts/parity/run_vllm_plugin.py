"""Runs the file-reading half of vLLM's bitsandbytes loader on checkpoints, without vLLM.

    pip install --no-deps --target PLUGIN vllm-bnb-plugin==0.0.3
    PYTHONPATH=PLUGIN python run_vllm_plugin.py CHECKPOINT...

The `vllm` package itself is replaced by empty stand-ins, so only the plugin's own code runs: the config,
the skip rule, the generators that pair weights with their statistics, and the unpacking of nested
statistics. Every state that comes out must dequantize to what bitsandbytes gets from the file directly,
and the generators must yield every other tensor unchanged, once. No model is built and nothing is served.
"""

import importlib.abc
import importlib.machinery
import json
import logging
import os
import sys
import types
from pathlib import Path

import torch

from native import hide_native_library

os.environ["TORCHDYNAMO_DISABLE"] = "1"
hide_native_library()
logging.disable(logging.WARNING)


class Platform:
    device_type = "cpu"
    dispatch_key = "CPU"

    def is_rocm(self):
        return False

    def is_cuda_alike(self):
        return False


def register_operator(op_name, **rest):
    """bitsandbytes' product is never run here; the module only needs the name to exist."""
    setattr(torch.ops.vllm, op_name, None)


SPECIAL = {
    "direct_register_custom_op": register_operator,
    "register_weight_loader_v2_supported_method": lambda cls: cls,
    "init_logger": logging.getLogger,
    "current_platform": Platform(),
    "set_weight_attrs": lambda tensor, attributes: [setattr(tensor, k, v) for k, v in attributes.items()],
}


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Any module `vllm.…`, whose every attribute is an empty class."""

    def find_spec(self, name, path=None, target=None):
        if name == "vllm" or name.startswith("vllm."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: SPECIAL.get(name) or type(name, (), {})
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, StandIn())

from bitsandbytes.functional import QuantState, dequantize_4bit  # noqa: E402
from safetensors import safe_open  # noqa: E402
from vllm_bnb_plugin.bitsandbytes_loader import BitsAndBytesModelLoader  # noqa: E402
from vllm_bnb_plugin.quantization.config import BitsAndBytesConfig  # noqa: E402
from vllm_bnb_plugin.quantization.utils import is_layer_skipped_bnb  # noqa: E402


class Loader(BitsAndBytesModelLoader):
    def __init__(self, directory):
        self.directory = directory
        self.target_modules = []  # set from a model, for checkpoints with fused experts

    def _hf_weight_iter(self, files, use_safetensors):
        for path in sorted(self.directory.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                for name in file.keys():
                    yield name, name, file.get_tensor(name)


def check(directory):
    settings = json.loads((directory / "config.json").read_text())["quantization_config"]
    BitsAndBytesConfig.get_from_keys = staticmethod(
        lambda config, keys: next(config[key] for key in keys if key in config))
    config = BitsAndBytesConfig.from_config(settings)
    loader, states = Loader(directory), {}
    everything = {name: tensor for name, _, tensor in loader._hf_weight_iter(None, True)}
    if config.load_in_8bit:
        given = dict(loader._quantized_8bit_generator(None, True, states))
        statistics = {name for name in everything if name.endswith((".SCB", ".weight_format"))}
        assert len(states) == sum(name.endswith(".SCB") for name in everything)
        for weight, scale in states.items():
            assert given[weight].load_in_8bit and torch.equal(scale, everything[weight[:-6] + "SCB"])
    else:
        given = dict(loader._quantized_4bit_generator(None, True, states))
        statistics = {name for name in everything if ".weight." in name}
        for weight, state in states.items():
            prefix = weight + "."
            mine = {n.removeprefix(prefix): t for n, t in everything.items() if n.startswith(prefix)}
            direct = dequantize_4bit(everything[weight], QuantState.from_dict(mine, device=torch.device("cpu")))
            loader._dequantize_dq({0: state})
            assert not state.nested and state.absmax.dtype == torch.float32
            assert torch.equal(direct, dequantize_4bit(given[weight], state)), weight
    assert set(given) == set(everything) - statistics
    assert all(torch.equal(given[name], everything[name]) for name in given)
    assert states and not any(is_layer_skipped_bnb(w.removesuffix(".weight"), config.llm_int8_skip_modules) for w in states)
    return len(states)


def main():
    failed = 0
    for directory in map(Path, sys.argv[1:]):
        try:
            print(f"ok   {directory.name}: {check(directory)} states", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {directory.name}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(sys.argv) - 1 - failed} of {len(sys.argv) - 1} read")
    sys.exit(failed > 0)


main()
