"""The experiment file (TOML): its sections, presets and checks."""
