"""TLS contexts of our listeners, read from files that the documents name."""

import ssl


def server_context(certificate: str, key: str, client_ca: str | None, *, required: bool) -> ssl.SSLContext:
    """TLS 1.2 and up. With `client_ca` clients may, or where `required` have to, show a certificate of it.

    OSError (ssl.SSLError is one) where a file cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context
