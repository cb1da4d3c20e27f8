import FogCommandLine
import Foundation
import Testing

@Suite("Units for systemd")
struct ServiceUnitTests {
    private static let analyze = "/usr/bin/systemd-analyze"

    private static func unit(
        _ part: ServiceUnit.Part, _ manager: ServiceUnit.Manager = .system(user: "root"), _ arguments: [String] = []
    ) throws -> ServiceUnit {
        // A program that is there: the check looks.
        try ServiceUnit(
            part, manager: manager, program: "/bin/true", arguments: arguments, home: ServiceUnit.systemHome)
    }

    private static func directives(_ text: String) -> [String: [String]] {
        var found: [String: [String]] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") && !line.hasPrefix("[") {
            let pair = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            found[String(pair[0]), default: []].append(String(pair[1]))
        }
        return found
    }

    @Test("both tell systemd that they are ready and live, end in order, and gain no rights")
    func common() throws {
        for part in ServiceUnit.Part.allCases {
            for manager in [ServiceUnit.Manager.user, .system(user: "fog")] {
                let found = Self.directives(try Self.unit(part, manager).text)
                #expect(found["Type"] == ["notify"] && found["WatchdogSec"]?.count == 1)
                #expect(found["NoNewPrivileges"] == ["yes"] && found["KillMode"] == ["mixed"])
                #expect(found["Environment"] == ["FOG_HOME=/var/lib/fog"])
                #expect(found["User"] == (manager == .user ? nil : ["fog"]))
                #expect(found.allSatisfy { $0.key == "Environment" || $0.value.count == 1 }, "\(found)")
            }
        }
    }

    @Test("the worker keeps what its sandboxes are made of")
    func worker() throws {
        let found = Self.directives(try Self.unit(.worker).text)
        #expect(found["Delegate"] == ["yes"] && found["ProtectSystem"] == ["strict"])
        // A worker that is root makes its sandboxes with what it has; another one has nothing that it could lose.
        #expect(found["CapabilityBoundingSet"] == nil)
        let ordinary = Self.directives(try Self.unit(.worker, .system(user: "fog")).text)
        #expect(ordinary["CapabilityBoundingSet"] == [""] && ordinary["AmbientCapabilities"] == [""])
        for hurtful in [
            "RestrictNamespaces", "ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc", "ProcSubset",
            "ProtectHostname", "ProtectControlGroups", "SystemCallFilter", "MemoryDenyWriteExecute", "PrivateDevices",
        ] { #expect(found[hurtful] == nil, "\(hurtful)") }
    }

    @Test("what stands in arguments reaches the program as it is")
    func quoting() throws {
        let text = try Self.unit(
            .worker, .system(user: "fog"), ["--name", "a b", "--region", "50%", "--label", "$x\"y\\"]
        ).text
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("ExecStart=") })
        #expect(line == #"ExecStart=/bin/true worker run --name "a b" --region "50%%" --label "$$x\"y\\""#)
    }

    @Test("what a unit cannot hold is refused")
    func refused() {
        #expect(throws: CommandLineFailure.self) {
            try ServiceUnit(.worker, manager: .user, program: "fog", arguments: [], home: nil)
        }
        #expect(throws: CommandLineFailure.self) {
            try ServiceUnit(.worker, manager: .user, program: "/fog", arguments: ["a\nExecStartPre=/bin/sh"], home: nil)
        }
        for user in ["", "a b", "Root", "x\nGroup=y", "1a"] {
            #expect(throws: CommandLineFailure.self) { try Self.unit(.worker, .system(user: user)) }
        }
    }

    @Test("a unit is written, written anew and removed below a root; one of somebody else's stays")
    func files() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "fog-units-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        let file = try UnitFile(.worker, manager: .system(user: "fog"), environment: [:], root: root)
        #expect(file.path == "\(root)/etc/systemd/system/fog-worker.service")
        #expect(try !file.remove())
        try file.write(try Self.unit(.worker))
        try file.write(try Self.unit(.worker, .system(user: "other")))
        #expect(try String(contentsOfFile: file.path, encoding: .utf8).contains("User=other"))
        #expect(try file.remove())
        #expect(!FileManager.default.fileExists(atPath: file.path))
        try "[Service]\n".write(toFile: file.path, atomically: true, encoding: .utf8)
        #expect(throws: CommandLineFailure.self) { try file.write(try Self.unit(.worker)) }
        #expect(throws: CommandLineFailure.self) { try file.remove() }
        let own = try UnitFile(.coordinator, manager: .user, environment: ["HOME": "/home/ada"], root: root)
        #expect(own.path == "\(root)/home/ada/.config/systemd/user/fog-coordinator.service")
    }

    @Test(
        "systemd finds nothing wrong with them",
        .enabled(if: FileManager.default.isExecutableFile(atPath: analyze), "systemd-analyze is not installed"),
        arguments: ServiceUnit.Part.allCases)
    func verified(_ part: ServiceUnit.Part) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fog-verify-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/\(part.unitName)"
        try Self.unit(part).text.write(toFile: path, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: Self.analyze)
        process.arguments = ["verify", "--man=no", path]
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = pipe
        try process.run()
        let said = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        // Of other units it may say what it likes.
        #expect(!said.contains(part.unitName), "\(said)")
        #expect(process.terminationStatus == 0, "\(said)")
    }
}
