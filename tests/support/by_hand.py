"""A small network in torch and the same training written out by hand in NumPy (float64), for every option of fine-tuning.

The network: 3 x 3 convolution with bias, batch normalisation, ReLU, global average, last layer. Its stages before the last layer are the convolution
and the normalisation. The hand's gradients are derived on paper:

    z = conv(x) + b;  h = scale (z - mean) / sqrt(var + eps) + offset;  f = mean over pixels of max(h, 0);  logits = f W' + c
    dL/dlogits = (softmax - target) / n
    dL/dz = scale / sd (dh - mean(dh) - zhat mean(dh zhat)), means over cases and pixels (Ioffe and Szegedy 2015)
"""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from hybridcx.streams import rng_for
from hybridcx.vocabulary.networks import Network

NAME, CHANNELS, SIZE, EPS = "handmade", 5, 8, 1e-5
BEGINS = ("conv", "norm", "fc")
ROW = Network(NAME, "Handmade", CHANNELS, "fc", "handmade-00000000.pth", "resnet", BEGINS, 1, 0, 0, True, 0, 0)


class Handmade(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.conv, self.norm, self.fc = (
            nn.Conv2d(3, CHANNELS, 3, stride=2),
            nn.BatchNorm2d(CHANNELS),
            nn.Linear(CHANNELS, num_classes),
        )

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).relu().mean(dim=(2, 3)))


