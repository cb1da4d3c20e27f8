package import FogCore
package import FogJobs
internal import FogManifestFile
internal import Glibc

/// What lies behind a job's local inputs: every file by digest, and where each content can be read again.
package struct InputScan: Sendable {
    package struct Limits: Sendable {
        /// Files and empty folders behind one source; a worker takes no more for a task.
        package var entries = 200_000
        /// Of one file, and of all contents of the job together.
        package var fileBytes = ByteCount.gibibytes(64)
        package var bytes = ByteCount.gibibytes(1024)

        package init() {}
    }

    package let files: FileTable
    /// A path that holds each content.
    package let places: [Digest: String]
    /// Of each content once, in bytes.
    package let sizes: [Digest: Int64]

    package var totalBytes: Int64 { sizes.values.reduce(0, +) }

    /// Reads all sources to the end once.
    /// - Parameter places: real paths of sources that do not lie where their name says (standard input).
    /// - Parameter onFile: told of each file that was read, with the bytes so far.
    /// - Throws: `bad_input` for what is neither file nor folder, a link that leads out of its folder, and the first
    ///   file beyond a limit; `bad_ignore_file`, `unreadable`, `bad_file_table`.
    package init(
        sources: [String], folder: String, places real: [String: String] = [:], limits: Limits = Limits(),
        onFile: @escaping (_ files: Int, _ bytes: Int64) -> Void = { _, _ in }
    ) throws {
        var scan = FolderScan(limits: limits, onFile: onFile)
        var table: [String: [FileTable.Entry]] = [:]
        var folders: [String: [String]] = [:]
        for source in sources {
            let found = try scan.scan(real[source] ?? LocalFile.place(of: source, in: folder))
            table[source] = found.entries
            folders[source] = found.emptyFolders
        }
        files = try FileTable(table, folders: folders)
        (places, sizes) = (scan.places, scan.sizes)
    }
}
