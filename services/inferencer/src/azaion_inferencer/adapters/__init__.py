"""Everything outside: video files, pictures, cameras, windows, files written, and the release server."""
