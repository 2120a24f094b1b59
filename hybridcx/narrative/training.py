"""Fine-tuning in a report: the table of training options (Table II), a paragraph of methods, and assumptions and deviations of a preset."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridcx.experiment.file import Experiment
from hybridcx.experiment.presets import Statement, preset
from hybridcx.experiment.train import TrainOverride, TrainSection

STUDY = {
    "image size": "224 x 224 x 3",
    "optimiser": "SGD with momentum",
    "momentum": "0.9",
    "mini-batch": "16",
    "initial learning rate": "0.0003",
    "learning-rate schedule": "times 0.2 every 8 epochs",
    "L2 regularisation": "0.004",
    "validation": "every 16 iterations",
    "epochs": "at most 20",
    "augmentation": "used, not specified",
}
"""Table II of the study; options that it does not state have no entry."""
STUDY_PRESET = "matlab_r2018b"
"""The preset of the study: under it a report has the study's numbers of tables and figures, and its options beside those used."""
BESIDE = {"matlab_r2018b": "preset matlab_r2018b", "modern": "preset modern"}
"""Presets shown for comparison with the options used, and the headings of their columns."""


def training_methods(experiment: Experiment) -> list[str]:
    """Paragraphs on fine-tuning: the options used, the exceptions of single networks, and the preset's assumptions."""
    train = experiment.train
    schedule = {
        "step": f"multiplied by {train.lr_drop_factor:g} every {train.lr_drop_epochs} epochs",
        "cosine": "falling as a cosine to zero",
        "constant": "constant",
    }[train.lr_schedule]
    optimizer = f"SGD with momentum {train.momentum:g}" if train.optimizer == "sgd" else "AdamW"
    text = [
        f"{_what_learned(train)} with {optimizer}, mini-batches of {train.batch_size}, initial learning rate "
        f"{train.learning_rate:g} ({schedule}), L2 regularisation {train.weight_decay:g} (on: {_plain(train.weight_decay_on)}), "
        f"at most {train.epochs} epochs, validated every {train.validate_every} iterations. The weights of the "
        + ("last iteration" if train.keep == "last" else "iteration with the smallest validation loss")
        + " were kept; test cases were never used to choose anything."
    ]
    if further := _further(train):
        text.append(f"{'; '.join(further)}.")
    text += _start_methods(experiment)
    if own := [f"{name} ({said})" for name, said in _own_options(train, experiment.networks.names)]:
        text.append(f"Apart from that: {'; '.join(own)}.")
    return text + _preset_methods(experiment)


def _start_methods(experiment: Experiment) -> list[str]:
    """What the training starts from: random weights, residual blocks, the last layer."""
    names, train_of = experiment.networks.names, experiment.train_of
    text = []
    if experiment.networks.weights == "none":
        text.append(
            "All layers started from random weights (torchvision's initialisation, drawn anew for each network and seed): nothing was learned "
            "from other images before."
        )
        if zero := [n for n in names if train_of(n).zero_init_residual]:
            text.append(
                f"Residual blocks started as the identity, with scale 0 in their last normalisation (Goyal and others 2017): {', '.join(zero)}."
            )
    if fitted := [n for n in names if train_of(n).last_layer == "fitted"]:
        text.append(
            "Before the first epoch the last layer was fitted by logistic regression with an L2 penalty on the penultimate features of the "
            f"training cases, then all layers learned (Kumar and others 2022): {', '.join(fitted)}."
        )
    return [" ".join(text)] if text else []


def _what_learned(train: TrainSection) -> str:
    if train.trainable_stages is None:
        return "All layers were fine-tuned end to end"
    before = f"the {train.trainable_stages} stages before it" if train.trainable_stages else "nothing else"
    return f"The last layer and {before} were fine-tuned, the earlier ones kept their weights,"


