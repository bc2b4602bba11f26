"""The driver of nodes whose answer may not come from TFX's cache."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_driver
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact_utils


class UncachedDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Keeps a node of one output out of the cache.

    Its result depends on what TFX does not know: a folder outside the run, which someone may have
    emptied since, or a machine that was too busy at the time. Each attempt gets a different
    execution property, so that no earlier result is reused.
    """

    def __init__(self, metadata_handle: Any):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Return the attempt's own execution property."""
        (artifacts,) = execution_info.output_dict.values()
        result = driver_output_pb2.DriverOutput()
        # TFX gives every execution its own output folder.
        uri = artifact_utils.get_single_uri(list(artifacts))
        result.exec_properties["attempt"].string_value = uri
        return result
