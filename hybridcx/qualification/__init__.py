"""Qualification of an installation: reference cases that hybridcx did not make, computed on the user's own machine.

`case` is one comparison. `installation`, the files of statistics (`one_model`, `two_models`, `ranks`, `resampled`, `agreement`, `planning`),
`by_command`, `performance` and `simulations` make them; `record` writes them down. The reference values lie in the folder `reference`, as copies of
those in tests/reference.
"""