def _further(train: TrainSection) -> list[str]:
    """The options that are off by default, as parts of a sentence."""
    t = train
    copies = f"The frozen stages were computed once, for {t.cached_copies} augmented copies of each training image"
    return [
        *([f"Warm-up: the rate rose linearly over {t.warmup_epochs} epochs"] if t.warmup_epochs else []),
        *(
            [f"Discriminative rates: each earlier stage at {t.layer_rate_decay:g} times the next"]
            if t.layer_rate_decay < 1
            else []
        ),
        *(
            [f"Gradual unfreezing: one more stage every {_epochs(t.unfreeze_every)} (Howard and Ruder 2018)"]
            if t.unfreeze_every
            else []
        ),
        *([copies] if t.cached_copies else []),
        *([_weighted(t)] if t.class_weights != "none" else []),
        *(
            ["Each epoch drew as many cases of each class, of the smaller one with replacement"]
            if t.sampling == "balanced"
            else []
        ),
        *([f"Label smoothing {t.label_smoothing:g}"] if t.label_smoothing else []),
        *([f"Mixup with Beta({t.mixup:g}, {t.mixup:g}) (Zhang and others 2018)"] if t.mixup else []),
        *([f"Gradients were clipped to norm {t.clip_gradient_norm:g}"] if t.clip_gradient_norm is not None else []),
        *(
            [f"The weights are an exponential moving average (decay {t.ema_decay:g})"]
            if t.ema_decay is not None
            else []
        ),
    ]


def _weighted(t: TrainSection) -> str:
    if isinstance(t.class_weights, tuple):
        weights = f"{t.class_weights[0]:g} (negative) and {t.class_weights[1]:g} (positive)"
        return f"The loss weighted the classes by {weights}"
    return "The loss gave both classes the same total weight"


def _preset_methods(experiment: Experiment) -> list[str]:
    train, networks = experiment.train, experiment.networks.names
    if train.preset == "none":
        return []
    chosen = preset(train.preset)
    text = [f"The options of fine-tuning are those of the preset {chosen.name}: {chosen.title}."]
    plain = TrainSection.model_validate({"preset": train.preset})
    changed = [
        f"{key} = {value} (preset: {before})"
        for key, value, before in (
            (k, getattr(train, k), getattr(plain, k))
            for k in TrainSection.model_fields
            if k not in ("network", "enabled")
        )
        if value != before
    ]
    changed += [
        f"{name}: {key} = {value}"
        for name in networks
        for key, value in train.network.get(name, plain.network.get(name, train)).model_dump(exclude_none=True).items()
        if name in train.network and value != getattr(plain.network.get(name), key, None)
    ]
    if changed:
        text.append(f"Changed from the preset: {'; '.join(changed)}.")
    for heading, statements in (("Assumptions of the preset", chosen.assumptions), ("Deviations", chosen.deviations)):
        lines = [line for s in statements if (line := _for_networks(s, networks))]
        if lines:
            text.append(f"{heading}: {'; '.join(lines)}.")
    return text


def _for_networks(statement: Statement, networks: Sequence[str]) -> str:
    """The sentence with the networks of this experiment to which it applies; empty if it applies to none."""
    if not statement.networks:
        return statement.text
    concerned = [n for n in networks if n in statement.networks]
    return f"{statement.text} ({', '.join(concerned)})" if concerned else ""


def training_settings(experiment: Experiment) -> pd.DataFrame:
    """Table II: the options of fine-tuning as they were used, under the study's preset with those of the study and of the presets.

    Columns: option, used here; under the study's preset also the study (empty where it does not say), and one for each preset ("the same" as used
    here). An option that is off everywhere is left out.
    """
    size_px = experiment.images.size_px
    used = _options(experiment.train, size_px, experiment.networks.names)
    networks = experiment.networks.names
    if experiment.train.preset != STUDY_PRESET:
        return pd.DataFrame([(o, v) for o, v in used.items() if v], columns=["option", "used here"], dtype=object)
    presets = [_options(TrainSection.model_validate({"preset": name}), size_px, networks) for name in BESIDE]
    rows: list[tuple[str, ...]] = []
    for option in dict.fromkeys(o for options in (used, *presets) for o in options):
        here, beside = used.get(option, ""), [options.get(option, "") for options in presets]
        if option == "preset":
            rows += [(option, here, "", "", "")] if here else []
        elif here or any(beside):
            rows.append(
                (
                    option,
                    here or "none",
                    STUDY.get(option, ""),
                    *("the same" if b == here else b or "none" for b in beside),
                )
            )
    return pd.DataFrame(rows, columns=["option", "used here", "the study", *BESIDE.values()], dtype=object)


