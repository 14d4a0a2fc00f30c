"""The formats in which pictures are read."""

# What a picture may be, and its suffix. Other decoders see no byte of a file, whatever it is called: Pillow's for EPS
# would start another program.
SUFFIX_OF = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
}
# JPEG's decoder is the one that finds several pictures in a file (MPO).
DECODERS = tuple(kind for kind in SUFFIX_OF if kind != "MPO")
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif"),
    *(".bmp", ".dib", ".tif", ".tiff", ".avif", ".avifs"),
)
