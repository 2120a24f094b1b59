"""A phantom cohort on disk: the plan (patients, disease, readings, exposure of each film) and its rendering.

`plan_phantom` draws everything but pixels and is cheap; `render` makes one film of it; `write_phantom` writes

    manifest.csv   as docs/reference/commands.md describes it; one image per patient
    images/*.jpg   films of differing sizes, named by case, never by label
    lesions.csv    case_id, kind, level, severity (0.3 to 1), left, top, right, bottom (pixels): the true signs of disease,
                   `lordosis_loss` at C2-C7, and `narrowing`, `osteophyte_anterior`, `osteophyte_posterior`, `sclerosis` at a disc

`label` is the readers' agreed call of occasion 1. Excluded patients have a label too, since a blank one is an error: the call of
the radiologist on occasion 1, which for the disagreements is one of two opinions and no truth. Labels of kept patients can be
wrong, as the study's can: where both readers err, label and lesions.csv differ (about 1 to 2 in 100).

Age, sex, scanner, pose, exposure, film size and the hand-made crop are drawn from streams of their own, independent of the disease;
real disease grows with age, here it deliberately does not, so that only the anatomy is associated with the label.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridcx.errors import InputError, Problem
from hybridcx.phantoms.attenuation import View, bone_thickness, soft_thickness
from hybridcx.phantoms.detector import SCANNERS, Exposure, draw_exposure, expose, jpeg_bytes
from hybridcx.phantoms.geometry import Anatomy, build_anatomy
from hybridcx.phantoms.pathology import Severities
from hybridcx.phantoms.readers import LABELS, OCCASIONS, READERS, ReadingModel, recruit
from hybridcx.streams import rng_for
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import run_tasks

SIZE_PX = (400, 640)
_FILMS_PER_TASK = 13
LESION_COLUMNS = ("case_id", "kind", "level", "severity", "left", "top", "right", "bottom")


@dataclass(frozen=True, slots=True)
class Lesion:
    """One true sign of disease and its box in pixels of the film (left and top inside, right and bottom outside)."""

    case_id: str
    kind: str
    level: str
    severity: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One patient of the plan. `crop` is (left, top, right, bottom) in pixels; `ratings` and `calls` are [reader][occasion]."""

    case_id: str
    patient_id: str
    image: str
    label: str
    abnormal: bool
    excluded: str
    ratings: tuple[tuple[float, float], ...]
    calls: tuple[tuple[str, str], ...]
    age: int
    sex: str
    scanner: str
    anatomy: Anatomy
    view: View
    exposure: Exposure
    crop: tuple[int, int, int, int]
    lesions: tuple[Lesion, ...]


@dataclass(frozen=True, slots=True)
class PhantomPlan:
    """Everything of a cohort but its pixels."""

    seed: int
    cases: tuple[PlannedCase, ...]
    severities: Severities
    reading: ReadingModel


@dataclass(frozen=True, slots=True)
class PhantomSummary:
    """A written cohort: the folder, its manifest, and the counts of patients, of those analysed, and of these by label."""

    folder: Path
    manifest: Path
    n_patients: int
    n_analysed: int
    n_abnormal: int
    n_normal: int


def _view(rng: np.random.Generator, size_px: tuple[int, int]) -> View:
    """Film size, field and pose: 205 to 255 mm high, turned by about 3 degrees, the neck not quite in the middle."""
    height = int(rng.integers(size_px[0], size_px[1] + 1))
    width = round(height * rng.uniform(0.74, 0.90))
    mm = rng.uniform(205.0, 255.0) / height
    turn = float(np.clip(np.deg2rad(3.0) * rng.standard_normal(), -0.2, 0.2))
    row = height * rng.uniform(0.49, 0.55)
    column = width * rng.uniform(0.46, 0.54)
    return View(height, width, float(mm), float(row), float(column), turn)


def _box(points: NDArray[np.float64], view: View) -> tuple[int, int, int, int]:
    """The bounding box in pixels, within the film and of at least one pixel."""
    px = view.to_pixels(points)
    low, high = np.floor(px.min(axis=0)).astype(int), np.ceil(px.max(axis=0)).astype(int)
    left, top = min(max(low[0], 0), view.width_px - 1), min(max(low[1], 0), view.height_px - 1)
    return (
        int(left),
        int(top),
        int(min(max(high[0], left + 1), view.width_px)),
        int(min(max(high[1], top + 1), view.height_px)),
    )


