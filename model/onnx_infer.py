"""placeholder: being written."""


class EngineBusy(Exception):
    """The queue is full."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"busy; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s
