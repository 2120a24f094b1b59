"""Networks: their table, weights, fine-tuning and penultimate features. The only package that imports torch.

Import its modules by name (`hybridcx.deep.finetune`, …). `hybridcx.vocabulary.networks` is free of torch, and so is this file, so that
tables and messages about networks cost no start-up time.
"""

import os

from hybridcx.vocabulary.networks import TIMM, Network, add_source

# Huge pages for torch's large tensors on Linux, read once when torch allocates first: without them every iteration of a VGG spends
# a good part of its time on page faults in a new 411 MB gradient (its product fell from 0.45 to 0.18 s). No number changes.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _timm_row(name: str) -> Network:
    from hybridcx.deep.timm_models import row_of  # torch

    return row_of(name)


add_source(TIMM, _timm_row)
