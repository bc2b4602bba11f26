"""TFX's InfraValidator by configuration: a real TF Serving loads the export and answers records.

It needs a Docker engine, or a pod of Kubernetes that may start others. See docs/adr/0012.
"""

from __future__ import annotations

import math

from tfx.components.infra_validator.component import InfraValidator
from tfx.proto import infra_validator_pb2
from tfx.types import BaseChannel

from components.uncached_driver import UncachedDriver
from contract import features, nodes
from contract.settings import ServingSettings

_NUM_TRIES = 2  # TFX's five would take as many times the timeout to refuse a model


class UncachedInfraValidator(InfraValidator):
    """TFX's node; an engine that did not answer once refuses that run only."""

    DRIVER_CLASS = UncachedDriver


def create_infra_validator(
    model: BaseChannel, examples: BaseChannel, settings: ServingSettings, model_name: str
) -> InfraValidator:
    """Return the InfraValidator node.

    TFX builds its requests from raw records, so it asks the signature that takes records:
    `serving_default` takes images, and would refuse them. It only sees that there is an answer,
    not whether it is right, which the ServabilityCheck does. Warm-up requests are not made of
    them: patients' images would be part of the model.

    Args:
        model: The selected model (Model).
        examples: Raw examples (Examples); validation is read.
        settings: Where TF Serving runs, and which image.
        model_name: Under which it is served.

    Returns:
        A node with the id `InfraValidator` and the output `blessing` (InfraBlessing).

    Raises:
        ValueError: The settings ask for none.
    """
    serving_spec = infra_validator_pb2.ServingSpec(
        tensorflow_serving=infra_validator_pb2.TensorFlowServing(
            image_name=settings.infra_image, tags=[settings.infra_tag]
        ),
        model_name=model_name,
    )
    timeout_s = math.ceil(settings.timeout_s)
    if settings.infra_validation == "docker":
        serving_spec.local_docker.SetInParent()
    elif settings.infra_validation == "kubernetes":
        # The pod of a run that was killed does not stay longer than its tries could have taken.
        serving_spec.kubernetes.active_deadline_seconds = 2 * timeout_s
    else:
        raise ValueError(
            f"expected serving.infra_validation docker or kubernetes, got "
            f"{settings.infra_validation!r}"
        )
    node = UncachedInfraValidator(
        model=model,
        examples=examples,
        serving_spec=serving_spec,
        validation_spec=infra_validator_pb2.ValidationSpec(
            max_loading_time_seconds=timeout_s, num_tries=_NUM_TRIES
        ),
        request_spec=infra_validator_pb2.RequestSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(
                signature_names=[features.EXAMPLES_SIGNATURE]
            ),
            split_name=features.VALIDATION,
            num_examples=settings.check_images,
        ),
    )
    validator: InfraValidator = node.with_id(nodes.INFRA_VALIDATOR)
    return validator
