import CZlib

/// Takes gzip apart as it comes (RFC 1952), by zlib.
final class Gunzip {
    private var stream = z_stream()
    private var output = [UInt8](repeating: 0, count: 256 << 10)
    private var isReady: Bool
    /// Between two members, or behind the last.
    private var isBetween = false

    init() { isReady = fog_inflate_begin(&stream) == Z_OK }

    deinit { inflateEnd(&stream) }

    /// - Parameter emit: true = go on, false = no more is wanted.
    /// - Throws: `bad_image` for bytes that are not gzip, and what `emit` throws.
    func read(
        _ bytes: ArraySlice<UInt8>, _ emit: (ArraySlice<UInt8>) throws(SandboxFailure) -> Bool
    ) throws(SandboxFailure) -> Bool {
        guard isReady else { throw SandboxFailure("sandbox_failed", "zlib could not be started") }
        var rest = bytes
        while !rest.isEmpty {
            if isBetween {
                // Archives on tapes are padded by zeros; anything else begins a further member.
                rest = rest.drop { $0 == 0 }
                if rest.isEmpty { return true }
                inflateReset(&stream)
                isBetween = false
            }
            let (used, made, code) = step(rest)
            rest = rest.dropFirst(used)
            if made > 0, try !emit(output[..<made]) { return false }
            if code == Z_STREAM_END {
                isBetween = true
            } else if code != Z_OK, code != Z_BUF_ERROR || (used == 0 && made == 0 && !rest.isEmpty) {
                throw TarReader.refused("what is compressed does not read: zlib says \(code)")
            }
        }
        return true
    }

    /// - Throws: `bad_image` when the last member has no end.
    func finish() throws(SandboxFailure) {
        guard isBetween else { throw TarReader.refused("what is compressed stops before its end") }
    }

    private func step(_ input: ArraySlice<UInt8>) -> (used: Int, made: Int, code: Int32) {
        input.withUnsafeBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                // zlib does not write to its input, whatever its type says.
                stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                let code = inflate(&stream, Z_NO_FLUSH)
                return (source.count - Int(stream.avail_in), target.count - Int(stream.avail_out), code)
            }
        }
    }
}
