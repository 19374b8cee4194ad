"""Static files under an address that names their content, so that browsers need never ask for them again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from flask import Blueprint, Flask, Response, current_app, send_from_directory

bp = Blueprint("assets", __name__)

FOREVER: Final = "public, max-age=31536000, immutable"


def install(app: Flask) -> None:
    """Give templates ``asset(name)``: the address of a static file."""
    folder = Path(app.static_folder or "")
    version = app.config["STATIC_VERSION"] = _version(folder)
    app.register_blueprint(bp)
    # One version for all, as a part of the path: the files name each other relatively.
    app.jinja_env.globals["asset"] = lambda name: f"/static/v/{version}/{name}"


@bp.get("/static/v/<version>/<path:name>")
def show(version: str, name: str) -> Response:
    """A static file; for ever if it is of this version, else (a page of another release asks) to be asked for again."""
    response = send_from_directory(str(current_app.static_folder), name)
    current = version == current_app.config["STATIC_VERSION"]
    response.headers["Cache-Control"] = FOREVER if current else "no-cache"
    return response


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
