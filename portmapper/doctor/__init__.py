"""What `portmapper doctor` looks at, from this host outwards, and how it names the one cause."""
