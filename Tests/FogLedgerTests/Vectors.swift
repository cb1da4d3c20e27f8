import FogCore
import Glibc
import Testing

/// A file of published vectors; each names its source.
func vectors(_ name: String, file: String = #filePath) throws -> JSON {
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    let stream = try #require(fopen("\(folder)/Vectors/\(name)", "r"), "no \(name) in \(folder)/Vectors")
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, stream)
        if count == 0 { break }
        bytes += chunk.prefix(count)
    }
    return try JSON(parsing: bytes)
}
