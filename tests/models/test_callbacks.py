import logging

from contract.progress import LOGGER_NAME
from models.callbacks import ProgressCallback


def test_an_early_stop_is_told_as_the_epochs_that_were_run(caplog):
    callback = ProgressCallback("Training")
    callback.set_params({"epochs": 6})
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        callback.on_train_begin()
        callback.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.6, "auc": 0.7})
        callback.on_epoch_end(1, {"loss": 0.4, "val_loss": 0.7, "auc": 0.8})
        callback.on_train_end()
    told = [record.progress for record in caplog.records]
    assert [(progress.done, progress.total) for progress in told] == [
        (0, 6),
        (1, 6),
        (2, 6),
        (2, 2),
    ]
    assert told[-1].values == {"loss": 0.4, "val_loss": 0.7}
