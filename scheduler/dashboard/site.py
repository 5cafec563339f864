"""All pages of a front."""

from scheduler.api.app import ErrorPage
from scheduler.api.route import Route
from scheduler.dashboard.actions import Actions
from scheduler.dashboard.records import Records
from scheduler.dashboard.render import Pages
from scheduler.dashboard.views import Views
from scheduler.front import Front


def pages_of(front: Front) -> tuple[list[Route], ErrorPage]:
    """Their routes, and the page that says what went wrong."""
    pages = Pages(front)
    return [r for part in (Views, Records, Actions) for r in part(pages).routes()], pages.error
