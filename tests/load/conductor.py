"""A conductor to be killed: python conductor.py FOLDER URL runs a minute of FOLDER/users.py against URL."""

import os
import sys
from pathlib import Path

from entrypoint.load import locust
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import measure
from entrypoint.load.plan import make_plan
from entrypoint.settings.model import Load
from locustfiles.ml_loadtest import contract

root, url = Path(sys.argv[1]), sys.argv[2]
load = Load.model_validate({"locustfile": root / "users.py", "users": 1, "duration": "60s", "warm-up": "1s"})
launch = locust.Launch(
    python=locust_python(None, {}),
    locustfile=load.locustfile,
    exchange=root / "exchange",
    folder=root / "locust",
    root=root,
    environment=locust.select_environment(dict(os.environ), []),
)
measure(launch, make_plan(load, (contract.Target("candidate", url),)))
