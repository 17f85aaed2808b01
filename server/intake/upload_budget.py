"""The memory and disk for bodies that are just received: no network may take all of it."""

from collections import Counter

from server.access.client_address import network_of


class UploadBudget:
    """Limits how many bytes of bodies are received at a time, in all and from one network."""

    def __init__(self, max_bytes: int, max_bytes_per_network: int | None = None) -> None:
        self.max_bytes = max_bytes
        self.max_bytes_per_network = max_bytes_per_network or max_bytes
        self.reserved_bytes = 0
        self._networks: Counter[str] = Counter()

    def reserve(self, size: int, address: str) -> bool:
        """Reserve *size* bytes until `release`; return False if there are not so many free."""
        network = network_of(address)
        if self.reserved_bytes + size > self.max_bytes or self._networks[network] + size > self.max_bytes_per_network:
            return False
        self.reserved_bytes += size
        self._networks[network] += size
        return True

    def release(self, size: int, address: str) -> None:
        """Free *size* bytes that were reserved."""
        network = network_of(address)
        self.reserved_bytes -= size
        self._networks[network] -= size
        if not self._networks[network]:
            del self._networks[network]
