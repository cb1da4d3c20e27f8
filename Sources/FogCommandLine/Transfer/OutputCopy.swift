internal import FogCore
internal import Glibc

/// Files of this machine, copied into a folder with the care that fetched ones get.
package enum OutputCopy {
    package struct Source: Sendable {
        /// Where it goes, below the folder.
        let name: String
        let path: String
        let isExecutable: Bool

        package init(name: String, path: String, isExecutable: Bool) {
            self.name = name
            self.path = path
            self.isExecutable = isExecutable
        }
    }

    /// - Returns: what was copied, with its digests.
    /// - Throws: `unsafe_output`, `unreadable`, `unwritable`, `bad_content` for a file that changed meanwhile.
    package static func copy(_ sources: [Source], to path: String) throws -> [PlannedFile] {
        let folder = try OutputFolder(path)
        return try sources.map { source in
            let components = try OutputPlan.components(of: source.name)
            let descriptor = open(source.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw CommandLineFailure("unreadable", "\(source.path) cannot be read: \(Disk.words())")
            }
            defer { close(descriptor) }
            var stream = DigestStream()
            var size: Int64 = 0
            try Disk.readPieces(of: descriptor, name: source.path) { piece in
                stream.update(piece)
                size += Int64(piece.count)
            }
            let file = PlannedFile(
                task: 0, components: components, size: size, digest: stream.finish(), isExecutable: source.isExecutable)
            lseek(descriptor, 0, SEEK_SET)
            var partial = try folder.begin(file)
            // What an earlier copy left has this content already.
            lseek(descriptor, off_t(partial.size), SEEK_SET)
            try Disk.readPieces(of: descriptor, name: source.path) { try partial.append(Array($0)) }
            try partial.finish()
            return file
        }
    }
}
