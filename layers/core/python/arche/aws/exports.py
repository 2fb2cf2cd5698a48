"""Downloads that are too large for an answer: a stream becomes an object, and its address is good for 15 minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from arche.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PART: Final = 8 * 1024 * 1024
_SECONDS: Final = 900


class ExportBucket:
    """Fills ``operations.front_ports.Exports``, with the rights of one customer's browse lease.

    An address dies with the credentials that signed it: those are asked for anew for each lease.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def offer(self, key: str, chunks: Iterator[bytes], *, media: str, disposition: str) -> str:
        """Store the stream under ``key`` and return a presigned address. Raises AwsUnavailable, AwsDenied.

        At most one part is in memory. A stream that breaks off (damaged bytes in the vault) leaves nothing behind.
        """
        try:
            self._store(key, chunks, media)
            asked = {"Bucket": self._bucket, "Key": key, "ResponseContentDisposition": disposition}
            url: str = self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=_SECONDS)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, "export not stored") from None
        return url

    def _store(self, key: str, chunks: Iterator[bytes], media: str) -> None:
        parts = _parts(chunks)
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=first, ContentType=media)
            return
        upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=media)["UploadId"]
        try:
            sent = [self._part(key, upload, 1, first), self._part(key, upload, 2, second)]
            sent += [self._part(key, upload, number, part) for number, part in enumerate(parts, 3)]
            self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": sent}
            )
        except BaseException:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
            raise

    def _part(self, key: str, upload: str, number: int, data: bytes) -> Any:
        answer = self._client.upload_part(Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": answer["ETag"]}


def _parts(chunks: Iterator[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        while len(gathered) >= _PART:
            yield bytes(gathered[:_PART])
            del gathered[:_PART]
    if gathered:
        yield bytes(gathered)
