import FogCore
import Glibc
import Synchronization
import Testing

@testable import FogSandbox

/// A host with its slots and folders, undone when the scope ends.
struct Fixture: Sendable {
    let host: SandboxHost
    let folder: String

    static let profiles = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/sandbox-profiles"
    static let isRoot = geteuid() == 0

    static func with<Result>(
        _ options: SandboxHost.Options = .init(), _ body: (Fixture) async throws -> Result
    ) async throws -> Result {
        let host = try SandboxHost(launcherPath: Launcher.locate(), options: options)
        let fixture = Fixture(host: host, folder: try temporaryFolder())
        do {
            let result = try await body(fixture)
            await host.shutdown()
            remove(fixture.folder)
            return result
        } catch {
            await host.shutdown()
            remove(fixture.folder)
            throw error
        }
    }

    static func profile(_ name: String = "default") throws -> SandboxProfile {
        try SandboxProfile.load(named: name, from: profiles)
    }

    static func temporaryFolder() throws -> String {
        var template = Array("/tmp/fog-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func remove(_ folder: String) {
        if let stream = opendir(folder) {
            let names = Folder.names(stream, max: 100_000)
            closedir(stream)
            for name in names {
                var status = stat()
                let path = (folder + "/").utf8CString.dropLast().map { UInt8(bitPattern: $0) } + name
                Folder.withName(Array(path)) { path in
                    guard lstat(path, &status) == 0 else { return }
                    if status.st_mode & S_IFMT == S_IFDIR { remove(String(cString: path)) } else { unlink(path) }
                }
            }
        }
        rmdir(folder)
    }

    func work(_ name: String = "work") -> String {
        let path = folder + "/" + name
        mkdir(path, 0o755)
        return path
    }

    func write(_ name: String, _ content: String, mode: mode_t = 0o644) throws -> String {
        let path = folder + "/" + name
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        try #require(descriptor >= 0)
        Glibc.write(descriptor, content, content.utf8.count)
        close(descriptor)
        return path
    }

    /// Runs a program and returns what it wrote on both its outputs.
    func run(
        _ arguments: [String], profile: String = "default", slot index: Int = 0, input: String? = nil,
        change: (inout SandboxTask) -> Void = { _ in }
    ) async throws -> (result: SandboxResult, output: String) {
        let slot = try await host.slot(profile: try Fixture.profile(profile), index: index)
        let path = folder + "/output-\(index)"
        let output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(output >= 0)
        defer { close(output) }
        var task = SandboxTask(
            arguments: arguments, workFolder: work("work-\(index)"),
            resources: ResourceRequest(memory: .mebibytes(256), disk: .mebibytes(64), time: .minutes(5)),
            killGrace: .milliseconds(200))
        task.standardOutput = output
        task.standardError = output
        let source = input.map { try? write("input-\(index)", $0) }
        if let source, let source { task.standardInput = open(source, O_RDONLY | O_CLOEXEC) }
        defer { if task.standardInput >= 0 { close(task.standardInput) } }
        change(&task)
        let result = try await slot.run(task)
        return (result, Files.text(path) ?? "")
    }

    func shell(
        _ script: String, slot: Int = 0, change: (inout SandboxTask) -> Void = { _ in }
    ) async throws -> (result: SandboxResult, output: String) {
        try await run(["/bin/sh", "-c", script], slot: slot, change: change)
    }
}

/// Waits for another process to make a file.
func appears(_ path: String) async throws { try await eventually { Files.exists(path) } }

/// Waits for a condition that another process brings about; the bound only keeps a broken test from hanging.
func eventually(_ condition: () -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(300)
    while !condition() {
        try #require(clock.now < end, "it never came about")
        try await Task.sleep(for: .milliseconds(2))
    }
}

func entries(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    return Folder.names(stream, max: 1_000_000).map { String(decoding: $0, as: UTF8.self) }
}
