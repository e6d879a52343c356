"""What tests of the core, and of a plugin, need: a clock turned by hand and gateways that do as told."""
