"""The cohort as planned and as written: bytes, columns, boxes, lesions, and that nothing but the anatomy carries the label."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hybridcx.errors import InputError
from hybridcx.phantoms.cohort import PhantomPlan, plan_phantom, render, write_phantom
from hybridcx.phantoms.detector import jpeg_bytes
from hybridcx.phantoms.geometry import Anatomy, build_anatomy
from hybridcx.phantoms.pathology import LEVELS

COLUMNS = [
    *("case_id", "patient_id", "image", "label", "crop_left", "crop_top", "crop_right", "crop_bottom", "excluded"),
    *(
        f"{kind}_{who}_{o}"
        for kind in ("reader", "rating")
        for who in ("radiologist", "rheumatologist")
        for o in (1, 2)
    ),
    *("age", "sex", "scanner"),
]
SMALL = (160, 220)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def plan() -> PhantomPlan:
    return plan_phantom(seed=11)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "a"
    summary = write_phantom(folder, n_patients=20, seed=5, size_px=SMALL)
    assert (summary.n_patients, summary.n_analysed, summary.n_abnormal, summary.n_normal) == (20, 16, 8, 8)
    assert summary.manifest == folder / "manifest.csv"
    return folder


def test_same_seed_same_bytes_and_progress_to_the_end(written: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_phantom(tmp_path / "b", n_patients=20, seed=5, size_px=SMALL, on_progress=lambda i, n: seen.append((i, n)))
    assert bytes_of(tmp_path / "b") == bytes_of(written)
    assert seen == [(13, 20), (20, 20)]
    write_phantom(tmp_path / "two", n_patients=20, seed=5, size_px=SMALL, jobs=2)
    assert bytes_of(tmp_path / "two") == bytes_of(written)
    write_phantom(tmp_path / "c", n_patients=20, seed=6, size_px=SMALL)
    other = bytes_of(tmp_path / "c")
    assert all(other[name] != content for name, content in bytes_of(written).items())


def test_manifest_as_in_the_contract(written: Path) -> None:
    text = (written / "manifest.csv").read_bytes()
    assert b"\r" not in text
    rows = rows_of(written / "manifest.csv")
    assert list(rows[0]) == COLUMNS
    assert [r["case_id"] for r in rows] == [f"c{i:03d}" for i in range(1, 21)]
    assert len({r["patient_id"] for r in rows}) == 20
    assert {r["label"] for r in rows} == {"normal", "abnormal"}
    for r in rows:
        assert r["image"] == f"images/{r['case_id']}.jpg"
        calls = [r["reader_radiologist_1"], r["reader_rheumatologist_1"]]
        assert r["label"] == calls[0]
        assert r["excluded"] or calls[0] == calls[1]
        assert 20 <= int(r["age"]) <= 65


def test_films_differ_in_size_and_carry_no_metadata(written: Path) -> None:
    sizes = set()
    for path in sorted((written / "images").iterdir()):
        with Image.open(path) as film:
            film.load()
            assert film.mode == "L"
            assert not film.getexif()
            sizes.add(film.size)
            assert np.asarray(film).std() > 20
    assert len(sizes) > 10


def test_lesions_file_lists_the_plan(written: Path) -> None:
    plan = plan_phantom(n_patients=20, seed=5, size_px=SMALL)
    rows = rows_of(written / "lesions.csv")
    assert [(r["case_id"], r["kind"], r["level"]) for r in rows] == [
        (s.case_id, s.kind, s.level) for c in plan.cases for s in c.lesions
    ]
    assert {r["case_id"] for r in rows} == {c.case_id for c in plan.cases if c.abnormal}


def test_boxes_lie_in_the_film_and_lesions_in_abnormal_cases_only(plan: PhantomPlan) -> None:
    inside, total = 0, 0
    for c in plan.cases:
        left, top, right, bottom = c.crop
        assert 0 <= left < right <= c.view.width_px
        assert 0 <= top < bottom <= c.view.height_px
        assert bottom - top > 0.35 * c.view.height_px
        assert bool(c.lesions) == c.abnormal
        for s in c.lesions:
            assert 0 <= s.box[0] < s.box[2] <= c.view.width_px
            assert 0 <= s.box[1] < s.box[3] <= c.view.height_px
            if s.kind != "lordosis_loss":
                total += 1
                x, y = (s.box[0] + s.box[2]) / 2, (s.box[1] + s.box[3]) / 2
                inside += left <= x < right and top <= y < bottom
        spine = c.view.to_pixels(np.array([v.centre for v in c.anatomy.vertebrae]))
        assert (spine > 0).all()
        assert (spine < [c.view.width_px, c.view.height_px]).all()
    assert inside / total > 0.98


def test_a_sign_is_drawn_inside_its_box_and_nowhere_else() -> None:
    """Only C5/6 is diseased: the film with the disease and the same film without differ most within the lesions' boxes."""
    plan = plan_phantom(n_patients=20, seed=2)
    case = plan.cases[0]
    zero = np.zeros(5)
    ill = np.array([0.0, 0.0, 0.0, 0.9, 0.0])
    films, points = [], []
    for spurs in (zero, ill):
        anatomy = build_anatomy(
            np.random.default_rng(1),
            lordosis=0.1,
            narrowing=zero,
            osteophyte_anterior=spurs,
            osteophyte_posterior=spurs,
            sclerosis=spurs,
            male=True,
        )
        films.append(render(replace(plan, cases=(replace(case, anatomy=anatomy),)), 0).astype(float))
        points = [
            case.view.to_pixels(anatomy.sign_points(kind, "C5/6"))
            for kind in ("osteophyte_anterior", "osteophyte_posterior", "sclerosis")
        ]
    change = np.abs(films[1] - films[0])
    mask = np.zeros(change.shape, dtype=bool)
    for p in points:
        low, high = np.floor(p.min(axis=0)).astype(int), np.ceil(p.max(axis=0)).astype(int)
        mask[low[1] : high[1], low[0] : high[0]] = True
    assert change[mask].mean() > 10 * change[~mask].mean()
    assert change[mask].max() > 25


