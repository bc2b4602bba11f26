import numpy as np

from contract import features


def test_an_image_at_the_threshold_is_familiar():
    assert features.is_unfamiliar(0.009, 0.01)
    assert not features.is_unfamiliar(0.01, 0.01)
    found = features.is_unfamiliar(np.array([0.0, 0.2, 0.5]), np.array([0.0, 0.3, 0.3]))
    assert found.tolist() == [False, True, False]
