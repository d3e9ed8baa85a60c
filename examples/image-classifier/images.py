"""Somebody else's web server: it has the pictures that the classifier is given the addresses of.

The original had its one photograph fetched from a site in the internet, whose speed was then part of every figure.
"""

from fastapi import FastAPI, HTTPException, Response
from folder import made

files = {path.name: path.read_bytes() for path in made().glob("digits/*.png")}

app = FastAPI(title="Images")


@app.get("/digits/{name}")
async def picture(name: str) -> Response:
    if name not in files:
        raise HTTPException(404, f"there is no picture {name!r}")
    return Response(files[name], media_type="image/png")
