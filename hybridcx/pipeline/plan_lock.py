"""The lock of a run's plan: recorded before any test prediction exists, so that a plan changed after results is recognised.

`[analysis]` of the experiment file, the labelling rule, repetitions, ensembles and the sizes of training sets are the plan. Before the first stage
it is noted, with its hash and the time, for every network of the run: in the store (`plans/<key>.json`) and in the output folder (state.json). The
key of a network is what decides its predictions: data, split, seed, weights and options of training; not the code, the machine or the heads, so
that none of these makes an old network a new one. When the predictions exist, that is noted too.

The first plan that is noted for a network is confirmatory, and stays so when it is run again. A plan that is first noted when predictions
of one of its networks already existed under another plan is a new analysis, and exploratory for good: neither `--fresh` nor another folder
changes that, since the stages, and with them the predictions, are the same. Results seen through another cache or on another machine
are not known here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from hybridcx.experiment.file import Experiment
from hybridcx.experiment.sections import EnsemblesSection, RepeatSection
from hybridcx.store.artefacts import RECORD, Store, content_key, write_atomic
from hybridcx.store.provenance import now

PLANS = "plans"
DEFAULT_COMPARISONS = (
    "default: the networks with each other, and with each the head that cross-validation in training chooses"
)
WAIT_S = 30
_OF_PLAN = ("primary_metric", "margin", "confidence_level", "threshold", "n_bootstrap")
Entry = dict[str, Any]
"""One plan of one network: plan, sha256, locked_at, predictions_at (None until they exist), earlier (plans with results before), trained_before."""
Plans = dict[str, list[Entry]]
"""Key of a network -> its plans, in the order in which they were locked."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The plan as it was locked.

    `earlier`: other plans (sha256, locked_at, predictions_at) whose predictions existed when this one was locked. `trained_before`: networks
    that a run which noted no plan had trained already; their plan is the first, but not shown to be older than their predictions.
    """

    plan: Mapping[str, object]
    sha256: str
    locked_at: str
    earlier: tuple[Mapping[str, str], ...] = ()
    trained_before: tuple[str, ...] = ()

    @property
    def confirmatory(self) -> bool:
        """Whether what the plan names may be called confirmatory."""
        return not self.earlier

    def record(self) -> dict[str, object]:
        """The record in provenance.json, the only place that may show times."""
        return {
            "plan": dict(self.plan),
            "sha256": self.sha256,
            "locked_at": self.locked_at,
            "results_existed": bool(self.earlier),
            "earlier_plans": [dict(e) for e in self.earlier],
            "trained_before_without_plan": list(self.trained_before),
            "role": "confirmatory" if self.confirmatory else "exploratory",
        }

    def words(self) -> str:
        """The sentences of the page on the plan; without times, so that the page repeats."""
        plan = (
            f"Plan: primary metric {self.plan['primary_metric']}; comparisons {_comparisons(self.plan)}; margin "
            f"{'none' if self.plan['margin'] is None else self.plan['margin']}; level {self.plan['confidence_level']}; correction Holm over "
            f"the plan's comparisons; labelling rule {self.plan['label_rule']!r}. SHA-256 {self.sha256}. "
        )
        if self.earlier:
            return plan + f"{self.changed()} The times stand in provenance.json."
        role = "It was locked before any test prediction existed: the primary metric of its comparisons is confirmatory, everything else exploratory."
        if self.trained_before:
            role = (
                f"It is the first plan noted for these models, and the primary metric of its comparisons is called confirmatory; but "
                f"{', '.join(self.trained_before)} had been trained before by a run that noted no plan."
            )
        return plan + role

    def changed(self) -> str:
        """The sentence on a plan that was changed after results; "" where it was not."""
        if not self.earlier:
            return ""
        which = ", ".join(e["sha256"][:12] for e in self.earlier)
        return f"The plan was changed after results existed (earlier plan {which}): everything is exploratory."


def _comparisons(plan: Mapping[str, object]) -> str:
    pairs = plan["comparisons"]
    return "; ".join(f"{a} with {b}" for a, b in pairs) if isinstance(pairs, list) else str(pairs)


def plan_of(experiment: Experiment) -> dict[str, object]:
    """The plan of an experiment: what is locked and hashed."""
    options = experiment.analysis.model_dump(mode="json")
    labels = experiment.cohort.labels.model_dump(mode="json")
    return {
        **{k: options[k] for k in _OF_PLAN},
        "p_adjust": "holm",  # part of the hash of every plan so far
        "comparisons": options["comparisons"] or DEFAULT_COMPARISONS,
        "label_rule": labels["rule"],
        "labels": labels,
        # only where it says something, so that the plans of single runs keep their hash
        **({} if experiment.repeat == RepeatSection() else {"repeat": experiment.repeat.model_dump(mode="json")}),
        **(
            {}
            if experiment.ensembles == EnsemblesSection()
            else {"ensembles": experiment.ensembles.model_dump(mode="json")}
        ),
        **(
            {"training_size": experiment.training_size.model_dump(mode="json")}
            if experiment.training_size.shares
            else {}
        ),
    }


def network_keys(
    experiment: Experiment, data: Mapping[str, str], units: Sequence[tuple[int, str]]
) -> dict[tuple[str, int, str], str]:
    """(network, seed, hash of the split) -> the key of what decides its predictions, for every network of every unit (seed, hash of its split)."""
    common = {
        "data": {k: data[k] for k in ("manifest", "images")},
        "weights": experiment.networks.weights,
        "labels": experiment.cohort.labels.model_dump(mode="json"),
    }
    trained = {n: experiment.train_of(n).model_dump(mode="json") for n in experiment.networks.names}
    return {
        (n, seed, split): content_key({**common, "split": split, "seed": seed, "network": n, "train": trained[n]})
        for seed, split in units
        for n in experiment.networks.names
    }


def lock_plan(
    experiment: Experiment, data: Mapping[str, str], units: Sequence[tuple[int, str]], store: Store, noted: object
) -> tuple[Lock, Plans]:
    """Lock the plan of a run before its stages. `units`: seed and hash of the split of each; `noted`: the plans that the output folder knows;
    returns those that it is to know.

    Locking the same plan again changes nothing.
    """
    plan = plan_of(experiment)
    sha256 = content_key(plan)
    keys = network_keys(experiment, data, units)
    moment = now()
    known = noted if isinstance(noted, dict) else {}
    plans: Plans = {k: v for k, v in known.items() if k not in keys.values()}
    own_entries: list[Entry] = []
    before: list[str] = []
    for (network, seed, _), key in keys.items():
        with _held(store, key):
            entries = _merged(_read(store, key), known.get(key, []))
            own = next((e for e in entries if e["sha256"] == sha256), None)
            if own is None:
                seen = [
                    {k: e[k] for k in ("sha256", "locked_at", "predictions_at")} for e in entries if e["predictions_at"]
                ]
                trained = not entries and _trained(store, experiment, network, seed, data["images"])
                own = {"plan": plan, "sha256": sha256, "locked_at": moment, "predictions_at": None, "earlier": seen}
                own["trained_before"] = trained
                entries.append(own)
            _write(store, key, entries)
        plans[key] = entries
        own_entries.append(own)
        before += [network] if own["trained_before"] and network not in before else []
    earlier = {e["sha256"]: e for own in own_entries for e in own["earlier"]}
    return Lock(plan, sha256, max(e["locked_at"] for e in own_entries), tuple(earlier.values()), tuple(before)), plans


def note_predictions(lock: Lock, plans: Plans, keys: Mapping[tuple[str, int, str], str], store: Store) -> Plans:
    """Note that the predictions of these networks exist under this plan; returns the plans that the output folder is to know."""
    moment, out = now(), dict(plans)
    for key in keys.values():
        with _held(store, key):
            entries = _merged(_read(store, key), plans.get(key, []))
            for e in entries:
                if e["sha256"] == lock.sha256:
                    e["predictions_at"] = e["predictions_at"] or moment
            _write(store, key, entries)
        out[key] = entries
    return out


def _path(store: Store, key: str) -> Path:
    return store.root / PLANS / f"{key}.json"


@contextlib.contextmanager
def _held(store: Store, key: str) -> Iterator[None]:
    """Hold a network's plans, where the store can be written; one that cannot is read alone."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            _path(store, key).parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(_path(store, key).with_suffix(".lock"), timeout=WAIT_S))
        yield


