"""Backend that manages static dstnat rules over RouterOS's REST API."""
