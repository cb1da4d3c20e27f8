package import FogCore
internal import Glibc

/// How much of a file system is free.
package struct DiskSpace: Hashable, Sendable {
    /// For this process; what is kept back for root is not in it.
    package var free: ByteCount
    package var total: ByteCount

    package init(free: ByteCount, total: ByteCount) {
        self.free = free
        self.total = total
    }

    /// Of the file system that holds a folder; nil when it does not tell.
    package init?(of folder: String) {
        var status = statvfs()
        guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return nil }
        let unit = Int64(clamping: status.f_frsize)
        self.init(
            free: ByteCount(Int64(clamping: status.f_bavail).multipliedReportingOverflow(by: unit).partialValue),
            total: ByteCount(Int64(clamping: status.f_blocks).multipliedReportingOverflow(by: unit).partialValue))
    }
}
