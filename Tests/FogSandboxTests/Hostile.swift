import FogCore
import Glibc
import Testing

@testable import FogSandbox

/// The programs of `Tests/Hostile`, and a host for them to break out to: a secret, a process, sockets.
final class Hostile {
    struct Attempt: CustomStringConvertible {
        enum Result: String { case reached, refused, absent }

        let result: Result
        /// `r`: outside it takes root to reach its aim; `u`: anybody can.
        let needs: String
        let name: String
        let reason: String

        var description: String { "\(name): \(result.rawValue) (\(reason))" }
    }

    static let hasCompiler = access("/usr/bin/gcc", X_OK) == 0
    private static let sources = Fixture.profiles.dropLast("sandbox-profiles".count) + "Tests/Hostile"

    let folder: String
    private let content = "sesame-\(getpid())"
    /// Looked for twice over, so that the arguments of the probe itself do not hold it.
    private let mark = "77\(getpid())0"
    let port: Int
    private let victim: pid_t
    private var descriptors: [Int32] = []

    /// Compiles the probe and makes the host ready.
    init(in folder: String) throws {
        self.folder = folder
        chmod(folder, 0o755)
        let command = "cd '\(Self.sources)' && gcc -O1 -Wall -Wextra -Werror -o \(folder)/probe *.c -lutil"
        try #require(system(command) == 0)
        chmod("\(folder)/probe", 0o755)
        // Root's, and set-user-ID, where root runs this.
        try #require(system("cp \(folder)/probe \(folder)/program && chmod 4755 \(folder)/program") == 0)
        try #require(system("echo \(content) > \(folder)/secret && chmod 644 \(folder)/secret") == 0)
        setenv("FOG_HOSTILE_MARK", mark + mark, 1)
        try #require(system("sleep 8640000.\(mark)\(mark) > /dev/null 2>&1 & echo $! > \(folder)/victim") == 0)
        victim = try #require(pid_t((Files.text("\(folder)/victim") ?? "").dropLast()))
        // Without CLOEXEC: an agent's carelessness must not be the task's gain.
        descriptors.append(open("\(folder)/secret", O_RDONLY))
        let (network, number) = try Self.listen(at: Self.loopback)
        port = number
        descriptors.append(network)
        descriptors.append(try Self.listen(at: Self.unix("\0\(folder)")).socket)
        descriptors.append(try Self.listen(at: Self.unix("\(folder)/named")).socket)
        chmod("\(folder)/named", 0o777)
    }

    deinit {
        kill(victim, SIGKILL)
        for descriptor in descriptors { close(descriptor) }
    }

    /// The probe's arguments; `process` is whom it is to look into.
    private func arguments(process: String, program: String) -> [String] {
        [
            "\(folder)/secret", content, process, String(victim), String(port), folder, "\(folder)/named", mark,
            program,
        ]
    }

    /// Every attempt with nothing to hold it but what the user may do anyway. Namespaces of its own keep what succeeds
    /// from the machine that runs the tests.
    func outside() throws -> [Attempt] {
        mkdir("\(folder)/outside", 0o777)
        let words = arguments(process: String(victim), program: "\(folder)/program").map { "'\($0)'" }
        let apart = Fixture.isRoot ? "unshare --mount --uts --ipc" : "env"
        let command =
            "cd \(folder)/outside && \(apart) \(folder)/probe \(words.joined(separator: " "))"
            + " > \(folder)/outside.txt 2> /dev/null < /dev/null"
        try #require(system(command) == 0)
        return Self.read(Files.text("\(folder)/outside.txt") ?? "")
    }

    /// The same in a profile; the probe and the set-user-ID program are inputs.
    func inside(
        _ fixture: Fixture, profile: String, change: (inout SandboxTask) -> Void = { _ in }
    ) async throws -> [Attempt] {
        let words = ["./probe"] + arguments(process: "1", program: "./program")
        let (result, output) = try await fixture.run(words, profile: profile) { task in
            task.inputs = ["probe", "program"].map { SandboxInput(hostPath: "\(folder)/\($0)", name: $0) }
            task.wallLimit = .minutes(5)
            change(&task)
        }
        #expect(result.exitCode == 0, "\(output.suffix(500))")
        return Self.read(output)
    }

    /// The same by `fog sandbox run` as an ordinary user, whose uid is the task's; nil where that user cannot reach the
    /// program. A launcher without root has less to build with, and must hold all the same.
    func insideAsUser(_ user: Int, profile: String) throws -> [Attempt]? {
        let words = ["./probe"] + arguments(process: "1", program: "./program")
        let options = "--input probe=\(folder)/probe --input program=\(folder)/program"
        guard let (status, output) = try runAsUser(user, words, options: "--profile \(profile) --time 5m \(options)")
        else {
            return nil
        }
        #expect(status == 0, "\(output.suffix(500))")
        return Self.read(output)
    }

    /// A program by `fog sandbox run` as an ordinary user, with its output; nil where that user cannot reach fog.
    func runAsUser(_ user: Int, _ words: [String], options: String) throws -> (status: Int32, output: String)? {
        let launcher = try Launcher.locate()
        let fog = String(launcher.dropLast("-sandbox".count))
        let change = "setpriv --reuid \(user) --regid \(user) --clear-groups"
        guard system("\(change) '\(fog)' --version > /dev/null 2>&1") == 0 else { return nil }
        mkdir("\(folder)/user", 0o700)
        chown("\(folder)/user", uid_t(user), gid_t(user))
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let status = system(
            "cd \(folder) && \(change) env HOME=\(folder)/user FOG_SANDBOX='\(launcher)' FOG_PROFILES='\(Fixture.profiles)' "
                + "'\(fog)' sandbox run --work \(folder)/user \(options) -- \(quoted) > \(folder)/user.txt 2>&1 < /dev/null"
        )
        return ((status >> 8) & 0xff, Files.text("\(folder)/user.txt") ?? "")
    }

    static func read(_ text: String) -> [Attempt] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 4, let result = Attempt.Result(rawValue: parts[0]) else { return nil }
            return Attempt(result: result, needs: parts[1], name: parts[2], reason: parts[3])
        }
    }

    // MARK: - Sockets

    private static var loopback: [UInt8] {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafeBytes(of: address) { Array($0) }
    }

    private static func unix(_ path: String) -> [UInt8] {
        withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) } + Array(path.utf8) + (path.hasPrefix("\0") ? [] : [0])
    }

    /// A socket that takes connections, and its port where it has one.
    private static func listen(at address: [UInt8]) throws -> (socket: Int32, port: Int) {
        let family = Int32(address[0])
        let listener = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(listener >= 0)
        var found = [UInt8](repeating: 0, count: 128)
        var length = socklen_t(found.count)
        let bound = address.withUnsafeBytes { raw in
            raw.baseAddress.map { bind(listener, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count)) }
        }
        try #require(bound == 0 && Glibc.listen(listener, 64) == 0)
        let named = found.withUnsafeMutableBytes { raw in
            raw.baseAddress.map { getsockname(listener, $0.assumingMemoryBound(to: sockaddr.self), &length) }
        }
        try #require(named == 0)
        return (listener, Int(found[2]) << 8 | Int(found[3]))
    }
}
