"""Container labels as a source."""