def _crop(rng: np.random.Generator, anatomy: Anatomy, view: View) -> tuple[int, int, int, int]:
    """A hand-made crop to C1 to C7. It follows the ends of the spine, which the disease leaves in place, and not its bend; each side is off by about
    3 mm and the whole box by about 2.5 mm sideways."""
    k = anatomy.scale
    top, bottom = anatomy.head + np.array([0.0, -33.0 * k]), -anatomy.head + np.array([0.0, 11.0 * k])
    slip = 3.0 * np.clip(rng.standard_normal(4), -2.2, 2.2)
    aside = 2.5 * float(np.clip(rng.standard_normal(), -2.2, 2.2))
    left, right = aside - 32.0 * k + slip[0], aside + 47.0 * k + slip[2]
    px = view.to_pixels(np.array([top, bottom]))
    x_mid = float(view.to_pixels(np.zeros((1, 2)))[0, 0])
    mm = view.mm_per_px
    return (
        max(0, round(x_mid + left / mm)),
        max(0, round(float(px[0, 1]) + slip[1] / mm)),
        min(view.width_px, round(x_mid + right / mm)),
        min(view.height_px, round(float(px[1, 1]) + slip[3] / mm)),
    )


def plan_phantom(
    *,
    n_patients: int = 416,
    seed: int = 0,
    reliability_between: float = 0.92,
    reliability_within: float = 0.94,
    size_px: tuple[int, int] = SIZE_PX,
) -> PhantomPlan:
    """Draw a cohort without its pixels. Raises InputError where an argument is out of its range (see `readers.solve`).

    `size_px` is the range of the films' height; 416 patients give 331 analysed, 170 of them abnormal, for every seed.

    >>> plan = plan_phantom(n_patients=20)
    >>> [sum(c.label == x and not c.excluded for c in plan.cases) for x in ("abnormal", "normal")]
    [8, 8]
    """
    if not 128 <= size_px[0] <= size_px[1] <= 4096:
        raise InputError(
            Problem("image heights are a range within 128 to 4096 pixels", column="size_px", value=size_px)
        )
    if seed < 0:
        raise InputError(Problem("a seed is a whole number from 0 on", column="seed", value=seed))
    recruits, reading = recruit(
        n_patients, seed, reliability_between=reliability_between, reliability_within=reliability_within
    )
    sev = recruits.severities
    truth = sev.abnormal()
    digits = max(3, len(str(n_patients)))
    cases = []
    for i in range(n_patients):
        name = f"{i + 1:0{digits}d}"
        who = rng_for(seed, "phantom", "person", i)
        male = bool(who.random() < 0.45)
        age, scanner = int(who.integers(20, 66)), str(who.choice(list(SCANNERS)))
        anatomy = build_anatomy(
            rng_for(seed, "phantom", "anatomy", i),
            lordosis=float(sev.lordosis[i]),
            narrowing=sev.narrowing[i],
            osteophyte_anterior=sev.osteophyte_anterior[i],
            osteophyte_posterior=sev.osteophyte_posterior[i],
            sclerosis=sev.sclerosis[i],
            male=male,
        )
        pose = rng_for(seed, "phantom", "pose", i)
        view = _view(pose, size_px)
        case_id = f"c{name}"
        lesions = tuple(
            Lesion(case_id, kind, level, severity, _box(anatomy.sign_points(kind, level), view))
            for kind, level, severity in sev.signs(i)
        )
        calls = tuple(tuple(LABELS[int(c)] for c in reader) for reader in recruits.calls[i])
        cases.append(
            PlannedCase(
                case_id=case_id,
                patient_id=f"p{name}",
                image=f"images/{case_id}.jpg",
                label=calls[0][0],
                abnormal=bool(truth[i]),
                excluded=recruits.excluded[i],
                ratings=tuple((float(r[0]), float(r[1])) for r in recruits.ratings[i]),
                calls=tuple((c[0], c[1]) for c in calls),
                age=age,
                sex="male" if male else "female",
                scanner=scanner,
                anatomy=anatomy,
                view=view,
                exposure=draw_exposure(rng_for(seed, "phantom", "exposure", i), scanner),
                crop=_crop(pose, anatomy, view),
                lesions=lesions,
            )
        )
    return PhantomPlan(seed=seed, cases=tuple(cases), severities=sev, reading=reading)


