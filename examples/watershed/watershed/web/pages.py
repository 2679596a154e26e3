"""The pages."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, redirect, render_template, request, session, url_for

from watershed.climate.stations import STATIONS
from watershed.jobs.pipeline import setup_of
from watershed.landuse.cover import COVERS, rows
from watershed.landuse.treatments import TREATMENTS
from watershed.model.simulation import run_catchment
from watershed.soils.profile import SOILS
from watershed.storage.runs import Run, RunStore
from watershed.web.auth import check_csrf, signed_in

blueprint = Blueprint("pages", __name__)


def store() -> RunStore:
    """Return the store of the app at work."""
    return RunStore(current_app.config["WATERSHED"].database)


def own_run(run_id: str) -> Run:
    """Return a run of the signed-in user, or answer 404."""
    try:
        run = store().get(run_id)
    except KeyError:
        abort(404, "no such run")
    if run.owner != session["user"]:
        abort(404, "no such run")
    return run


@blueprint.get("/")
@signed_in
def home():
    return render_template("home.html", runs=list(store().of_owner(session["user"])))


@blueprint.get("/explore")
def explore():
    return render_template("explore.html", stations=rows(STATIONS, 2), treatments=TREATMENTS)


@blueprint.get("/runs/new")
@signed_in
def new_run():
    return render_template("new_run.html", stations=STATIONS, soils=SOILS, covers=COVERS, values={})


@blueprint.post("/runs/new")
@signed_in
def create_run():
    check_csrf()
    values = request.form.to_dict()
    problem = problem_of(values)
    if problem:
        return render_template(
            "new_run.html", stations=STATIONS, soils=SOILS, covers=COVERS, values=values, problem=problem
        ), 422
    run = store().create(
        owner=session["user"], years=int(values["years"]), state="new",
        **{key: values[key] for key in ("name", "station", "soil", "cover")},
    )  # fmt: skip
    return redirect(url_for("pages.show_run", run_id=run.id))


def problem_of(values: dict[str, str]) -> str | None:
    """Return what is wrong with a filled-in form, None if nothing."""
    if not values.get("name", "").strip():
        return "Give the run a name."
    for key, known in (("station", STATIONS), ("soil", SOILS), ("cover", COVERS)):
        if values.get(key) not in known:
            return f"Unknown {key}."
    if not values.get("years", "").isdecimal() or not 1 <= int(values["years"]) <= 30:
        return "Years are 1 to 30."
    return None


@blueprint.get("/runs/<run_id>")
@signed_in
def show_run(run_id: str):
    return render_template("run.html", run=own_run(run_id), slopes=store().hillslopes(run_id))


@blueprint.get("/runs/<run_id>/preview")
@signed_in
def preview(run_id: str):
    run = own_run(run_id)
    return render_template("preview.html", run=run, slopes=run_catchment(run.name, setup_of(run)))


@blueprint.post("/runs/<run_id>/delete")
@signed_in
def delete_run(run_id: str):
    check_csrf()
    store().delete(own_run(run_id).id)
    return redirect(url_for("pages.home"))
