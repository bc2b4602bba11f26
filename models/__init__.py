"""Preprocessing, augmentation, architectures, training and export."""
