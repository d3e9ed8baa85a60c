"""The service under load: started, made ready, watched and taken down. Knows nothing of Locust or metrics.

`running` is the way in. What it starts is in the ledger before it is started, so that `teardown_leftovers` can take it
down after a run that was killed.
"""

from entrypoint.service.lifecycle import running
from entrypoint.service.place import Place
from entrypoint.service.takedown import teardown_leftovers
from entrypoint.service.target import Fault, Target

__all__ = ["Fault", "Place", "Target", "running", "teardown_leftovers"]
