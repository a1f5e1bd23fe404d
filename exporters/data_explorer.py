"""Lines of JSON into a table of Azure Data Explorer: streamed, or queued where streaming is refused.

    streamed    in the table when the call returns; what is sent twice is there twice
    queued      a blob and a message for the service, which reads it within minutes; its tag is
                `ingest-by:NAME`; it is left out by the service where an extent with that tag is there already
    refused     the service will never take these lines
    away        nobody answers in time, or not in a way that says more; whether the lines arrived is not known

The client of Microsoft's package streams first and queues what is too large or throttled; tables without a
streaming policy are queued here. It waits up to 90 s where a storage account cannot be reached, and cannot be
interrupted: each call has a thread that nobody waits for longer than `within_s`, and that does not keep the
process from ending.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# Much of the package has no types.

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from exporters.export import CannotExport

STREAMED, QUEUED, REFUSED, AWAY = "streamed", "queued", "refused", "away"
TABLE, MAPPING = "Told", "told"
"""Those of infra/kql/adx/tables.kql."""
_BAD_REQUEST, _TOO_LARGE = 400, 413
Outcome = tuple[str, str]
"""What became of lines, and a sentence why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database of a cluster (https://NAME.REGION.kusto.windows.net), and how long one call may take."""

    uri: str
    database: str
    within_s: float = 60.0


class DataExplorer:
    """One table. Asks for tokens as the identity of this machine or developer."""

    def __init__(self, target: Target) -> None:
        """Nothing is connected yet. Raises CannotExport for an address that nothing can be sent to."""
        try:
            from azure.kusto.ingest import IngestionProperties, ManagedStreamingIngestClient  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise CannotExport(
                "What sends to Data Explorer is not installed: pip install 'askpage[kusto]'"
            ) from error
        self._within_s = target.within_s
        self._database = target.database
        self._properties = IngestionProperties
        self._client = ManagedStreamingIngestClient(_connection(target), _connection(target))

    async def send(self, name: str, lines: Sequence[str]) -> Outcome:
        """Send lines under a name; return what became of them, and why."""
        data = "\n".join(lines).encode()
        try:
            return await asyncio.wait_for(_in_thread(lambda: self._send(name, data)), self._within_s)
        except TimeoutError:
            return AWAY, f"It did not answer within {self._within_s:g} s."

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _send(self, name: str, data: bytes) -> Outcome:
        from azure.kusto.data.exceptions import KustoServiceError  # noqa: PLC0415

        try:
            done = self._ingest(data, self._make_properties(name))
        except KustoServiceError as error:
            return (REFUSED if _is_permanent(error) else AWAY), _why(error)
        except Exception as error:  # noqa: BLE001 - tokens and storage fail in their own ways, and nothing is lost
            return AWAY, _why(error)
        return (QUEUED if done.status.value == "QUEUED" else STREAMED), ""

    def _ingest(self, data: bytes, properties: Any) -> Any:
        """Stream once.

        What is worth another try is the managed client's, which would try thrice what never goes, too.
        """
        from azure.kusto.data.exceptions import KustoServiceError, KustoThrottlingError  # noqa: PLC0415

        client = self._client
        if len(data) <= client.MAX_STREAMING_SIZE_IN_BYTES:
            try:
                return client.streaming_client.ingest_from_stream(io.BytesIO(data), properties)
            except KustoThrottlingError:
                pass
            except KustoServiceError as error:
                if _is_streaming_refused(error):
                    return client.queued_client.ingest_from_stream(io.BytesIO(data), properties)
                if _is_final(error):
                    raise
        return client.ingest_from_stream(io.BytesIO(data), properties)

    def _make_properties(self, name: str) -> Any:
        from azure.kusto.data import DataFormat  # noqa: PLC0415
        from azure.kusto.ingest import IngestionMappingKind, ReportLevel  # noqa: PLC0415

        return self._properties(
            self._database,
            TABLE,
            data_format=DataFormat.MULTIJSON,
            ingestion_mapping_kind=IngestionMappingKind.JSON,
            ingestion_mapping_reference=MAPPING,
            ingest_by_tags=[name],
            ingest_if_not_exists=[name],
            report_level=ReportLevel.FailuresOnly,
        )


async def _in_thread(do: Callable[[], Outcome]) -> Outcome:
    """Run something in a thread of its own, which ends with the process, whatever it waits for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Outcome] = loop.create_future()

    def tell(outcome: Outcome) -> None:
        if not done.done():
            done.set_result(outcome)

    def work() -> None:
        outcome = do()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=work, name="data explorer", daemon=True).start()
    return await done


def _connection(target: Target) -> Any:
    from azure.kusto.data import KustoConnectionStringBuilder  # noqa: PLC0415

    parts = urlsplit(target.uri)
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        found = KustoConnectionStringBuilder.with_no_authentication(target.uri)
    elif parts.scheme == "https" and parts.hostname:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415

        found = KustoConnectionStringBuilder.with_azure_token_credential(target.uri, DefaultAzureCredential())
    else:
        raise CannotExport(
            "data_explorer_uri is no address of a cluster: https://NAME.REGION.kusto.windows.net"
        )
    found.application_for_tracing = found.user_name_for_tracing = "askpage"  # not who is logged in here
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_streaming_refused(error: Any) -> bool:
    """Tell whether this table, database or cluster takes nothing that is streamed, or not so much."""
    return "StreamingIngestion" in _code(error) or _status(error) == _TOO_LARGE


def _is_permanent(error: Any) -> bool:
    """Tell whether the service understood and will not take it: missing rights and names can be mended."""
    return _status(error) == _BAD_REQUEST and _is_final(error)


def _is_final(error: Any) -> bool:
    """Tell whether the service says that another try is no use."""
    return bool(getattr(getattr(error, "error", None), "permanent", False))


def _code(error: Any) -> str:
    return str(getattr(getattr(error, "error", None), "code", "") or "")


def _status(error: Any) -> int:
    return int(getattr(getattr(error, "http_response", None), "status_code", 0) or 0)


def _why(error: Exception) -> str:
    """Say what happened by names and numbers: what a service says may repeat what it was sent."""
    said = [type(error).__name__, _code(error), str(_status(error) or "")]
    return " ".join(word for word in said if word) + "."
