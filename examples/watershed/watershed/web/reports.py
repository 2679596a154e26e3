"""Downloads."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, current_app, request

from watershed.climate.kinds import Climate
from watershed.climate.observed import ObservationError, total
from watershed.climate.stations import STATIONS
from watershed.jobs.pipeline import setup_of
from watershed.model.hydrology import CurveNumber, daily_runoff
from watershed.storage.runs import Run
from watershed.web.auth import signed_in
from watershed.web.errors import invalid
from watershed.web.pages import own_run

blueprint = Blueprint("reports", __name__, url_prefix="/reports")


def hydrograph(run: Run) -> Iterator[str]:
    """Yield a run's first year as lines of CSV."""
    setup = setup_of(run)
    curve = CurveNumber(setup.cover.curve_number(setup.soil.hydrologic_group))
    yield "day,runoff_mm\n"
    for runoff in daily_runoff(Climate.of(setup.station).days(1), curve):
        yield f"{runoff.day},{runoff.mm:.3f}\n"


@blueprint.get("/<run_id>/hydrograph.csv")
@signed_in
def download(run_id: str):
    """Stream a run's hydrograph."""
    headers = {"Content-Disposition": "attachment; filename=hydrograph.csv"}
    return Response(hydrograph(own_run(run_id)), mimetype="text/csv", headers=headers)


@blueprint.get("/weather/<code>.txt")
def weather(code: str):
    """Stream the weather of a station's first year; an unknown one is empty."""

    def lines() -> Iterator[str]:
        if code in STATIONS:
            for day in Climate.of(STATIONS[code]).days(1):
                yield f"{day.number:3} {day.rain_mm:6.1f} {day.temperature_c:5.1f}\n"

    return current_app.response_class(lines(), mimetype="text/plain")


@blueprint.post("/observed")
@signed_in
def upload():
    """Add up the rain of an uploaded CSV file."""
    try:
        return {"rain_mm": total(request.get_data(as_text=True))}
    except ObservationError as error:
        raise invalid(str(error)) from None
