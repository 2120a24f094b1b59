"""The words and the table of fine-tuning in a report: Table II as it was used, the training in a paragraph, what a preset assumes and cannot do."""

from __future__ import annotations

from collections.abc import Sequence

from hybridcx.experiment import Experiment
from hybridcx.presets import Statement, preset
from hybridcx.training_options import TrainSection

STUDY = {
    "image size": "study: 224 x 224 x 3",
    "optimiser": "study: SGD with momentum",
    "momentum": "study: 0.9",
    "mini-batch": "study: 16",
    "initial learning rate": "study: 0.0003",
    "learning-rate schedule": "study: times 0.2 every 8 epochs",
    "L2 regularisation": "study: 0.004",
    "validation": "study: every 16 iterations",
    "epochs": "study: at most 20",
    "augmentation": "study: used, not specified",
}
"""Table II of the study, beside what was used here."""


def training_methods(experiment: Experiment) -> list[str]:
    """Paragraphs on fine-tuning: what was done, what single networks had apart from that, and what the preset takes for granted."""
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
    if own := [f"{name} ({said})" for name, said in _own_options(experiment)]:
        text.append(f"Apart from that: {'; '.join(own)}.")
    return text + _preset_methods(experiment)


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
            [f"Gradual unfreezing: one more stage every {t.unfreeze_every} epochs (Howard and Ruder 2018)"]
            if t.unfreeze_every
            else []
        ),
        *([copies] if t.cached_copies else []),
        *([f"Label smoothing {t.label_smoothing:g}"] if t.label_smoothing else []),
        *([f"Mixup with Beta({t.mixup:g}, {t.mixup:g}) (Zhang and others 2018)"] if t.mixup else []),
        *([f"Gradients were clipped to norm {t.clip_gradient_norm:g}"] if t.clip_gradient_norm is not None else []),
        *(
            [f"The weights are an exponential moving average (decay {t.ema_decay:g})"]
            if t.ema_decay is not None
            else []
        ),
    ]


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
    for said, statements in (("Assumptions of the preset", chosen.assumptions), ("Deviations", chosen.deviations)):
        lines = [line for s in statements if (line := _for_networks(s, networks))]
        if lines:
            text.append(f"{said}: {'; '.join(lines)}.")
    return text


def _for_networks(statement: Statement, networks: Sequence[str]) -> str:
    """The sentence, with the networks of this experiment that it is true of; empty if it is true of none."""
    if not statement.networks:
        return statement.text
    concerned = [n for n in networks if n in statement.networks]
    return f"{statement.text} ({', '.join(concerned)})" if concerned else ""


def training_settings(experiment: Experiment) -> list[tuple[str, str, str]]:
    """Table II: the options of fine-tuning as they were used."""
    t, i = experiment.train, experiment.images
    inside = ", rate inside the velocity" if t.rate_in_velocity else ""
    last = "torch's own" if t.last_layer_sd is None else f"normal, standard deviation {t.last_layer_sd:g}, bias 0"
    after = {"running": "running averages", "training_set": "over the training set after training"}
    rows = [
        *([("preset", t.preset)] if t.preset != "none" else []),
        ("image size", f"{i.size_px} x {i.size_px} x 3"),
        ("optimiser", "SGD with momentum" if t.optimizer == "sgd" else "AdamW"),
        *([("momentum", f"{t.momentum:g}{inside}")] if t.optimizer == "sgd" else []),
        ("mini-batch", str(t.batch_size)),
        ("initial learning rate", f"{t.learning_rate:g}"),
        ("last layer's rate", f"{t.head_rate_factor:g} times"),
        ("last layer's initialisation", last),
        (
            "learning-rate schedule",
            f"times {t.lr_drop_factor:g} every {t.lr_drop_epochs} epochs" if t.lr_schedule == "step" else t.lr_schedule,
        ),
        ("warm-up", f"{t.warmup_epochs} epochs"),
        *(
            [("earlier stages' rate", f"{t.layer_rate_decay:g} times the next stage's")]
            if t.layer_rate_decay < 1
            else []
        ),
        *([("gradual unfreezing", f"a stage every {t.unfreeze_every} epochs")] if t.unfreeze_every else []),
        *(
            [("stages that learn", f"{t.trainable_stages} and the last layer")]
            if t.trainable_stages is not None
            else []
        ),
        *([("kept activations", f"{t.cached_copies} augmented copies")] if t.cached_copies else []),
        ("L2 regularisation", f"{t.weight_decay:g} ({_plain(t.weight_decay_on)})"),
        *([("convolutions' biases", "do not learn")] if t.convolution_biases == "frozen" else []),
        ("validation", f"every {t.validate_every} iterations, the first and the last"),
        ("epochs", f"at most {t.epochs}"),
        ("early stopping", f"after {t.early_stopping} validations" if t.early_stopping else "none"),
        ("weights kept", t.keep.replace("_", " ")),
        ("shuffling", t.shuffle.replace("_", " ") + (", incomplete mini-batch dropped" if t.drop_last else "")),
        ("batch norm's statistics", after[t.batch_norm_statistics]),
        *([("moving average of the weights", f"decay {t.ema_decay:g}")] if t.ema_decay is not None else []),
        ("label smoothing", f"{t.label_smoothing:g}"),
        *([("mixup", f"Beta({t.mixup:g}, {t.mixup:g})")] if t.mixup else []),
        *([("gradients", f"clipped to norm {t.clip_gradient_norm:g}")] if t.clip_gradient_norm is not None else []),
        ("augmentation", _augmentation(experiment)),
    ]
    rows += [(f"{network} apart from that", said) for network, said in _own_options(experiment)]
    return [(option, value, STUDY.get(option, "")) for option, value in rows]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value).replace("_", " ")


def _own_options(experiment: Experiment) -> list[tuple[str, str]]:
    """The options that single networks of this experiment have of their own, in words."""
    own = experiment.train.network
    return [
        (name, ", ".join(f"{_plain(k)} {_plain(v)}" for k, v in own[name].model_dump(exclude_none=True).items()))
        for name in experiment.networks.names
        if name in own
    ]


def _augmentation(experiment: Experiment) -> str:
    t = experiment.train
    shift = t.translate_px * experiment.images.size_px / 224
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
