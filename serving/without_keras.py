"""TensorFlow without Keras, as TensorFlow Serving has it."""

import sys


def leave_out_keras() -> None:
    """Have `import tensorflow` find no Keras, which saves a third of the seconds of its start.

    TensorFlow imports Keras on its way, or the older one where `TF_USE_LEGACY_KERAS` asks for it,
    and does without where there is none. For a process that only serves, before it imports
    TensorFlow.
    """
    for name in ("keras", "tf_keras"):
        # What Python takes for a module that is not there.
        sys.modules[name] = None  # type: ignore[assignment]
