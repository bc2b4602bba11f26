"""Find the items of a batch that cannot be answered, and answer the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Refusal = TypeVar("Refusal", bound=Exception)


def answer_each(
    items: Sequence[Item],
    answer: Callable[[Sequence[Item]], Sequence[Answer]],
    refusal: type[Refusal],
) -> Iterator[Answer | Refusal]:
    """Answer all items at once; halve a batch that is refused until the refused items are alone.

    Args:
        items: Any number of them.
        answer: Called with consecutive items, at least one; returns one answer for each.
        refusal: The exception by which `answer` refuses the content of a batch. Any other ends the
            iteration: the outcomes before it are those of the first items.

    Yields:
        For each item, in order, its answer or its refusal. Lazily: a caller that needs only the
        first refused item pays for no other one.
    """
    if not items:
        return
    try:
        answers = answer(items)
    except refusal as error:
        if len(items) == 1:
            yield error
            return
    else:
        yield from answers
        return
    middle = len(items) // 2
    yield from answer_each(items[:middle], answer, refusal)
    yield from answer_each(items[middle:], answer, refusal)


def answer_in_batches(
    items: Sequence[Item],
    answer: Callable[[Sequence[Item]], Sequence[Answer]],
    refusal: type[Refusal],
    batch_size: int,
) -> Iterator[Answer | Refusal]:
    """Answer items by `answer_each`, at most `batch_size` of them at once."""
    for start in range(0, len(items), batch_size):
        yield from answer_each(items[start : start + batch_size], answer, refusal)
