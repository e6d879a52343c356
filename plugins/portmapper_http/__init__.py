"""HTTP and HTTPS URLs as sources."""
