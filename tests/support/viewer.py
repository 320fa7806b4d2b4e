"""The browser's side of a session without a browser: it speaks Streamlit's protocol.

A viewer opens a page, keeps what it is sent as a browser would (it names the messages that it still
has, so that they are not sent again), reruns fragments at the pace they ask for, asks for news as
the pulse of a page does, and can press buttons. It draws nothing, so that thirty of them fit on a
small machine.
"""

import asyncio
import collections
import contextlib
import json
import random
import re
import time
from urllib.parse import urlparse
from urllib.request import urlopen

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

STEP = re.compile(r"Step (\d+) of \d+")  # what the scrubber says
PULSE = "clustlab_pulse"  # see clustlab/ui/widgets/live.py
KEPT = 2  # runs of the script for which a browser keeps a message, Streamlit's default


class Viewer:
    """One session; `await watch()` until it is cancelled."""

    def __init__(self, address, page, query=""):
        self.address, self.page, self.query = address, page, query
        self.buttons = {}  # label -> id and fragment
        self.messages = 0
        self.bytes = 0
        self.repeated = 0  # messages that were not sent again
        self.runs = collections.Counter()  # of the script, of its fragments, by what asked for them
        self.looks = 0  # for news
        self.seen = {}  # step -> when it was first shown
        self.errors = []
        self.finished = asyncio.Event()  # a run of the script or of a fragment
        self._kept = {}  # hash -> age
        self._timers = {}  # fragment -> (interval, task)
        self._pulse = None  # what is looked at, and the task that looks
        self._is_stale = False  # whether a run of the page has not drawn it again yet
        self._socket = None
        self._hash = ""  # of the page, once known

    async def watch(self):
        """Connect, ask for the page, and live as a tab does."""
        host = urlparse(self.address).netloc
        async with websockets.connect(
            f"ws://{host}/_stcore/stream",
            subprotocols=["streamlit"],
            origin=self.address,
            max_size=None,
        ) as self._socket:
            await self.rerun()
            try:
                async for payload in self._socket:
                    self._receive(payload)
            finally:
                self._forget_timers()
                self._drop_pulse()

    async def rerun(self, fragment="", *, by_itself=False, pressed=None, trigger=None):
        """Ask for a run of the script, or of a fragment."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        state.page_name, state.page_script_hash = (
            ("", self._hash) if self._hash else (self.page, "")
        )
        state.fragment_id = fragment
        state.is_auto_rerun = by_itself
        state.cached_message_hashes.extend(self._kept)
        if pressed:
            state.widget_states.widgets.add(id=pressed, trigger_value=True)
        if trigger:
            widget, value = trigger
            state.widget_states.widgets.add(id=widget, json_trigger_value=json.dumps(value))
        self.runs["fragment" if fragment else "page"] += 1
        self.finished.clear()
        with contextlib.suppress(websockets.ConnectionClosed):
            await self._socket.send(message.SerializeToString())

    async def press(self, label):
        """Press the button of this label."""
        widget, fragment = self.buttons[label]
        await self.rerun(fragment, pressed=widget)

    def _receive(self, payload):
        self.messages += 1
        self.bytes += len(payload)
        message = ForwardMsg.FromString(payload)
        kind = message.WhichOneof("type")
        if message.metadata.cacheable:
            self._kept[message.hash] = 0
        if kind == "new_session":
            if not message.metadata.run.fragment_ids:
                self._forget_timers()
                self._is_stale = True
        elif kind == "auto_rerun":
            self._set_timer(message.auto_rerun)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._drop_timer(fragment)
        elif kind == "navigation":
            self._hash = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "script_finished":
            self._kept = {hash_: age + 1 for hash_, age in self._kept.items() if age < KEPT}
            self.finished.set()
            if self._is_stale and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self._drop_pulse()
        elif kind == "delta":
            self._look_at(message.delta)
        elif kind == "ref_hash":
            self.repeated += 1

    def _look_at(self, delta):
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind == "button":
            self.buttons[element.button.label] = element.button.id, delta.fragment_id
        elif kind == "markdown" and (found := STEP.match(element.markdown.body)):
            self.seen.setdefault(int(found[1]), time.time())
        elif kind == "bidi_component" and element.bidi_component.component_name == PULSE:
            self._follow(element.bidi_component, delta.fragment_id)
        elif kind == "exception" or (kind == "alert" and element.alert.icon.endswith("error:")):
            self.errors.append(str(element)[:500])

    def _follow(self, component, fragment):
        self._is_stale = False
        if self._pulse and self._pulse[0] == component.json:
            return
        self._drop_pulse()
        task = asyncio.ensure_future(self._look(component, fragment))
        self._pulse = component.json, task

    async def _look(self, component, fragment):
        """Ask for news, as the component does in a browser."""
        data = json.loads(component.json)
        wait, patience = data["first"], 0
        while True:
            await asyncio.sleep(wait * random.uniform(0.85, 1.15))
            try:
                text = await asyncio.to_thread(fetched, self.address + data["url"])
            except OSError as error:  # it tries again later
                self.errors.append(f"no news: {error}")
                continue
            self.looks += 1
            answer = json.loads(text)
            wait = answer["next"]
            if answer["news"] == data["news"]:
                patience = 0
            elif patience:
                patience -= 1
            else:
                patience = 2
                widget = f"$$STREAMLIT_INTERNAL_KEY_{component.id}__events"
                event = {"event": "news", "value": answer["news"]}
                await self.rerun(fragment, trigger=(widget, [event]))

    def _drop_pulse(self):
        if self._pulse:
            self._pulse[1].cancel()
        self._pulse = None

    def _set_timer(self, message):
        fragment, interval = message.fragment_id, message.interval
        if fragment in self._timers and self._timers[fragment][0] == interval:
            return
        self._drop_timer(fragment)
        task = asyncio.ensure_future(self._repeat(fragment, interval))
        self._timers[fragment] = interval, task

    async def _repeat(self, fragment, interval):
        while True:
            await asyncio.sleep(interval)
            await self.rerun(fragment, by_itself=True)

    def _drop_timer(self, fragment):
        if fragment in self._timers:
            self._timers.pop(fragment)[1].cancel()

    def _forget_timers(self):
        for fragment in list(self._timers):
            self._drop_timer(fragment)


def fetched(url):
    """Text at an address."""
    with urlopen(url, timeout=60) as answer:
        return answer.read().decode()
