"""Networks: their table, weights, fine-tuning and penultimate features. The only room that imports torch.

Import its modules by name (`hybridcx.deep.finetune`, …). `hybridcx.deep.networks` is free of torch, and so is this file, so that
tables and messages about networks cost no start-up time.
"""
