"""Whether a service falls ever further behind an open load, so that holding it longer would only make the queue longer. Pure."""

import math
from collections import deque
from itertools import pairwise

# Looks in a row, a second apart.
_LOOKS = 6
# What piles up in these seconds, as a share of what fell due in them. A queue that merely sways, at 95 % of what its server can
# do, grows from look to look now and then, but by less.
_PILES_UP = 0.2


class Overload:
    """Looks at one level of load.

    Args:
        rate: requests that fall due in a second.

    Attributes:
        seen: whether requests in flight and response times have both grown from look to look, six in a row, and a fifth of what
            fell due meanwhile has piled up. It stays.
    """

    def __init__(self, rate: float) -> None:
        self.seen = False
        self._fewest = _PILES_UP * rate * (_LOOKS - 1)
        self._looks: deque[tuple[int, float]] = deque(maxlen=_LOOKS)

    def look(self, open_turns: int, median_ms: float | None) -> bool:
        """Take another look, about a second after the last; what is `seen` now.

        Args:
            open_turns: in flight, or due and without a user.
            median_ms: response time of what ended since the last look, None where nothing did.
        """
        self._looks.append((open_turns, math.inf if median_ms is None else median_ms))
        self.seen = self.seen or (len(self._looks) == _LOOKS and self._grown())
        return self.seen

    def _grown(self) -> bool:
        looks = list(self._looks)
        steadily = all(
            after[0] > before[0] and (after[1] > before[1] or after[1] == math.inf) for before, after in pairwise(looks)
        )
        answering = looks[1][1] < math.inf  # before its first answers, any service has ever more in flight
        return answering and steadily and looks[-1][0] - looks[0][0] >= self._fewest