def _options(t: TrainSection, size_px: int, networks: Sequence[str]) -> dict[str, str]:
    """Option -> value in words; an option that is off has an empty value."""
    sgd = t.optimizer == "sgd"
    inside = ", rate inside the velocity" if t.rate_in_velocity else ""
    last = "torch's own" if t.last_layer_sd is None else f"normal, standard deviation {t.last_layer_sd:g}, bias 0"
    last = "fitted to the initial features" if t.last_layer == "fitted" else last
    after = {"running": "running averages", "training_set": "over the training set after training"}
    step = f"times {t.lr_drop_factor:g} every {t.lr_drop_epochs} epochs"
    frozen = "" if t.trainable_stages is None else f"{t.trainable_stages} and the last layer"
    order = t.shuffle.replace("_", " ") + (", incomplete mini-batch dropped" if t.drop_last else "")
    own = {f"{name} apart from that": text for name, text in _own_options(t, networks)}
    return {
        "preset": "" if t.preset == "none" else t.preset,
        "image size": f"{size_px} x {size_px} x 3",
        "optimiser": "SGD with momentum" if sgd else "AdamW",
        "momentum": f"{t.momentum:g}{inside}" if sgd else "",
        "mini-batch": str(t.batch_size),
        "initial learning rate": f"{t.learning_rate:g}",
        "last layer's rate": f"{t.head_rate_factor:g} times",
        "earlier stages' rate": f"{t.layer_rate_decay:g} times the next stage's" if t.layer_rate_decay < 1 else "",
        "last layer's initialisation": last,
        "residual blocks' initialisation": "identity" if t.zero_init_residual else "",
        "learning-rate schedule": step if t.lr_schedule == "step" else t.lr_schedule,
        "warm-up": f"{t.warmup_epochs} epochs" if t.warmup_epochs else "",
        "gradual unfreezing": f"a stage every {_epochs(t.unfreeze_every)}" if t.unfreeze_every else "",
        "stages that learn": frozen,
        "kept activations": f"{t.cached_copies} augmented copies" if t.cached_copies else "",
        "L2 regularisation": f"{t.weight_decay:g} ({_plain(t.weight_decay_on)}{'' if sgd else ', decoupled'})",
        "convolutions' biases": "do not learn" if t.convolution_biases == "frozen" else "learn",
        "validation": f"every {t.validate_every} iterations, the first and the last",
        "epochs": f"at most {t.epochs}",
        "early stopping": f"after {t.early_stopping} validations" if t.early_stopping else "none",
        "weights kept": t.keep.replace("_", " "),
        "moving average of the weights": "" if t.ema_decay is None else f"decay {t.ema_decay:g}",
        "shuffling": order,
        "batch norm's statistics": after[t.batch_norm_statistics],
        "dropout": "" if t.dropout is None else f"{t.dropout:g}",
        "weights of the classes": "" if t.class_weights == "none" else _plain(t.class_weights),
        "sampling": "as many cases of each class" if t.sampling == "balanced" else "",
        "label smoothing": f"{t.label_smoothing:g}" if t.label_smoothing else "",
        "mixup": f"Beta({t.mixup:g}, {t.mixup:g})" if t.mixup else "",
        "gradients": "" if t.clip_gradient_norm is None else f"clipped to norm {t.clip_gradient_norm:g}",
        "augmentation": _augmentation(t, size_px),
        **own,
    }


def _epochs(n: int) -> str:
    return "epoch" if n == 1 else f"{n} epochs"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " : ".join(_plain(v) for v in value)
    return f"{value:g}" if isinstance(value, (int, float)) else str(value).replace("_", " ")


def _own_options(train: TrainSection, networks: Sequence[str]) -> list[tuple[str, str]]:
    """The options that single networks of this experiment have of their own, in words."""
    own: dict[str, TrainOverride] = {str(name): options for name, options in train.network.items()}
    return [
        (name, ", ".join(f"{_plain(k)} {_plain(v)}" for k, v in own[name].model_dump(exclude_none=True).items()))
        for name in networks
        if name in own
    ]


def _augmentation(t: TrainSection, size_px: int) -> str:
    shift = t.translate_px * size_px / 224
    outside = "" if t.augmentation_fill == "padding" else f", {t.augmentation_fill} outside"
    parts = [
        f"horizontal flip (p = {t.flip_horizontal:g})" if t.flip_horizontal else "",
        f"shift up to {shift:.3g} px{outside}" if t.translate_px else "",
        f"rotation up to {t.rotate_deg:g} degrees" if t.rotate_deg else "",
        f"scale up to {100 * t.scale:g} %" if t.scale else "",
        f"brightness up to {100 * t.brightness:g} %" if t.brightness else "",
        f"contrast up to {100 * t.contrast:g} %" if t.contrast else "",
    ]
    return ", ".join(p for p in parts if p) or "none"
