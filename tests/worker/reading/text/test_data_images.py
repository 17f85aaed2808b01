"""Images written into the HTML do not count as text."""

from base64 import b64encode, encodebytes

from tests.worker.reading.mails import page
from worker.reading import ReadingLimits, read
from worker.reading.text.data_images import take_out_images

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(2_000)


def uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def test_text_after_large_images_is_read() -> None:
    images = "".join(f'<img src="{uri(bytes(900_000))}">' for _ in range(5))
    reading = read(page(f"<p>Dear team</p>{images}<p>Policy Number: LF-778812</p>"))
    assert reading.fields["policy_number"] == "LF-778812"
    assert "truncated" not in reading.flags
    assert "Dear team" in reading.text


def test_an_image_in_the_html_is_shown_as_it_is() -> None:
    assert uri(PICTURE) in read(page(f'<p>x</p><img alt="a" src="{uri(PICTURE)}">')).html


def test_a_wrapped_image_is_taken_out_whole() -> None:
    images: dict[str, tuple[str, bytes]] = {}
    wrapped = b"data:image/png;base64," + encodebytes(PICTURE)
    assert take_out_images(b"<img src='" + wrapped + b"'>", images).count(b"A") == 0
    assert [kind for kind, _ in images.values()] == ["image/png"]


def test_images_together_are_not_larger_than_allowed() -> None:
    limits = ReadingLimits()
    images = "".join(f'<img src="{uri(bytes(900_000))}">' for _ in range(8))
    assert len(read(page(images)).html) < limits.images_bytes * 1.4


def test_what_is_no_image_is_left_out() -> None:
    html = take_out_images(f'<a href="{uri(PICTURE, "application/pdf")}">x</a>'.encode(), {})
    assert html == b'<a href="data:,">x</a>'
