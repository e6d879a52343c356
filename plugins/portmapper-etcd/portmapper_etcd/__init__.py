"""etcd for portmapper: a guard and a source, over etcd's HTTP gateway."""
