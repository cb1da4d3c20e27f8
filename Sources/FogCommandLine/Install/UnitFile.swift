internal import Glibc

/// The place of a unit file, and its writing and removing.
package struct UnitFile: Sendable {
    package let path: String

    /// - Parameter root: everything lies below it; "" = the machine itself.
    package init(
        _ part: ServiceUnit.Part, manager: ServiceUnit.Manager, environment: [String: String], root: String = ""
    )
        throws
    {
        let folder: String
        if manager == .user {
            guard
                let base = environment["XDG_CONFIG_HOME"].flatMap({ $0.hasPrefix("/") ? $0 : nil })
                    ?? environment["HOME"].map({ "\($0)/.config" })
            else { throw CommandLineFailure("no_home", "neither XDG_CONFIG_HOME nor HOME is set", status: .usage) }
            folder = "\(base)/systemd/user"
        } else {
            folder = "/etc/systemd/system"
        }
        path = "\(root)\(folder)/\(part.unitName)"
    }

    /// Writes the unit; one that is ours is replaced.
    /// - Throws: `exists` for a unit that somebody else wrote, `unwritable`.
    package func write(_ unit: ServiceUnit) throws {
        try requireOurs()
        if let slash = path.lastIndex(of: "/") { try Disk.makeFolder(String(path[..<slash])) }
        try Disk.write(Array(unit.text.utf8), to: path)
    }

    /// - Returns: whether there was one.
    /// - Throws: `exists` for a unit that somebody else wrote, `unwritable`.
    package func remove() throws -> Bool {
        guard Disk.exists(path) else { return false }
        try requireOurs()
        guard unlink(path) == 0 else {
            throw CommandLineFailure("unwritable", "\(path) cannot be removed: \(Disk.words())")
        }
        return true
    }

    private func requireOurs() throws {
        guard let bytes = try Disk.readSmall(path) else { return }
        guard String(decoding: bytes, as: UTF8.self).hasPrefix(ServiceUnit.mark) else {
            throw CommandLineFailure(
                "exists", "\(path) was not written by fog; it is left as it is", help: "mv \(path) \(path).old")
        }
    }
}
