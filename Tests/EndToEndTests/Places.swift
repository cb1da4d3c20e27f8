import Foundation
import Glibc

/// Where things lie.
enum Places {
    /// The root of the repository.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    static let jobs = "\(root)/jobs"
    static let licenses = "/usr/share/common-licenses"

    /// The program under test: `FOG_BINARY`, else the one that was built beside these tests, else the debug build.
    static let fog: String = {
        if let chosen = ProcessInfo.processInfo.environment["FOG_BINARY"], !chosen.isEmpty { return chosen }
        let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        let built = ["\(tests)/fog", "\(root)/.build/debug/fog"]
        return built.first { access($0, X_OK) == 0 } ?? built[1]
    }()

    /// The folders in which a task finds programs.
    static let programs = ["/usr/local/bin", "/usr/bin", "/bin"]

    static func hasProgram(_ name: String) -> Bool { programs.contains { access("\($0)/\(name)", X_OK) == 0 } }
}

/// A folder that lives as long as this value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/fog-end-to-end-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Problem("no temporary folder: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and returns its path.
    func write(_ text: String, to name: String) throws -> String {
        let place = "\(path)/\(name)"
        try text.write(toFile: place, atomically: false, encoding: .utf8)
        return place
    }

    func bytes(of name: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(filePath: "\(path)/\(name)"))) }

    func text(of name: String) throws -> String { String(decoding: try bytes(of: name), as: UTF8.self) }

    /// The names of all files below it, sorted.
    func files() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).sorted().filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isFolder)
                && !isFolder.boolValue
        }
    }
}
