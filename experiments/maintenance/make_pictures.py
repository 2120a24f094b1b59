"""Makes the pictures of the README: the first screen of a report in light and in dark, 1280 pixels wide.

    python experiments/maintenance/make_pictures.py [FOLDER]

FOLDER is docs/pictures by default. Four scikit-learn classifiers are compared on half of the breast masses that come with scikit-learn. Chromium
draws the page; it must be on the path.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image, ImageChops
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import hybridcx

WIDTH, HEIGHT, EDGE = 1280, 1600, 24
SCHEMES = {"light": 1, "dark": 0}
"""Blink's numbers of the colour schemes that a page is told to be preferred."""
FIRST_SCREEN_ALONE = "<style>main > section:not(#answer), footer { visibility: hidden }</style></head>"


def page(folder: Path) -> Path:
    """A page whose sections after the first screen are hidden."""
    data = load_breast_cancer(as_frame=True)
    y = data.target.map({0: "malignant", 1: "benign"})
    X_train, X_test, y_train, y_test = train_test_split(data.data, y, test_size=0.5, stratify=y, random_state=0)
    models = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
        "bayes": GaussianNB(),
        "tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
    }
    tables = []
    for name, model in models.items():
        score = model.fit(X_train, y_train).predict_proba(X_test)[:, list(model.classes_).index("malignant")]
        tables.append(pd.DataFrame({"case_id": y_test.index, "y_true": y_test, "model": name, "score": score}))
    table = pd.concat(tables)
    table.to_csv(folder / "breast_masses.csv", index=False)
    result = hybridcx.compare(folder / "breast_masses.csv", positive="malignant", margin=0.05)
    whole = result.to_html(folder / "whole.html").read_text(encoding="utf-8")
    shown = folder / "page.html"
    shown.write_text(whole.replace("</head>", FIRST_SCREEN_ALONE), encoding="utf-8")
    return shown


def picture(shown: Path, scheme: str, target: Path) -> None:
    """The page as Chromium draws it, without the empty rest below."""
    browser = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if browser is None:
        sys.exit("Chromium is not on the path")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
    options += [f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", f"--user-data-dir={shown.parent / scheme}"]
    command = [browser, *options, f"--screenshot={target}", shown.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    drawn = Image.open(target).convert("RGB")
    empty = Image.new("RGB", drawn.size, drawn.getpixel((WIDTH - 1, HEIGHT - 1)))
    box = ImageChops.difference(drawn, empty).getbbox()
    assert box is not None
    screen = drawn.crop((0, 0, WIDTH, min(HEIGHT, box[3] + EDGE)))
    # the page has few colours: a palette takes a third of the bytes
    screen.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "docs/pictures"
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="where the pictures go; docs/pictures")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory(prefix="pictures") as temporary:
        shown = page(Path(temporary))
        for scheme in SCHEMES:
            picture(shown, scheme, folder / f"report_{scheme}.png")


if __name__ == "__main__":
    main()
