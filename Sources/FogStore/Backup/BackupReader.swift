package import FogCore
internal import Glibc

/// Unpacks a backup into an empty folder and holds every file against its digest.
package struct BackupReader: Sendable {
    package struct Summary: Sendable, Hashable {
        package var madeAt: Timestamp
        package var software: String
        package var files = 0
        package var bytes: Int64 = 0
    }

    /// Of the two entries that are read whole.
    private static let tableLimit: Int64 = 1 << 30
    private static let pieceBytes = 1 << 20

    private let path: String

    package init(path: String) { self.path = path }

    /// - Parameter folder: is made; must not be there.
    /// - Throws: `bad_archive` for a file that is no whole backup; then the folder may hold a part of it.
    package func unpack(into folder: String) throws(StoreFailure) -> Summary {
        guard mkdir(folder, 0o700) == 0 else { throw Folder.failure("could not be made", folder) }
        let file = try File(path, O_RDONLY)
        let end = try file.size
        var offset: Int64 = 0
        var summary: Summary?
        var digests: [String: Digest] = [:]
        var isComplete = false
        while let header = try Self.header(file, at: offset) {
            offset += Int64(TarHeader.blockSize)
            guard !isComplete, header.size <= end - offset else {
                throw TarHeader.broken("it ends within \(header.name)")
            }
            switch header.name {
            case BackupForm.aboutName where summary == nil: summary = try Self.about(file, header, at: offset)
            case BackupForm.digestsName:
                try Self.compare(digests, with: try Self.whole(file, header, at: offset))
                isComplete = true
            default:
                guard summary != nil, digests[header.name] == nil else {
                    throw TarHeader.broken("\(header.name) is not where it belongs")
                }
                digests[header.name] = try Self.copy(file, header, at: offset, into: folder)
                summary?.files += 1
                summary?.bytes += header.size
            }
            offset += header.size + Int64(header.padding)
        }
        for name in Set(digests.keys.map { Folder.parent(of: "\(folder)/\($0)") }) { try Folder.sync(name) }
        guard let summary, isComplete, digests[BackupForm.databaseName] != nil else {
            throw TarHeader.broken("its end is missing")
        }
        return summary
    }

    private static func header(_ file: borrowing File, at offset: Int64) throws(StoreFailure) -> TarHeader? {
        try TarHeader.read(try file.read(at: offset, count: TarHeader.blockSize))
    }

    private static func whole(_ file: borrowing File, _ header: TarHeader, at offset: Int64) throws(StoreFailure)
        -> [UInt8]
    {
        guard header.size <= tableLimit else {
            throw TarHeader.broken("\(header.name) has \(header.size) bytes, at most \(tableLimit)")
        }
        return try file.read(at: offset, count: Int(header.size))
    }

    private static func about(_ file: borrowing File, _ header: TarHeader, at offset: Int64) throws(StoreFailure)
        -> Summary
    {
        let bytes = try whole(file, header, at: offset)
        guard let json = try? JSON(parsing: bytes), let made = json["made_at"]?.string,
            let madeAt = try? Timestamp(made), let format = json["format"]?.integer
        else { throw TarHeader.broken("\(header.name) does not read") }
        guard format == BackupForm.version else {
            throw StoreFailure(
                "newer_schema", "the backup has format \(format); this version reads \(BackupForm.version)")
        }
        return Summary(madeAt: madeAt, software: json["software"]?.string ?? "")
    }

    private static func copy(
        _ file: borrowing File, _ header: TarHeader, at start: Int64, into folder: String
    ) throws(StoreFailure) -> Digest {
        var place = folder
        let parts = header.name.split(separator: "/")
        for part in parts.dropLast() {
            place += "/\(part)"
            try Folder.make(place)
        }
        let target = try File("\(folder)/\(header.name)", O_RDWR | O_CREAT | O_EXCL)
        var stream = DigestStream()
        var offset: Int64 = 0
        while offset < header.size {
            let piece = try file.read(at: start + offset, count: Int(min(Int64(pieceBytes), header.size - offset)))
            guard !piece.isEmpty else { throw TarHeader.broken("it ends within \(header.name)") }
            stream.update(piece)
            try target.write(piece, at: offset)
            offset += Int64(piece.count)
        }
        try target.sync()
        return stream.finish()
    }

    /// Every file stands in the list once, with the digest of what came.
    private static func compare(_ found: [String: Digest], with table: [UInt8]) throws(StoreFailure) {
        var left = found
        for line in String(decoding: table, as: UTF8.self).split(separator: "\n") {
            let name = String(line.dropFirst(66))
            guard let digest = left.removeValue(forKey: name) else {
                throw TarHeader.broken(
                    "\(TarHeader.isName(name) ? name : "a file") of its list is not there, or listed twice")
            }
            guard line.hasPrefix("\(digest)  ") else { throw TarHeader.broken("\(name) was altered") }
        }
        guard left.isEmpty else { throw TarHeader.broken("a file is in no list") }
    }
}
