"""MONAI Label's web server, which also says in one sentence when the settings of a request cannot be read."""

from fastapi import Request
from fastapi.responses import JSONResponse
from monailabel.app import app


async def refuse_settings(request: Request, error: Exception) -> JSONResponse:
    """Answer a request whose field `params` is no JSON object.

    Args:
        request: The request.
        error: What MONAI Label raised when it read them; errors of the models are answered by main.py.

    Returns:
        Status 400 and a sentence.
    """
    if not request.url.path.startswith("/infer"):
        raise error
    return JSONResponse({"detail": f'params must be a JSON object such as {{"map": "fa_mean"}} ({error})'}, status_code=400)


for kind in (TypeError, ValueError):
    app.add_exception_handler(kind, refuse_settings)
