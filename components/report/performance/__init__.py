"""What a model does on a split, in figures, tables and curves."""
