"""What a request may cost, and who may send one."""