def units(row, model):
    """In the place of stages.units."""
    between = [("relu", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    return [("conv", model.conv), ("norm", model.norm), *between, ("fc", model.fc)]


def get_model(name, weights=None, num_classes=2):
    """In the place of torchvision's."""
    assert name == NAME
    return Handmade(num_classes)


def normalised(images):
    """uint8 (n, H, W, 3) to float64 (n, 3, H, W) as the networks see it."""
    x = images.astype(np.float64).transpose(0, 3, 1, 2) / 255
    return (x - np.reshape(ROW.mean, (1, 3, 1, 1))) / np.reshape(ROW.std, (1, 3, 1, 1))


def patches(x):
    """The 3 x 3 patches at stride 2: (n, pixels, 27), in the order of the convolution's weight."""
    n, _, h, w = x.shape
    spots = [(i, j) for i in range(0, h - 2, 2) for j in range(0, w - 2, 2)]
    return np.stack([x[:, :, i : i + 3, j : j + 3].reshape(n, -1) for i, j in spots], axis=1)


def forward(p, x, statistics=None):
    """Logits and what the backward pass needs. `statistics` None: the batch's own (biased variance), else (mean, variance)."""
    a = patches(x)
    z = a @ p["conv.weight"].reshape(CHANNELS, -1).T + p["conv.bias"]
    mean, var = (z.mean((0, 1)), z.var((0, 1))) if statistics is None else statistics
    zhat = (z - mean) / np.sqrt(var + EPS)
    h = zhat * p["norm.weight"] + p["norm.bias"]
    f = np.maximum(h, 0).mean(1)
    return f @ p["fc.weight"].T + p["fc.bias"], (a, z, zhat, h, f, var)


def log_softmax(logits):
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def gradients(p, x, target, statistics=None):
    """Loss and the gradient of every parameter for soft targets (n, 2); those before the last layer only for the batch's own statistics."""
    logits, (a, z, zhat, h, f, var) = forward(p, x, statistics)
    n, pixels = z.shape[:2]
    loss = -(target * log_softmax(logits)).sum(1).mean()
    d_logits = (np.exp(log_softmax(logits)) - target) / n
    g = {"fc.weight": d_logits.T @ f, "fc.bias": d_logits.sum(0)}
    d_h = (d_logits @ p["fc.weight"])[:, None, :] / pixels * (h > 0)
    g |= {"norm.weight": (d_h * zhat).sum((0, 1)), "norm.bias": d_h.sum((0, 1))}
    d_z = p["norm.weight"] / np.sqrt(var + EPS) * (d_h - d_h.mean((0, 1)) - zhat * (d_h * zhat).mean((0, 1)))
    g["conv.weight"] = np.einsum("npc,npk->ck", d_z, a).reshape(p["conv.weight"].shape)
    g["conv.bias"] = d_z.sum((0, 1))
    return loss, g


def decayed(train):
    """The parameters that carry L2, written out."""
    return {
        "weights": {"conv.weight", "fc.weight"},
        "weights_and_normalisation": {"conv.weight", "fc.weight", "norm.weight", "norm.bias"},
        "last_layer": {"fc.weight"},
        "all": {"conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight", "fc.bias"},
    }[train.weight_decay_on]


def scheduled(train, epoch, t, per_epoch):
    """The learning rate of iteration t (from 0), written out."""
    rate, warm = train.learning_rate, train.warmup_epochs * per_epoch
    if train.lr_schedule == "step":
        rate *= train.lr_drop_factor ** (epoch // train.lr_drop_epochs)
    if train.lr_schedule == "cosine":
        rate *= (1 + math.cos(math.pi * max(t - warm, 0) / (train.epochs * per_epoch - warm))) / 2
    return rate * min(1, (t + 1) / warm) if warm else rate


def learning(train, epoch):
    """The parameters that learn in an epoch, and whether the normalisation is among them."""
    n = 2 if train.trainable_stages is None else train.trainable_stages
    n = min(n, epoch // train.unfreeze_every) if train.unfreeze_every else n
    names = ["fc.weight", "fc.bias"] + ["norm.weight", "norm.bias"] * (n >= 1) + ["conv.weight"] * (n >= 2)
    return names + ["conv.bias"] * (n >= 2 and train.convolution_biases == "learn"), n >= 1


def factor(train, name):
    """The rate's multiple: the convolution is two stages before the last layer, the normalisation one."""
    return {"fc": train.head_rate_factor, "norm": 1.0, "conv": train.layer_rate_decay}[name.partition(".")[0]]


def train_by_hand(start, images, y, train_idx, train, seed):
    """Parameters, normalisation statistics and losses after training: whole batches, no augmentation."""
    p = {k: np.asarray(v, dtype=np.float64) for k, v in start.items() if "running" not in k and "tracked" not in k}
    p |= {"mean": np.zeros(CHANNELS), "var": np.ones(CHANNELS)}
    first, second, steps = ({k: np.zeros_like(v) for k, v in p.items()} for _ in range(3))
    average = dict(p)
    n, size = len(train_idx), train.batch_size
    per_epoch, t, losses = n // size, 0, []
    for epoch in range(train.epochs):
        stream = {"once": 0, "every_epoch": epoch}.get(train.shuffle)
        order = np.arange(n) if stream is None else rng_for(seed, NAME, "shuffle", stream).permutation(n)
        names, norm_learns = learning(train, epoch)
        for b in range(per_epoch):
            rows = train_idx[order[b * size : (b + 1) * size]]
            x, target = normalised(images[rows]), np.eye(2)[y[rows]]
            if train.mixup:
                rng = rng_for(seed, NAME, "mixup", epoch, t)
                w, other = rng.beta(train.mixup, train.mixup), rng.permutation(size)
                x, target = w * x + (1 - w) * x[other], w * target + (1 - w) * target[other]
            target = target * (1 - train.label_smoothing) + train.label_smoothing / 2
            loss, g = gradients(p, x, target, None if norm_learns else (p["mean"], p["var"]))
            losses.append(loss)
            if norm_learns:
                z = forward(p, x)[1][1]
                p["mean"] = 0.9 * p["mean"] + 0.1 * z.mean((0, 1))
                p["var"] = 0.9 * p["var"] + 0.1 * z.reshape(-1, CHANNELS).var(0, ddof=1)
            if train.clip_gradient_norm is not None:
                norm = math.sqrt(sum((g[k] ** 2).sum() for k in names))
                g = {k: v * min(1, train.clip_gradient_norm / norm) for k, v in g.items()}
            rate = scheduled(train, epoch, t, per_epoch)
            for k in names:
                own, decay = rate * factor(train, k), train.weight_decay if k in decayed(train) else 0
                if train.optimizer == "adamw":
                    steps[k] = steps[k] + 1
                    first[k] = train.momentum * first[k] + (1 - train.momentum) * g[k]
                    second[k] = 0.999 * second[k] + 0.001 * g[k] ** 2
                    m, v = first[k] / (1 - train.momentum ** steps[k]), second[k] / (1 - 0.999 ** steps[k])
                    p[k] = p[k] * (1 - own * decay) - own * m / (np.sqrt(v) + 1e-8)
                elif train.rate_in_velocity:
                    first[k] = train.momentum * first[k] - own * (g[k] + decay * p[k])
                    p[k] = p[k] + first[k]
                else:
                    first[k] = train.momentum * first[k] + g[k] + decay * p[k]
                    p[k] = p[k] - own * first[k]
            if train.ema_decay is not None:
                d = min(train.ema_decay, (1 + t) / (10 + t))
                average = {k: d * average[k] + (1 - d) * p[k] for k in p}
            t += 1
    kept = p if train.ema_decay is None else average
    mean, var = kept.pop("mean"), kept.pop("var")
    if train.batch_norm_statistics == "training_set" and norm_learns:
        parts = [forward(kept, normalised(images[train_idx[i : i + size]]))[1][1] for i in range(0, n, size)]
        mean = np.mean([z.mean((0, 1)) for z in parts], axis=0)
        var = np.mean([z.reshape(-1, CHANNELS).var(0, ddof=1) for z in parts], axis=0)
    return kept, (mean, var), losses
