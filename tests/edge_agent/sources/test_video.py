import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import Frame
from edge_agent.sources.live import RTSP_LATENCY_NS, LiveSource, is_live, without_secrets
from edge_agent.sources.pacing import Pace
from edge_agent.sources.stills import StillsSource
from edge_agent.sources.video import VideoFileSource, open_frame_source
from edge_wire.clock import SystemClock

START_NS = 1_700_000_000_000_000_000


class FakeClock:
    """Stands still."""

    def utc_ns(self) -> int:
        return START_NS

    def boot_ns(self) -> int:
        return 5_000_000_000

    def error_ns(self) -> int:
        return 700


def open_fast(path: Path, **options):
    return open_frame_source(path, camera="cam", clock=FakeClock(), pace=Pace.FAST, **options)


def write_image(path: Path, shade: int = 100) -> Path:
    cv2.imwrite(str(path), np.full((24, 32, 3), shade, np.uint8))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    for name, shade in (("b.png", 20), ("a.PNG", 10), ("c.jpg", 30)):
        write_image(folder / name.lower(), shade).rename(folder / name)
    (folder / "notes.txt").write_text("not a picture", encoding="utf-8")
    return folder


def write_video(path: Path, frames: int = 5, fps: int = 10) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 + 40 * i, np.uint8), format="bgr24")
            picture.pts, picture.time_base = i, Fraction(1, fps)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def test_one_image_is_one_frame(tmp_path: Path) -> None:
    source = open_fast(write_image(tmp_path / "car.jpg"))
    (frame,) = source.frames()
    assert (frame.camera, frame.name, frame.image.shape) == ("cam", "car.jpg", (24, 32, 3))
    assert (frame.captured.utc_ns, frame.captured.boot_ns, frame.captured.error_ns) == (START_NS, 5_000_000_000, 700)
    assert source.stills


def test_a_folder_of_stills_is_one_scene_a_picture_in_order(folder: Path) -> None:
    frames = list(open_fast(folder).frames())
    assert [f.name for f in frames] == ["a.PNG", "b.png", "c.jpg"]
    assert [f.scene for f in frames] == [0, 1, 2]
    assert [f.image[0, 0, 0] // 10 for f in frames] == [1, 2, 3]


def test_with_a_frame_rate_a_folder_is_one_scene(folder: Path) -> None:
    source = open_fast(folder, fps=4, starts_at_utc_ns=START_NS - 10**9)
    frames = list(source.frames())
    assert {f.scene for f in frames} == {0}
    assert [f.captured.utc_ns - START_NS + 10**9 for f in frames] == [0, 250_000_000, 500_000_000]
    assert not source.stills


def test_an_unreadable_picture_is_named_counted_and_skipped(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"torn")
    (folder / "d.jpg").write_bytes(b"")
    told: list[str] = []
    source = open_fast(folder, on_skipped=lambda path, error: told.append(f"{path.name}: {error}"))
    assert [f.name for f in source.frames()] == ["a.PNG", "c.jpg"]
    assert isinstance(source, StillsSource)
    assert source.skipped == 2
    assert told[0].startswith("b.png:")
    assert "4 bytes that are no picture" in told[0]


def test_a_folder_with_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"torn")
    with pytest.raises(SourceError, match="none of its 1 pictures"):
        list(open_fast(tmp_path, on_skipped=lambda path, error: None).frames())


def test_an_empty_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no pictures in it; expected files ending in .*\.jpg"):
        open_fast(tmp_path)


