"""From a hospital's image files to TFRecords that follow the feature contract."""
