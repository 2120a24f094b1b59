"""The flow of the cohort: from those screened, by the reasons for exclusion, to those analysed."""

from __future__ import annotations

import pandas as pd

from hybridcx.cohort.manifest import Cohort


def flow(cohort: Cohort) -> pd.DataFrame:
    """Return the cohort's flow (STARD 2015, item 19), one step a row.

    Columns: `step`, the words; `kind`: screened, excluded, analysed or class; `n`: cases; `n_patients`: distinct patients. The
    reasons stand by falling number, ties in the manifest's order. The cases excluded and those analysed sum to those screened;
    patients need not, for one may have a case on either side.
    """
    frame = cohort.frame
    reasons = frame.loc[frame["excluded"] != "", "excluded"]
    order = reasons.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    parts = [("screened", "screened", frame)]
    parts += [(reason, "excluded", frame[frame["excluded"] == reason]) for reason in order.index.tolist()]
    kept = cohort.analysed
    parts.append(("analysed", "analysed", kept))
    parts += [(label, "class", kept[kept["label"] == label]) for label in (cohort.labels[1], cohort.labels[0])]
    return pd.DataFrame(
        {
            "step": [p[0] for p in parts],
            "kind": [p[1] for p in parts],
            "n": [len(p[2]) for p in parts],
            "n_patients": [p[2]["patient_id"].nunique() for p in parts],
        }
    )
