"""The method cards are complete: every method of the contract's vocabulary, and `mover` of validation.csv, has one; what a card names exists."""

import importlib
import re
from pathlib import Path

import pytest

from hybridcx.vocabulary import METHODS

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
mover
""",
    )
)


def test_every_method_of_the_contract_has_a_card() -> None:
    assert set(METHODS) == VOCABULARY


def resolved(name: str) -> object:
    """The function of that dotted name in hybridcx.stats."""
    module, function = name.rsplit(".", 1)
    return getattr(importlib.import_module(f"hybridcx.stats.{module}"), function)


@pytest.mark.parametrize("name", METHODS)
def test_what_a_card_names_exists(name: str) -> None:
    card = METHODS[name]
    assert card.label
    assert card.evidence
    for evidence in card.evidence:
        assert evidence.source
        assert evidence.reference
        assert evidence.tolerance
        texts = "".join((ROOT / "tests" / "stats" / t).read_text(encoding="utf-8") for t in evidence.tests)
        for function in evidence.functions:
            assert callable(resolved(function))
            # Some tests loop over names: the function, or the method it gives, must be named there.
            assert function.rsplit(".", 1)[1] in texts or name in texts, function


def test_the_planning_rows_of_the_methods_page_name_existing_functions() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    planning = page[page.index("## Planning") :]
    names = re.findall(r"`((?:power|variance|resampling)[\w.]*\.\w+)`", planning)
    assert len(names) >= 10
    for name in names:
        assert callable(resolved(name)), name
