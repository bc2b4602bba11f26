"""All candidates on the test split, beside the figures that an older study published."""
