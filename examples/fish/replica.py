"""One replica as a plain process, on a port that serve.py has bound: between choosing a port and listening nobody can take it.

python replica.py FILE_DESCRIPTOR
"""

import socket
import sys

import uvicorn

if __name__ == "__main__":
    # An idle connection is kept for longer than nginx does: the side that asks should be the one that closes.
    config = uvicorn.Config("app:app", log_level="warning", access_log=False, timeout_keep_alive=75)
    uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
