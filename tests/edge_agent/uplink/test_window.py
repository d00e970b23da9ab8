"""The window's rules, one by one, and then against a model that follows their words."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_agent.sending import Identity
from edge_agent.uplink.window import Window
from edge_wire.messages import Stream

S = 1_000_000_000


def read(sequence: int) -> Identity:
    return Identity(1, Stream.DETECTION, sequence)


def window(size: int = 10, now_ns: int = 0) -> Window:
    return Window(size, 0.2, now_ns)


def test_a_fifth_of_the_room_is_kept_for_live_rows():
    full = window()
    for n in range(8):
        full.published(read(n), live=False, now_ns=0)
    assert full.room() == (2, 0)
    full.published(read(8), live=True, now_ns=0)
    assert full.room() == (1, 0)
    full.acked([read(0)], 0)
    assert full.room() == (2, 1)


def test_live_rows_may_take_all_of_it():
    full = window()
    for n in range(10):
        full.published(read(n), live=True, now_ns=0)
    assert full.room() == (0, 0)


def test_a_row_backs_off_from_two_seconds_to_ten_minutes():
    waiting, other = window(), Identity(1, Stream.REPORT, 1)
    waiting.published(read(1), live=True, now_ns=0)
    due_ns = 0
    for gap_s in (2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600):
        due_ns += gap_s * S
        waiting.acked([other], due_ns - 1)  # an ack for what is not ours to send: the collector is not silent
        assert waiting.due(due_ns - 1) == []
        assert waiting.next_due_ns(due_ns - 1) == due_ns
        assert waiting.due(due_ns) == [read(1)]
        waiting.published_again(read(1), due_ns)


def test_a_row_that_was_overtaken_by_more_than_two_seconds_goes_again():
    waiting = window()
    waiting.published(read(1), live=True, now_ns=0)
    waiting.published(read(2), live=True, now_ns=0)
    waiting.acked([read(2)], S // 2)
    waiting.published_again(read(1), S // 2)  # now it is the latest: what was acked before says nothing about it
    assert waiting.due(2 * S + S // 2 + 1) == []
    waiting.published(read(3), live=True, now_ns=S)
    waiting.acked([read(3)], S)
    assert waiting.due(3 * S) == []
    assert waiting.due(3 * S + 1) == [read(1)]


def test_another_streams_ack_overtakes_nothing():
    waiting = window()
    waiting.published(read(1), live=True, now_ns=0)
    waiting.published_again(read(1), 0)
    report = Identity(1, Stream.REPORT, 1)
    waiting.published(report, live=True, now_ns=0)
    waiting.acked([report], 0)
    assert waiting.due(3 * S) == []


def test_after_ten_silent_seconds_one_row_alone_is_sent_again():
    waiting = window()
    for n in (1, 2, 3):
        waiting.published(read(n), live=True, now_ns=0)
    assert waiting.due(9 * S) == [read(1), read(2), read(3)]
    assert waiting.silent(10 * S)
    assert waiting.due(10 * S) == [read(1)]
    waiting.published_again(read(1), 10 * S)
    assert waiting.next_due_ns(10 * S) == 14 * S
    assert waiting.due(13 * S) == []
    assert waiting.due(14 * S) == [read(1)]
    waiting.acked([read(1)], 14 * S)
    assert waiting.due(14 * S) == [read(2), read(3)]


def test_an_idle_window_is_not_silent_and_never_due():
    idle = window()
    assert not idle.silent(3600 * S)
    assert (idle.due(3600 * S), idle.next_due_ns(3600 * S)) == ([], None)


def test_after_an_hour_with_nothing_to_say_a_row_has_waited_for_no_time():
    window_of_a_quiet_night = window()
    assert window_of_a_quiet_night.waiting_since_ns() is None
    window_of_a_quiet_night.published(read(1), live=True, now_ns=3600 * S)
    window_of_a_quiet_night.published(read(2), live=True, now_ns=3601 * S)
    assert window_of_a_quiet_night.waiting_since_ns() == 3600 * S
    assert not window_of_a_quiet_night.silent(3609 * S)
    assert window_of_a_quiet_night.silent(3610 * S)


class ModelledWindow(RuleBasedStateMachine):
    """Keeps the whole history and answers from it by the letter of PROTOCOL's rules."""

    SIZE = 5

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.window = Window(self.SIZE, 0.2, 0)
        self.count = 0
        self.live: dict[Identity, bool] = {}
        self.sends: dict[Identity, list[tuple[int, int]]] = {}
        self.acks: list[tuple[Stream, int, int]] = []
        self.waiting_since_ns = 0
        self.order = 0

    def sent(self, identity: Identity) -> None:
        self.order += 1
        self.sends.setdefault(identity, []).append((self.order, self.now_ns))

    def backed_off(self, identity: Identity) -> bool:
        times = self.sends[identity]
        return self.now_ns - times[-1][1] >= min(2 * S * 2 ** (len(times) - 1), 600 * S)

    def overtaken(self, identity: Identity) -> bool:
        last = self.sends[identity][-1][0]
        return any(s == identity.stream and o > last and self.now_ns - at > 2 * S for s, o, at in self.acks)

    def expected(self) -> list[Identity]:
        waiting = list(self.sends)
        if waiting and self.now_ns - self.waiting_since_ns >= 10 * S:
            return [waiting[0]] if self.backed_off(waiting[0]) else []
        return [i for i in waiting if self.backed_off(i) or self.overtaken(i)]

    @rule(live=st.booleans(), stream=st.sampled_from(Stream))
    def publish(self, live: bool, stream: Stream) -> None:
        room = self.window.room()
        if room.rows and (live or room.ordinary):
            self.count += 1
            identity = Identity(1, stream, self.count)
            self.live[identity] = live
            if not self.sends:
                self.waiting_since_ns = self.now_ns
            self.sent(identity)
            self.window.published(identity, live=live, now_ns=self.now_ns)

    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        named = data.draw(st.sets(st.sampled_from(sorted(self.sends)))) if self.sends else set()
        self.waiting_since_ns = self.now_ns
        self.window.acked(named, self.now_ns)
        for identity in named:
            self.acks.append((identity.stream, self.sends.pop(identity)[-1][0], self.now_ns))

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        if self.sends:
            identity = data.draw(st.sampled_from(sorted(self.sends)))
            del self.sends[identity]
            self.window.dropped(identity)

    @rule()
    def send_what_is_due(self) -> None:
        for identity in self.window.due(self.now_ns):
            self.sent(identity)
            self.window.published_again(identity, self.now_ns)

    @rule(by_ns=st.sampled_from([1, S // 2, S, 2 * S, 5 * S, 11 * S, 700 * S]))
    def wait(self, by_ns: int) -> None:
        due_ns = self.window.next_due_ns(self.now_ns)
        earlier = self.expected()
        self.now_ns += by_ns
        if due_ns is not None and due_ns > self.now_ns:
            assert set(self.expected()) <= set(earlier)  # whoever sleeps until then misses nothing

    @invariant()
    def due_is_what_the_rules_say(self) -> None:
        assert self.window.due(self.now_ns) == self.expected()

    @invariant()
    def room_is_bounded(self) -> None:
        ordinary = sum(not self.live[i] for i in self.sends)
        assert len(self.window) == len(self.sends) <= self.SIZE
        assert ordinary <= 4
        assert self.window.room() == (self.SIZE - len(self.sends), min(self.SIZE - len(self.sends), 4 - ordinary))


TestModelledWindow = ModelledWindow.TestCase