def test_lordosis_and_disc_height_follow_their_severities_and_move_nothing_else() -> None:
    def build(lordosis: float, narrow: float) -> Anatomy:
        zero = np.zeros(5)
        return build_anatomy(
            np.random.default_rng(8),
            lordosis=lordosis,
            narrowing=np.array([0.0, 0.0, 0.0, narrow, 0.0]),
            osteophyte_anterior=zero,
            osteophyte_posterior=zero,
            sclerosis=zero,
            male=False,
        )

    healthy, bent, worn = build(0.0, 0.0), build(1.0, 0.0), build(0.0, 1.0)
    assert bent.lordosis_deg == pytest.approx(healthy.lordosis_deg - 50.0)
    turned = [a.vertebrae[5].tilt - a.vertebrae[0].tilt for a in (healthy, bent)]
    assert np.rad2deg(turned[0] - turned[1]) == pytest.approx(50.0, abs=1e-6)

    def gap(a: Anatomy, j: int) -> float:
        up, low = a.vertebrae[j], a.vertebrae[j + 1]
        return float(np.linalg.norm(up.at(0, up.height / 2) - low.at(0, -low.height / 2)))

    c56 = LEVELS.index("C5/6")
    assert gap(worn, c56) == pytest.approx(0.2 * gap(healthy, c56), rel=1e-6)
    assert gap(worn, 0) == pytest.approx(gap(healthy, 0), rel=1e-6)
    for other in (bent, worn):
        assert np.array_equal(other.head, healthy.head)
        assert np.array_equal(other.shoulder, healthy.shoulder)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2, 3))])
def test_label_cannot_be_read_from_anything_but_the_anatomy(seed: int) -> None:
    """Corners, file size, film size, exposure, crop box and the manifest's further columns, at a size that renders fast."""
    plan = plan_phantom(seed=seed, size_px=(128, 170))
    features, label = [], []
    for i, c in enumerate(plan.cases):
        if c.excluded:
            continue
        content = jpeg_bytes(render(plan, i))
        film = np.asarray(Image.open(io.BytesIO(content)), dtype=float)
        h, w = film.shape
        corners = [
            film[rows, columns].mean()
            for rows in (slice(0, 12), slice(h - 12, h))
            for columns in (slice(0, 12), slice(w - 12, w))
        ]
        left, top, right, bottom = c.crop
        shape = [(right - left) / w, (bottom - top) / h, (bottom - top) / (right - left)]
        person = [c.age, c.sex == "male", c.scanner == "A", c.scanner == "B"]
        features.append(
            [*corners, len(content), len(content) / (h * w), h, w, film.mean(), film.std(), *c.crop, *shape, *person]
        )
        label.append(c.label == "abnormal")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=500))
    score = cross_val_predict(model, np.array(features), label, cv=folds, method="predict_proba")[:, 1]
    # The standard error of an AUROC of 0.5 with 170 and 161 cases is 0.032.
    assert abs(roc_auc_score(label, score) - 0.5) < 0.12
    assert len(label) == 331


def test_the_nuisances_do_not_depend_on_the_readers(plan: PhantomPlan) -> None:
    """Another reliability enrols other patients; pose, exposure, film, age and scanner of case i stay what they were."""
    other = plan_phantom(seed=11, reliability_between=0.8, reliability_within=0.85)
    for a, b in zip(plan.cases, other.cases, strict=True):
        assert (a.view, a.exposure, a.age, a.sex, a.scanner, a.crop) == (
            b.view,
            b.exposure,
            b.age,
            b.sex,
            b.scanner,
            b.crop,
        )
    assert any(a.label != b.label for a, b in zip(plan.cases, other.cases, strict=True))


@pytest.mark.parametrize("wrong", [{"size_px": (64, 90)}, {"size_px": (300, 200)}, {"seed": -1}, {"n_patients": 5}])
def test_wrong_arguments_are_refused_before_anything_is_written(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_phantom(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()