def test_pictures_below_a_folder_are_found_too(folder: Path) -> None:
    (folder / "bb").mkdir()
    write_image(folder / "bb" / "below.jpg")
    (folder / "folder.jpg").mkdir()
    assert [f.name for f in open_fast(folder).frames()] == ["a.PNG", "b.png", "below.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("gone.mp4", r"gone\.mp4: no such file or folder"),
        ("x" * 300, r"cannot be looked at \(File name too long\)"),
        ("http://user:secret@host/x", r"expected rtsp://"),
    ],
)
def test_what_cannot_be_opened_is_named(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        open_frame_source(url, camera="cam", clock=FakeClock())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fps", [0, -1, 1e6])
def test_a_frame_rate_out_of_bounds_is_refused(folder: Path, fps: float) -> None:
    with pytest.raises(ConfigurationError, match="fps: got"):
        open_fast(folder, fps=fps)


def test_a_video_has_its_own_frame_times(tmp_path: Path) -> None:
    source = open_fast(write_video(tmp_path / "road.mp4"), starts_at_utc_ns=START_NS)
    frames = list(source.frames())
    assert [f.captured.utc_ns - START_NS for f in frames] == [i * 100_000_000 for i in range(5)]
    assert {f.scene for f in frames} == {0}
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.mean() < frames[4].image.mean()


def test_a_videos_luma_is_there_without_its_colours(tmp_path: Path) -> None:
    frames = list(open_fast(write_video(tmp_path / "road.mp4")).frames())
    assert [f.luma.shape for f in frames] == [(48, 64)] * 5
    assert frames[0].luma.mean() < frames[4].luma.mean()


def test_a_video_that_is_damaged_inside_costs_what_needs_the_damaged_part(tmp_path: Path) -> None:
    path = tmp_path / "road.mp4"
    rng = np.random.default_rng(2)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 10
        for i in range(60):
            noise = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(noise, format="bgr24")
            picture.pts, picture.time_base = i, Fraction(1, 10)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(400) + whole[middle + 400 :])
    source = open_fast(path)
    assert isinstance(source, VideoFileSource)
    frames = list(source.frames())
    assert 40 <= len(frames) < 60
    assert len(frames) + source.lost == 60
    assert (source.condition(), source.timing()) == ("", "")


def test_a_closed_source_ends(tmp_path: Path) -> None:
    source = open_fast(write_video(tmp_path / "road.mp4"))
    frames = source.frames()
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


def test_a_damaged_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "road.mp4").write_bytes(b"not a video")
    with pytest.raises(SourceError, match=r"road\.mp4: cannot be read as video"):
        list(open_fast(tmp_path / "road.mp4").frames())


def test_a_file_without_video_is_an_error(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        out.mux(stream.encode(sound))
    source = open_fast(tmp_path / "sound.wav")
    assert isinstance(source, VideoFileSource)
    with pytest.raises(SourceError, match="holds no video"):
        list(source.frames())


@pytest.mark.parametrize("url", ["rtsp://cam/1", "rtsps://cam/1", "/dev/video0", "0", "/dev/v4l/by-id/usb-A-index0"])
def test_what_goes_on_for_ever(url: str) -> None:
    assert is_live(url)
    assert isinstance(open_frame_source(url, camera="cam", clock=FakeClock(), transport="udp"), LiveSource)


@pytest.mark.parametrize("url", ["road.mp4", "/dev/shm/road.mp4", "folder", "0.jpg"])
def test_what_ends(url: str) -> None:
    assert not is_live(url)


def test_a_missing_usb_camera_is_named() -> None:
    source = open_frame_source("97", camera="cam", clock=SystemClock())
    with pytest.raises(SourceError, match="/dev/video97: no such device"):
        next(source.frames())


def test_secrets_stay_out_of_messages() -> None:
    assert without_secrets("rtsp://admin:secret@cam.local:554/live") == "rtsp://cam.local:554"
    source = LiveSource("cam", "rtsp://admin:se[cret@127.0.0.1:1/password=secret", SystemClock(), timeout_s=2)
    with pytest.raises(SourceError, match=r"^rtsp://127\.0\.0\.1:1: the camera"):
        next(source.frames())


def test_a_camera_that_refuses_is_an_error_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    source = LiveSource("cam", f"rtsp://u:secret@127.0.0.1:{port}/live", SystemClock(), timeout_s=2)
    with pytest.raises(SourceError, match="cannot be read") as caught:
        next(source.frames())
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_dead_camera_does_not_hang() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/live"
        with pytest.raises(SourceError, match=r"gave nothing for 0\.3 s"):
            next(LiveSource("cam", url, SystemClock(), timeout_s=0.3).frames())


SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\nc=IN IP4 0.0.0.0\r\n"
    "a=rtpmap:26 JPEG/90000\r\na=control:track0\r\n"
)


