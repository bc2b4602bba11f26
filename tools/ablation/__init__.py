"""Experiments behind the defaults: what each choice brings, over several seeds."""
