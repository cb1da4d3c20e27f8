internal import FogCommandLine
import Glibc

/// Where the sandbox profiles of this installation are, and what else comes with them.
enum ProfileFolder {
    private static let name = "sandbox-profiles"

    /// $FOG_PROFILES; else below the folders above the executable, as built (`sandbox-profiles`) or as installed
    /// (`share/fog/sandbox-profiles`); else below the current folder.
    /// - Throws: `no_profiles`.
    static func locate(environment: [String: String]) throws -> String {
        var candidates: [String] = []
        if let chosen = environment["FOG_PROFILES"], !chosen.isEmpty { candidates.append(chosen) }
        var folder = executableFolder
        while !folder.isEmpty {
            candidates += ["\(folder)/\(name)", "\(folder)/share/fog/\(name)"]
            folder = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
        }
        candidates.append(name)
        if let found = candidates.first(where: { Disk.exists("\($0)/default.json") }) { return found }
        throw CommandLineFailure(
            "no_profiles", "there is no folder \(name) with default.json beside this program", help: "set FOG_PROFILES")
    }

    /// A file that comes with Fog: below the folders above the executable, as installed (`share/fog`) or as built
    /// (`Scripts`).
    /// - Throws: `no_file`.
    static func shared(_ name: String) throws -> String {
        var folder = executableFolder
        while !folder.isEmpty {
            for path in ["\(folder)/share/fog/\(name)", "\(folder)/Scripts/\(name)"] where Disk.exists(path) {
                return path
            }
            folder = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
        }
        throw CommandLineFailure("no_file", "there is no share/fog/\(name) beside this program")
    }

    private static var executableFolder: String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let length = buffer.withUnsafeMutableBytes { raw in
            raw.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlink("/proc/self/exe", $0, text.count) } ?? -1
            }
        }
        guard length > 0 else { return "" }
        let path = String(decoding: buffer.prefix(length), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}
