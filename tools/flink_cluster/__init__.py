"""A Flink cluster on this machine, with Beam's job server: what tests and benchmarks run on."""
