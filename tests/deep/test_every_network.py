"""Every network of the table, and some of timm's: one test of all that the pipeline takes for granted of them.

On the smallest images that it takes, with random weights. The default run takes the smallest ones;
the others are `slow`: pytest -m slow tests/deep/test_every_network.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import get_model
from torchvision.models.feature_extraction import create_feature_extractor

from hybridcx.deep.architectures import options_of
from hybridcx.deep.features import extract
from hybridcx.deep.folding import fold_batch_norm
from hybridcx.deep.model import build, last_layer, set_dropout, untrained_state
from hybridcx.deep.saliency import saliency, without_grad_cam
from hybridcx.deep.stages import Learner, n_stages, stages
from hybridcx.experiment.file import ComputeSection
from hybridcx.vocabulary.networks import NETWORKS, network

CPU = ComputeSection(device="cpu", threads=1)
QUICK = (
    "alexnet",
    "resnet18",
    "mobilenet_v2",
    "squeezenet1_1",
    "efficientnet_b0",
    "regnet_x_400mf",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
)
TIMM = (
    "timm:resnet18", "timm:efficientnet_b0", "timm:densenet121", "timm:mobilenetv3_small_100", "timm:convnext_atto",
    "timm:vit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224", "timm:resnetv2_50x1_bit", "timm:vit_small_patch14_dinov2.lvd142m",
)  # fmt: skip
"""One of each kind of head; the last but one has a 1 x 1 convolution, the last was trained without classes."""
QUICK_TIMM = ("timm:vit_tiny_patch16_224",)


def size_of(name: str) -> int:
    """The smallest size; 64 px where a smaller map would leave one place, as the last map of Grad-CAM shall have more."""
    row = network(name)
    return row.fixed_size_px or max(row.min_size_px, 128 if row.family == "inception" else 64)


def inputs_of(name: str, n: int = 6) -> tuple[np.ndarray, torch.Tensor]:
    """Images (n, H, H, 3), and the same normalised for the network (n, 3, H, H)."""
    row, size = network(name), size_of(name)
    images = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    mean, std = (torch.tensor(t).view(1, 3, 1, 1) for t in (row.mean, row.std))
    return images, (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std


def lively(name: str) -> dict[str, torch.Tensor]:
    """Untrained weights, with normalisations that keep the scale of what passes, so that features differ between images in every network."""
    state = untrained_state(name, 0, last_layer_sd=0.1)
    model = build(network(name), state)
    generator = torch.Generator().manual_seed(1)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.weight.data.copy_(torch.rand(m.weight.shape, generator=generator) * 0.3 + 0.2)
        m.bias.data.copy_(torch.rand(m.bias.shape, generator=generator) * 0.1)
        m.reset_running_stats()
        m.momentum = None  # the plain average: of this one batch
        m.train()
    if norms:
        with torch.no_grad():
            model(inputs_of(name)[1])
    return {k: v.contiguous() for k, v in model.state_dict().items()}


def plain(name: str, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The untouched model of torchvision or timm with these weights, every key of them matching."""
    row = network(name)
    if row.family == "timm":
        import timm

        model = timm.create_model(name.removeprefix("timm:"), pretrained=False, num_classes=2)
    else:
        model = get_model(name, weights=None, num_classes=2, **options_of(row))
    if row.family == "mnasnet":  # torch keeps its version beside the tensors, where safetensors keeps nothing
        state = model.state_dict() | state
        state._metadata = model.state_dict()._metadata
    model.load_state_dict(state, strict=True)
    return model.eval()


