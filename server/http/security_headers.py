"""The headers by which every answer protects the person in the browser."""

#: On every answer; pages and mail bodies set another Content-Security-Policy.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # What our pages never use, so that no script that got into one can use it.
    "Permissions-Policy": ", ".join(
        f"{name}=()"
        for name in (
            "accelerometer",
            "camera",
            "display-capture",
            "geolocation",
            "gyroscope",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "usb",
        )
    ),
    # A browser would ask its name server for the host of every link in a mail.
    "X-DNS-Prefetch-Control": "off",
}

#: On every answer by TLS (RFC 6797): for a year the browser asks this host by TLS alone.
STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}
