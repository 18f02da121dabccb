"""What tests of the blob store on S3 share: a store before a server that misbehaves on demand, and a view behind it."""
