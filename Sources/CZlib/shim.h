#include <zlib.h>

// inflateInit2 is a macro. 16 + 15: gzip only, with the largest window.
static inline int fog_inflate_begin(z_stream *stream) { return inflateInit2(stream, 16 + 15); }
