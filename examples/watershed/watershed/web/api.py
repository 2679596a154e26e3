"""The JSON API."""

from __future__ import annotations

from flask import Blueprint, abort, request

from watershed.climate.stations import STATIONS, nearest
from watershed.jobs.observations import request_refresh
from watershed.jobs.pipeline import start
from watershed.jobs.queue import queue, wait_for_end
from watershed.jobs.tiles import publish_tiles
from watershed.model.calibration import calibrate
from watershed.model.forecast import ensemble
from watershed.model.sensitivity import compare
from watershed.model.simulation import Setup
from watershed.soils.texture import describe
from watershed.web.auth import signed_in
from watershed.web.errors import invalid, json_object
from watershed.web.pages import own_run, store

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.post("/runs/<run_id>/start")
@signed_in
def start_run(run_id: str):
    """Enqueue a run."""
    job = queue().enqueue(start, own_run(run_id).id)
    return {"run": run_id, "job": job.id}, 202


@blueprint.get("/runs/<run_id>/end")
@signed_in
def end_of_run(run_id: str):
    """Answer as soon as the run has ended."""
    own_run(run_id)
    if not wait_for_end(run_id):
        abort(504, "the run takes too long")
    run = own_run(run_id)
    return {"run": run.as_json(), "done": run.is_done, "hillslopes": store().hillslopes(run_id)}


@blueprint.post("/tiles")
@signed_in
def tiles():
    """Enqueue the publication of `{"run": id}` as map tiles."""
    run = own_run(str(json_object().get("run")))
    job = queue().enqueue(publish_tiles, run.id)
    return {"job": job.id}, 202


@blueprint.post("/stations/<code>/refresh")
@signed_in
def refresh_station(code: str):
    """Enqueue the fetching of a station's observations."""
    if code not in STATIONS:
        abort(404, "no such station")
    return {"job": request_refresh(code).id}, 202


@blueprint.get("/stations/nearest")
def nearest_station():
    latitude, longitude = request.args.get("lat", type=float), request.args.get("lon", type=float)
    if latitude is None or longitude is None:
        raise invalid("lat and lon are degrees")
    station = nearest(latitude, longitude)
    return {"code": station.code, "name": station.name}


@blueprint.get("/stations/<code>/forecast")
async def forecast(code: str):
    """Answer with an ensemble forecast of `members` years."""
    try:
        return await ensemble(code, max(1, min(request.args.get("members", 3, type=int), 10)))
    except KeyError:
        abort(404, "no such station")


@blueprint.post("/texture")
def texture():
    """Name the texture of `{"sand": percent, "clay": percent}`."""
    body = json_object()
    try:
        return {"texture": describe((float(body["sand"]), float(body["clay"])))}
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(f"sand and clay: {error}") from None


@blueprint.post("/treatments")
@signed_in
def treatments():
    """Compare `{"treatments": […], "station", "soil", "cover"}`."""
    body = json_object()
    try:
        setup = Setup.of(body["station"], body["soil"], body["cover"], years=1)
        return {"soil_loss_t": compare(body["treatments"], setup)}
    except (KeyError, TypeError) as error:
        raise invalid(f"unknown or missing: {error}") from None


@blueprint.post("/calibration")
@signed_in
def calibration():
    """Fit a curve number to `{"rain_mm": […], "runoff_mm": […]}`."""
    body = json_object()
    try:
        storms = [(float(rain), float(runoff)) for rain, runoff in zip(body["rain_mm"], body["runoff_mm"], strict=True)]
    except (KeyError, TypeError, ValueError):
        raise invalid("rain_mm and runoff_mm are lists of numbers, of the same length") from None
    return {"curve_number": calibrate(storms)}
