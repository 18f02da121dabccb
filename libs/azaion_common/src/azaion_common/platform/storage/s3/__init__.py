"""``BlobStore`` on S3, or on whatever speaks its protocol.

botocore signs, sends and parses; when to try again, how long to wait, what to check and when to give up is decided
here, because its own retries cover neither a body that dies in the middle nor a deadline.
"""

from azaion_common.platform.storage.s3.bucket import make_bucket
from azaion_common.platform.storage.s3.limits import Limits
from azaion_common.platform.storage.s3.location import S3Location
from azaion_common.platform.storage.s3.store import S3BlobStore

__all__ = ["Limits", "S3BlobStore", "S3Location", "make_bucket"]
