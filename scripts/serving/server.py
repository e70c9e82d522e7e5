"""MONAI Label's web server with two routes, what can be asked (GET /info/) and asking (POST /infer/MODEL).

Its others replace and delete networks, or run what the app does not have. Pages of other addresses, which MONAI Label lets read
every answer, read none. A request is checked before its scan is written to disk.
"""

import json
from typing import Annotated, Any

from fastapi import Depends, File, Form, HTTPException, Query, UploadFile
from monailabel.app import app
from monailabel.endpoints import infer, info

BAD_REQUEST = 400
MAX_NAME = 200  # bytes of the name of a scan's file


def check_request(
    image: str = "",
    session_id: str = "",
    output: Annotated[str, Query()] = "all",
    params: Annotated[str, Form()] = "{}",
    file: Annotated[UploadFile | None, File()] = None,
    label: Annotated[UploadFile | None, File()] = None,
) -> None:
    """Refuse a request that MONAI Label would fail to read; what the models do not accept is refused by main.py.

    Args:
        image: Path of a scan of the server, in place of a file.
        session_id: MONAI Label's sessions, of which there are none here.
        output: What is answered with.
        params: Settings, a JSON object.
        file: The scan.
        label: MONAI Label's segmentations, of which there are none here.

    Raises:
        HTTPException: With status 400 and a sentence.
    """
    name = (file.filename or "") if file else ""
    if session_id or label:
        raise HTTPException(BAD_REQUEST, "session_id and label are not accepted: send a scan as file, and settings as params")
    if not file and not image:
        raise HTTPException(BAD_REQUEST, "the request has no scan: send one as file")
    if len(name.encode(errors="replace")) > MAX_NAME or not name.isprintable():
        raise HTTPException(BAD_REQUEST, f"the name of a file must be printable and at most {MAX_NAME} bytes")
    if output not in ("all", "image", "json"):
        raise HTTPException(BAD_REQUEST, f"output must be one of all, image, json, got {output!r}")
    if not isinstance(_read_settings(params).get("image", ""), str):
        raise HTTPException(BAD_REQUEST, "image in params must be the path of a scan of the server: leave it out and send a file")


def _read_settings(params: str) -> dict[str, Any]:
    """Read a request's settings, or refuse it."""
    try:
        settings = json.loads(params)
    except (ValueError, RecursionError) as error:
        raise HTTPException(BAD_REQUEST, f'params must be a JSON object such as {{"map": "fa_mean"}} ({error})') from error
    if not isinstance(settings, dict):
        raise HTTPException(BAD_REQUEST, f'params must be a JSON object such as {{"map": "fa_mean"}}, got {params[:50]}')
    return settings


app.user_middleware.clear()  # nothing but the permission for all pages (CORS)
app.router.routes.clear()
app.include_router(info.router)
app.include_router(infer.router, dependencies=[Depends(check_request)])