@pytest.mark.parametrize(
    "name",
    [n if n in (*QUICK, *QUICK_TIMM) else pytest.param(n, marks=pytest.mark.slow) for n in (*NETWORKS, *TIMM)],
)
def test_what_the_pipeline_takes_for_granted(name, tmp_path):
    row, state = network(name), lively(name)
    images, x = (given[:2] for given in inputs_of(name))
    save_file(state, tmp_path / "weights.safetensors")

    # penultimate features: those of the untouched model, by its own extractor or a hook on its last layer
    theirs = plain(name, load_file(tmp_path / "weights.safetensors"))
    found = extract(name, tmp_path / "weights.safetensors", images, CPU, batch_size=2)
    caught = []
    theirs.get_submodule(row.last_layer).register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    with torch.inference_mode():
        expected_logits = theirs(x)
        expected = caught[0].mean((2, 3)) if caught[0].ndim == 4 else caught[0]
    assert found.features.shape == (2, row.feature_dim)
    scale = float(expected.abs().max())
    assert (
        np.ptp(found.features, axis=0).max() > 1e-6 * scale > 0
    )  # the tokens of an untrained ViT with layer scale hardly reach its class token
    # 2e-6 of the largest for the function itself; folding and the layout of memory change the order of its sums, and untrained networks may
    # amplify that: the allowance is ten times what single precision costs the untouched model (folding itself is held in double below)
    ours = build(row, state, channels_last=False)
    seen = []
    hook = last_layer(row, ours).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        whole = ours(x)
    hook.remove()
    unfolded = seen[0].mean((2, 3)) if seen[0].ndim == 4 else seen[0]
    torch.testing.assert_close(unfolded, expected, rtol=0, atol=2e-6 * scale)
    caught.clear()
    with torch.inference_mode():
        theirs.double()(x.double())
    exact = caught[0].mean((2, 3)) if caught[0].ndim == 4 else caught[0]
    allowed = max(1e-4 * scale, 10 * float((expected - exact).abs().max()))
    assert allowed < 0.1 * scale
    np.testing.assert_allclose(found.features, exact.numpy(), rtol=0, atol=allowed)

    # logits = features @ W.T + b
    weight = state[f"{row.last_layer}.weight"].double().numpy().reshape(2, -1)
    bias = state[f"{row.last_layer}.bias"].double().numpy() if row.last_bias else 0.0
    by_hand = found.features.astype(np.float64) @ weight.T + bias
    tolerance = 1e-5 * float(np.abs(found.features).max() * np.abs(weight).sum(axis=1).max())
    np.testing.assert_allclose(found.logits, by_hand, rtol=0, atol=tolerance)
    if row.family != "squeezenet":  # torchvision rectifies its logits
        torch.testing.assert_close(whole, expected_logits, rtol=0, atol=tolerance)

    # stages: in turn they are the network, and every parameter stands in one of them
    listed = stages(row, ours)
    learner = Learner(row, ours).eval()
    for learning in (0, 1, n_stages(row)):
        learner.learn(learning)
        with torch.inference_mode():
            # timm's last layer as a 1 x 1 convolution gets its input in another memory layout: with two threads the last bits differ
            torch.testing.assert_close(
                learner(x), whole, rtol=0, atol=2e-6 * float(whole.abs().max()) if row.family == "timm" else 0
            )
    parameters = [id(p) for s in listed for p in s.parameters()]
    assert sorted(parameters) == sorted(id(p) for p in ours.parameters())
    assert {id(p) for p in listed[-1].parameters()} == {id(p) for p in last_layer(row, ours).parameters()}
    assert all(list(s.parameters()) for s in listed)
    learner.learn(0)
    learner.train()
    assert {n for n, p in ours.named_parameters() if p.requires_grad} == {
        n for n, _ in ours.named_parameters() if n.startswith(f"{row.last_layer}.")
    }
    assert not any(m.training for m in ours.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert set_dropout(ours, None) == row.n_dropout

    # folding changes nothing beyond the error of floating point: in double precision next to nothing
    del theirs, ours, learner, listed  # the largest networks have gigabytes
    if row.batch_norm and row.family != "timm":
        precise = build(row, state).double()
        with torch.inference_mode():
            before = precise(x.double())
            assert fold_batch_norm(precise) > 0
            after = precise(x.double())
        torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9 * float(before.abs().max()))
        del precise

    # saliency, or the reason why there is none
    maps = saliency(name, state, images[:1], CPU, grid=2, occluded=1)
    assert np.isfinite(maps.occlusion).all()
    assert np.ptp(maps.occlusion) > 0
    if row.last_map is None:
        assert np.isnan(maps.grad_cam).all()
        assert "occlusion does not" in without_grad_cam(row)
    else:
        assert without_grad_cam(row) is None
        assert maps.grad_cam.min() >= 0
        assert min(maps.grad_cam.shape[1:]) > 1


def test_torchvisions_feature_extractor_gives_the_same():
    """A second implementation of "the input of the last layer", by tracing, for networks of four kinds."""
    for name, node in (
        ("resnet18", "flatten"),
        ("densenet121", "flatten"),
        ("regnet_y_400mf", "flatten"),
        ("swin_t", "flatten"),
    ):
        state, row = lively(name), network(name)
        x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = create_feature_extractor(plain(name, state), [node])(x)[node]
            ours = build(row, state, channels_last=False)
            seen = []
            last_layer(row, ours).register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
            ours(x)
        torch.testing.assert_close(seen[0], expected, rtol=0, atol=2e-6 * float(expected.abs().max()))
