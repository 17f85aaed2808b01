"""A mail's body, to be shown in a sandboxed frame."""

from html import escape

from server.handlers.base import Handler

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:{images}; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

#: White, whatever the page's theme: mail is written for paper. Plain text keeps its lines.
_STYLE = "body{margin:1rem;background:#fff;color:#111;font:1rem/1.5 sans-serif;overflow-wrap:anywhere}\
img{max-width:100%;height:auto}.text{white-space:pre-wrap}"


class MessageHandler(Handler):
    """`GET …/message`: sanitized HTML (the text, where a mail has none) that may do nothing; `?images=1` loads images.

    The policy blocks, not the cleaning: no script, no form, no style or image from elsewhere, no place in other pages.
    """

    async def get(self, item_id: str) -> None:
        reading = await self.context.mailstore.get_reading(item_id)
        images = " https:" if self.get_query_argument("images", "") == "1" else ""
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Content-Security-Policy", _POLICY.format(images=images))
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "private, no-store")
        self.write(document(reading.get("html") or "", reading.get("text") or ""))


def document(html: str, text: str) -> str:
    """A whole page around a mail's body; links open elsewhere."""
    body = html or f'<div class="text" dir="auto">{escape(text)}</div>'
    return (
        '<!doctype html><html><head><meta charset="utf-8"><base target="_blank">'
        f"<title>Message</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
