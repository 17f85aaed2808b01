"""`GET …/message`: the body of a mail, for a sandboxed frame."""

from html import escape

from server.handlers.base import BaseHandler

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:{images}; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

#: White in every theme of the page: mail is written for a white background. Plain text keeps its lines.
_STYLE = (
    "body{margin:1rem;background:#fff;color:#111;font:1rem/1.5 sans-serif;overflow-wrap:anywhere}\
img{max-width:100%;height:auto}.text{white-space:pre-wrap}"
    + (
        # The mark of a misleading link: nothing is inherited from the mail (the lines of a text do not continue in an
        # inline-block), nothing of the mail can be above it, and no style of a mail gives round corners or a shadow.
        ".real-host{all:initial;direction:ltr;unicode-bidi:isolate;display:inline-block;position:sticky;top:4px;left:0;"
        "z-index:2147483647;width:max-content;max-width:95vw;box-sizing:border-box;margin:4px;padding:0 .4em;"
        "border:2px solid #b45309;border-radius:.6em;box-shadow:0 0 0 2px #fff,0 0 0 4px #b45309;background:#fff3d6;"
        "color:#5c2500;font:bold 1rem/1.5 sans-serif;overflow-wrap:anywhere}"
        # The link is one box around all of its text, within which the mark stays in view however far the text is away.
        "a:has(>.real-host){display:inline-block!important;width:auto!important;max-width:none!important;"
        "height:auto!important}a:has(>.real-host) :not(img,.real-host){height:auto!important}"
    )
)


class MessageHandler(BaseHandler):
    """Answers sanitized HTML, or the text of a mail without HTML; `?images=1` allows images.

    The policy protects even if the sanitizer failed: no script, no form, no style or image from other hosts, and no
    other site can frame it.
    """

    async def get(self, item_id: str) -> None:
        reading = await self.context.mailstore.get_reading(item_id)
        images = " https:" if self.get_query_argument("images", "") == "1" else ""
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Content-Security-Policy", _POLICY.format(images=images))
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "private, no-store")
        self.write(render_document(reading.get("html") or "", reading.get("text") or ""))


def render_document(html: str, text: str) -> str:
    """Return a page with the body of a mail; its links open in a new tab."""
    body = html or f'<div class="text" dir="auto">{escape(text)}</div>'
    return (
        '<!doctype html><html><head><meta charset="utf-8"><base target="_blank">'
        f"<title>Message</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
