"""docs/methods.md is complete: every method of the vocabulary has a row, and what a row names exists."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
VOCABULARY = set(
    re.findall(
        r"\w+",
        """
wilson clopper_pearson agresti_coull jeffreys delong delong_logit log wald mercaldo_logit newcombe_auc mover_wilson bootstrap_percentile
bootstrap_basic bootstrap_bca bootstrap_hierarchical mcnemar_exact mcnemar_midp mcnemar_asymptotic mcnemar_corrected newcombe_paired tango
agresti_min generalized_score weighted_generalized_score lr_regression delong_paired permutation_paired tost non_inferiority mcnemar_cluster
delong_cluster nadeau_bengio obuchowski_rockette cochran_q delong_chisq icc1 icc2 icc3 icc1k icc2k icc3k cohen_kappa fleiss_kappa gwet_ac1
gwet_ac2 krippendorff_alpha percent_agreement bland_altman_bias bland_altman_lower bland_altman_upper sem mdc95 holm hochberg BH maxT
""",
    )
)


def table():
    lines = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] not in ("method", "---")]


def test_every_method_has_a_row_and_every_row_what_it_names():
    rows = table()
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[0])} == VOCABULARY
    for row in rows:
        assert len(row) == 6, row
        assert all(row), row
        functions = re.findall(r"`(\w+)\.(\w+)`", row[1])
        assert functions, row
        tests = "".join(
            (ROOT / "tests" / "stats" / name).read_text(encoding="utf-8") for name in re.findall(r"`(\w+\.py)`", row[5])
        )
        for module, function in functions:
            assert callable(getattr(importlib.import_module(f"hybridcx.stats.{module}"), function))
            # Some tests loop over names: the function, or the method it gives, must be named there.
            assert any(word in tests for word in (function, *re.findall(r"`(\w+)`", row[0]))), (row[0], function)