def render(plan: PhantomPlan, index: int) -> NDArray[np.uint8]:
    """The film of the plan's case `index`: uint8, shape (height_px, width_px), bone bright."""
    case = plan.cases[index]
    bone = bone_thickness(case.anatomy, case.view)
    soft = soft_thickness(case.anatomy, case.view)
    return expose(soft, bone, case.view, case.exposure, rng_for(plan.seed, "phantom", "noise", index))


def manifest_rows(plan: PhantomPlan) -> list[dict[str, str]]:
    """The manifest's rows as text, columns in the order in which they are written."""
    rows = []
    for c in plan.cases:
        row = {"case_id": c.case_id, "patient_id": c.patient_id, "image": c.image, "label": c.label}
        row |= {f"crop_{side}": str(v) for side, v in zip(("left", "top", "right", "bottom"), c.crop, strict=True)}
        row["excluded"] = c.excluded
        for what, table in (("reader", c.calls), ("rating", c.ratings)):
            for r, reader in enumerate(READERS):
                row |= {f"{what}_{reader}_{o}": str(table[r][k]) for k, o in enumerate(OCCASIONS)}
        rows.append(row | {"age": str(c.age), "sex": c.sex, "scanner": c.scanner})
    return rows


def _write_csv(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    part = path.with_name(path.name + ".part")
    part.write_bytes(buffer.getvalue().encode("utf-8"))
    part.replace(path)


@lru_cache(maxsize=1)
def _plan(n_patients: int, seed: int, between: float, within: float, size_px: tuple[int, int]) -> PhantomPlan:
    return plan_phantom(
        n_patients=n_patients, seed=seed, reliability_between=between, reliability_within=within, size_px=size_px
    )


def _write_films(
    folder: Path, n_patients: int, seed: int, between: float, within: float, size_px: tuple[int, int], start: int
) -> None:
    """Draw and write the films from `start` on, one task's worth."""
    plan = _plan(n_patients, seed, between, within, size_px)
    for i in range(start, min(start + _FILMS_PER_TASK, n_patients)):
        (folder / plan.cases[i].image).write_bytes(jpeg_bytes(render(plan, i)))


def write_phantom(
    folder: Path,
    *,
    n_patients: int = 416,
    seed: int = 0,
    reliability_between: float = 0.92,
    reliability_within: float = 0.94,
    size_px: tuple[int, int] = SIZE_PX,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> PhantomSummary:
    """Write a phantom cohort into `folder` (made where absent) and return its counts.

    The same arguments give the same bytes. manifest.csv is written last: a folder without one was interrupted, and writing it
    again completes it. `jobs` processes draw the films. `on_progress(done, total)` is called as films are finished. Raises
    InputError as `plan_phantom` does, before anything is written.
    """
    folder = Path(folder)
    plan = plan_phantom(
        n_patients=n_patients,
        seed=seed,
        reliability_between=reliability_between,
        reliability_within=reliability_within,
        size_px=size_px,
    )
    (folder / "images").mkdir(parents=True, exist_ok=True)
    # Each process draws the plan again from its seed, which is cheaper to send than the plan itself.
    drawn = (n_patients, seed, reliability_between, reliability_within, size_px)
    parts = [(folder, *drawn, start) for start in range(0, n_patients, _FILMS_PER_TASK)]
    run_tasks(
        _write_films,
        parts,
        workers=Workers(jobs),
        on_progress=None
        if on_progress is None
        else lambda done, _: on_progress(min(done * _FILMS_PER_TASK, n_patients), n_patients),
    )
    lesions = [
        dict(zip(LESION_COLUMNS, (s.case_id, s.kind, s.level, f"{s.severity:.3f}", *map(str, s.box)), strict=True))
        for c in plan.cases
        for s in c.lesions
    ]
    _write_csv(folder / "lesions.csv", list(LESION_COLUMNS), lesions)
    rows = manifest_rows(plan)
    _write_csv(folder / "manifest.csv", list(rows[0]), rows)
    analysed = [c for c in plan.cases if not c.excluded]
    n_abnormal = sum(c.label == "abnormal" for c in analysed)
    return PhantomSummary(
        folder, folder / "manifest.csv", n_patients, len(analysed), n_abnormal, len(analysed) - n_abnormal
    )
