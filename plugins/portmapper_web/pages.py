"""The page `/`, the questions before each action, and the login page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from portmapper.api import PortmapperError, WebPages, WebRequest, WebResponse, WebRoute, WebView
from portmapper.support.wall_clock import wall_now
from portmapper_web.actions import Actions
from portmapper_web.assets import asset
from portmapper_web.choice import Choice, choose
from portmapper_web.diagnosis import doctor_section, is_running
from portmapper_web.forms import open_part, question_of, result_part
from portmapper_web.mappings import Scene, mappings_section
from portmapper_web.markup import Markup, tag
from portmapper_web.parts import section
from portmapper_web.places import faults_section, gateways_section, sources_section, timeline_section
from portmapper_web.restarts import Restarts
from portmapper_web.shell import header_of, login_main, page
from portmapper_web.summary import counts_of, summary_section

EVENTS = 20
"""Events of the journal on one page."""

LOOK = 500
"""Events that are read to find those of one page."""

Document = Mapping[str, Any]


class Page(WebPages):
    """The web page of portmapper."""

    name: ClassVar[str] = "page"

    def __init__(self, view: WebView) -> None:
        super().__init__(view)
        self._actions = Actions(view)
        self._restarts = Restarts()

    def routes(self) -> Sequence[WebRoute]:
        """Return the paths."""
        return (
            WebRoute("/", self.show, title="Ports"),
            WebRoute("/live", self.live),
            WebRoute("/confirm/{action}", self.ask),
            WebRoute("/do/{action}", self.act, method="POST"),
            WebRoute("/static/{file}", self.asset, public=True),
            WebRoute("/favicon.ico", self.icon, public=True),
        )

    async def show(self, request: WebRequest) -> WebResponse:
        """Answer with the whole page."""
        status = await self.view.status()
        job = await self._job()
        number = request.query.get("result", "")
        result = result_part(self._actions.result(number), number, request)
        title = counts_of(status["mappings"], status["sources"]).headline
        footer = f"portmapper {status['version']}"
        main = [result, *await self._sections(request, status, job)]
        header = header_of(request, self.view.links())
        return WebResponse(
            page(f"{title} · portmapper", main, header=header, footer=footer, refresh=is_running(job))
        )

    async def live(self, request: WebRequest) -> WebResponse:
        """Answer with the content of the page alone, for the script."""
        sections = await self._sections(request, await self.view.status(), await self._job())
        return WebResponse("".join(sections))

    async def ask(self, request: WebRequest) -> WebResponse:
        """Answer with the question before an action."""
        return WebResponse(page("portmapper", tag("div", question_of(request.parts["action"], request))))

    async def act(self, request: WebRequest) -> WebResponse:
        """Carry out an action, and lead to the page with its result."""
        number = await self._actions.act(request.parts["action"], request.form)
        return WebResponse(status=303, headers={"Location": f"/?result={number}"})

    async def asset(self, request: WebRequest) -> WebResponse:
        """Answer with the style sheet, the script or the icon."""
        return asset(request.parts["file"], request.query.get("v", ""))

    async def icon(self, request: WebRequest) -> WebResponse:
        """Answer with the icon, for which browsers ask on pages that name none."""
        return asset("icon.svg", "")

    async def login_page(self, request: WebRequest, error: str) -> WebResponse:
        """Return the login page."""
        return WebResponse(page("Log in · portmapper", login_main(request, error)))

    async def _sections(self, request: WebRequest, status: Document, job: Document | None) -> list[Markup]:
        now = wall_now()
        choice, mappings = Choice.of(request.query), await self.view.mappings(dict(status))
        has_lists = len(status["sources"]) > 1
        scene = Scene(now, request.may_change, bool(status["gateways"]), has_lists)
        events, earlier = await self._events(request.query.get("before", ""))
        return [
            summary_section(counts_of(mappings, status["sources"]), status, now),
            mappings_section(choose(mappings, choice), choice, scene),
            open_part(request),
            gateways_section(status["gateways"], self._restarts.times),
            sources_section(status["sources"]),
            doctor_section(job, may_change=request.may_change),
            timeline_section(events, earlier, is_latest=not request.query.get("before")),
            faults_section(status, self.view.plugins()),
            *await self._panels(request),
        ]

    async def _events(self, before: str) -> tuple[list[Document], int | None]:
        """Return events without renewals, which would hide the others, and where the earlier ones end."""
        number = int(before) if before.isascii() and before.isdigit() and len(before) <= 15 else None
        try:
            await self._restarts.update(self.view)
            found = await self.view.history(LOOK, number)
        except PortmapperError:
            return [], None  # the journal cannot be read, which is one of the problems of the status
        shown: list[Document] = [event for event in found if event["event"] != "renewed"]
        if len(shown) > EVENTS:
            return shown[-EVENTS:], shown[-EVENTS]["id"]
        return shown, found[0]["id"] if len(found) == LOOK else None

    async def _job(self) -> Document | None:
        try:
            return await self.view.doctor(self._actions.job) if self._actions.job else None
        except PortmapperError:
            return None  # too old

    async def _panels(self, request: WebRequest) -> list[Markup]:
        return [
            section(f"panel-{number}", panel.title, Markup(panel.html))
            for number, panel in enumerate(await self.view.panels(request))
        ]