def rtp_jpeg(sequence: int, shade: int) -> bytes:
    """One RTP packet that holds a whole 64 x 48 picture (RFC 2435, type 1, its own quantisation tables)."""
    picture = np.full((48, 64, 3), shade, np.uint8)
    yuv420 = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90, *yuv420])[1].tobytes()
    tables, at, scan = b"", 2, b""
    while not scan:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xDB:
            tables += jpeg[at + 5 : at + 2 + size]
        if marker == 0xDA:
            scan = jpeg[at + 2 + size : -2]
        at += 2 + size
    payload = bytes([0, 0, 0, 0, 1, 255, 64 // 8, 48 // 8, 0, 0]) + len(tables).to_bytes(2, "big") + tables + scan
    header = bytes([0x80, 0x80 | 26]) + sequence.to_bytes(2, "big") + (sequence * 9000).to_bytes(4, "big") + b"cam0"
    return b"$\x00" + len(header + payload).to_bytes(2, "big") + header + payload


@contextmanager
def rtsp_camera(
    pictures: int, connections: int = 1, *, name: str = "cam", tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A camera that speaks just enough RTSP over TCP, sends some pictures, and hangs up."""
    sdp = SDP.replace("s=cam", f"s={name}")

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests:
            method = ""
            while method != "PLAY":
                lines = [*iter(lambda: requests.readline().decode().strip(), "")]
                if not lines:
                    return  # it hung up
                method, numbered = lines[0].split()[0], next(x for x in lines if x.lower().startswith("cseq"))
                answer = f"RTSP/1.0 200 OK\r\n{numbered}\r\nSession: 1\r\n"
                body = sdp if method == "DESCRIBE" else ""
                if method == "DESCRIBE":
                    answer += f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n"
                if method == "SETUP":
                    answer += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                connection.sendall(f"{answer}\r\n{body}".encode("latin-1"))
            for i in range(pictures):
                connection.sendall(rtp_jpeg(i, 40 + i))

    def accept(server: socket.socket) -> None:
        for _ in range(connections):
            connection = server.accept()[0]
            with suppress(ssl.SSLError, ConnectionError):  # who does not like the certificate hangs up
                serve(connection if tls is None else tls.wrap_socket(connection, server_side=True))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, args=(server,), daemon=True)
        thread.start()
        yield f"rtsp{'' if tls is None else 's'}://127.0.0.1:{server.getsockname()[1]}/live"
        thread.join(5)


def test_an_rtsp_camera_gives_frames_with_an_honest_time_and_then_breaks_off() -> None:
    """pains-17: a camera that went away is an error to be tried again, and the next try is another scene."""
    clock = SystemClock()
    before_ns = clock.boot_ns()
    frames: list[Frame] = []
    with rtsp_camera(100, connections=2) as url:
        source = LiveSource("cam", url, clock, timeout_s=5)
        for _ in range(2):
            with pytest.raises(SourceError, match="the camera ended its stream"):
                collect(source, frames)
    after_ns = clock.boot_ns()
    assert len(frames) > 3
    assert frames[-1].image.shape == (48, 64, 3)
    assert frames[-1].image.mean() == pytest.approx(40 + 99, abs=2)
    for frame in frames:
        assert before_ns - RTSP_LATENCY_NS <= frame.captured.boot_ns <= after_ns - RTSP_LATENCY_NS
        assert frame.captured.error_ns >= RTSP_LATENCY_NS
    assert [f.scene for f in frames] == sorted(f.scene for f in frames)
    assert len({f.scene for f in frames}) == 2
    assert not source.stills
    assert source.timing() == "arrival: no sender report so far"
    assert source.decoder == "software"


def collect(source: LiveSource, frames: list[Frame]) -> None:
    """Keep what came before the failure."""
    for frame in source.frames():
        frames.append(frame)


def test_a_camera_whose_name_is_in_another_encoding_is_read() -> None:
    """It used to be no ``SourceError``, and so the end of the whole agent."""
    with rtsp_camera(20, name="Entr\u00e9e") as url:
        frame = next(LiveSource("cam", url, SystemClock()).frames())
    assert frame.image.shape == (48, 64, 3)


def test_a_video_whose_title_is_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "road.avi"
    with av.open(str(write_video(tmp_path / "road.mp4"))) as given, av.open(str(path), "w") as out:
        out.metadata["title"] = "Entr00e"
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"Entr00e", b"Entr\xe9\xe9e"))
    assert len(list(open_fast(path).frames())) == 5


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A camera's own certificate, and where it lies."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=2099)
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    secret = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*secret))
    (folder / "camera.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "camera.pem", folder / "key.pem")
    return tls, folder / "camera.pem"


def test_over_tls_a_camera_that_shows_another_certificate_is_not_spoken_to(tmp_path: Path) -> None:
    tls, certificate = certified(tmp_path)
    with rtsp_camera(20, connections=2, tls=tls) as url:
        refused = open_frame_source(url, camera="cam", clock=SystemClock())
        with pytest.raises(SourceError, match=r"cannot be read .* certificate \(`ca`\)"):
            next(refused.frames())
        trusted = open_frame_source(url, camera="cam", clock=SystemClock(), ca=certificate)
        assert next(trusted.frames()).image.shape == (48, 64, 3)
