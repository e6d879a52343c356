"""Files and standard input as sources, and the formats CSV, JSON and TOML."""