def _read(store: Store, key: str) -> list[Entry]:
    try:
        return list(json.loads(_path(store, key).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError):
        store.say(f"The list of plans {PLANS}/{key[:12]} is damaged; what the output folder knows is used instead.")
        return []


def _write(store: Store, key: str, entries: list[Entry]) -> None:
    with contextlib.suppress(OSError):  # a store that can only be read: the output folder keeps the plans
        write_atomic(_path(store, key), json.dumps(entries, indent=1, sort_keys=True))


def _merged(a: list[Entry], b: list[Entry]) -> list[Entry]:
    """Both lists, each plan once with its first times, in the order of locking."""
    merged: dict[str, Entry] = {}
    for e in sorted([*a, *b], key=lambda e: e["locked_at"]):
        own = merged.setdefault(e["sha256"], dict(e))
        times = [t for t in (own["predictions_at"], e["predictions_at"]) if t]
        own["predictions_at"] = min(times, default=None)
        own["earlier"] = list({x["sha256"]: x for x in (*own["earlier"], *e["earlier"])}.values())
    return list(merged.values())


def _trained(store: Store, experiment: Experiment, network: str, seed: int, images: str) -> bool:
    """Whether the store has this network fine-tuned on these images with these options and seed already, by whatever code."""
    wanted: dict[str, object] = {"network": network, "images": images, "seed": seed}
    wanted["train"] = experiment.train_of(network).model_dump(mode="json")
    for record in (store.root / "finetune").glob(f"*/{RECORD}"):
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
            made_from = json.loads(record.read_text(encoding="utf-8"))["made_from"]
            if all(made_from.get(k) == v for k, v in wanted.items()):
                return True
    return False
