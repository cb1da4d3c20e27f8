import Dispatch
import FogAPI
import FogCore
import FogJobs
import Glibc
import Logging
import ServiceLifecycle

/// What the owner asks of a running worker.
package enum ControlRequest: Hashable, Sendable, Codable {
    case report
    /// Nil = go on.
    case pause(HarvestControls.Pause?)
    /// A word, or the path of a file.
    case policy(String)
}

/// What it answers.
package enum ControlAnswer: Hashable, Sendable, Codable {
    case report(GovernedMachine.Report)
    case refused(code: String, message: String)
}

/// The way to a running worker on its own machine: a socket in its state folder that only its user and root may open.
///
/// A request and an answer are one line of JSON each. The mode of the socket keeps others out; the kernel's word on who
/// is at the other end (SO_PEERCRED, unix(7)) does so where the folder is on a file system that keeps no modes.
package struct ControlSocket: Service {
    private static let maxLine = 64 << 10
    /// For the other end to write its line, or to read the answer.
    private static let patience = 2
    private static let backlog: Int32 = 16

    private let folder: String
    private let handle: @Sendable (ControlRequest) async -> ControlAnswer
    private let logger: Logger

    package init(
        folder: String, logger: Logger, handle: @escaping @Sendable (ControlRequest) async -> ControlAnswer
    ) {
        self.folder = folder
        self.logger = logger
        self.handle = handle
    }

    // MARK: - The worker's end

    /// Answers one after another until a graceful shutdown or cancellation.
    /// - Throws: `no_control` when the socket cannot be made.
    package func run() async throws {
        let listener = try Self.listen(in: folder)
        let (asked, continuation) = AsyncStream.makeStream(
            of: Pending.self, bufferingPolicy: .bufferingOldest(Int(Self.backlog)))
        // One at a time: who is slow to write its line holds up the next for its patience at most.
        let source = DispatchSource.makeReadSource(
            fileDescriptor: listener, queue: DispatchQueue(label: "fog.worker.control"))
        source.setEventHandler {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            if let pending = Self.serve(client) { continuation.yield(pending) }
        }
        source.setCancelHandler { close(listener) }
        source.resume()
        for await pending in asked.cancelOnGracefulShutdown() {
            let answer = await handle(pending.request)
            let line = (try? Wire.encode(answer)) ?? []
            try? await Disk.offload { () throws(WorkerFailure) in Self.send(line, to: pending.descriptor.value) }
        }
        unlink("\(folder)/\(Place.name)")
        source.cancel()
    }

    private static func listen(in folder: String) throws(WorkerFailure) -> Int32 {
        let place = try Place(folder)
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw failure("no socket", folder) }
        // What is there is a former process's: the folder's lock is ours.
        unlink(place.real)
        // Nobody may connect between bind and chmod: nobody listens yet.
        guard place.with({ bind(listener, $0, $1) }) == 0, chmod(place.real, 0o600) == 0,
            Glibc.listen(listener, backlog) == 0
        else {
            let failure = failure("could not be made", place.real)
            close(listener)
            throw failure
        }
        return listener
    }

    static func failure(_ words: String, _ path: String) -> WorkerFailure {
        WorkerFailure("no_control", "\(path) \(words): \(String(cString: strerror(errno)))")
    }

    // MARK: - The owner's end

    /// Asks the worker of a state folder. Waits a few seconds at most.
    /// - Throws: `not_running`, `no_control`, or what the worker refused with.
    package static func ask(
        _ request: ControlRequest, in folder: String
    ) async throws(WorkerFailure) -> GovernedMachine.Report {
        try await Disk.offload { () throws(WorkerFailure) in try askNow(request, in: folder) }
    }

    private static func askNow(
        _ request: ControlRequest, in folder: String
    ) throws(WorkerFailure) -> GovernedMachine.Report {
        let place = try Place(folder)
        let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard client >= 0 else { throw failure("no socket", folder) }
        defer { close(client) }
        limit(client, seconds: 5)
        guard place.with({ connect(client, $0, $1) }) == 0 else {
            guard errno == ENOENT || errno == ECONNREFUSED else { throw failure("could not be opened", place.real) }
            throw WorkerFailure("not_running", "no worker runs in \(folder)")
        }
        guard let line = try? Wire.encode(request) else { throw failure("cannot be asked that", place.real) }
        send(line, to: client)
        guard let bytes = receive(from: client), let answer = try? Wire.decode(ControlAnswer.self, from: bytes) else {
            throw WorkerFailure("no_control", "the worker in \(folder) gave no answer")
        }
        switch answer {
        case .report(let report): return report
        case .refused(let code, let message): throw WorkerFailure(code, message)
        }
    }

    // MARK: - Lines

    fileprivate static func limit(_ socket: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private static func send(_ line: [UInt8], to socket: Int32) {
        var rest = (line + [UInt8(ascii: "\n")])[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return }
            rest = rest.dropFirst(sent)
        }
    }

    /// A line without its end; nil when there is none in time, or it is too long.
    fileprivate static func receive(from socket: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= maxLine {
            let count = recv(socket, &piece, piece.count, 0)
            guard count > 0 else { return nil }
            bytes += piece.prefix(count)
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) { return Array(bytes[..<end]) }
        }
        return nil
    }

    fileprivate static func serve(_ client: Int32) -> Pending? {
        let descriptor = Descriptor(client)
        // pid, uid, gid of whoever connected.
        var peer: (pid: Int32, user: UInt32, group: UInt32) = (0, .max, .max)
        var size = socklen_t(MemoryLayout.size(ofValue: peer))
        guard getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, peer.user == geteuid() || peer.user == 0
        else { return nil }
        limit(client, seconds: patience)
        guard let bytes = receive(from: client), let request = try? Wire.decode(ControlRequest.self, from: bytes) else {
            return nil
        }
        return Pending(request: request, descriptor: descriptor)
    }

    fileprivate struct Pending: Sendable {
        let request: ControlRequest
        let descriptor: Descriptor
    }
}

/// Closed when nobody has it any more.
private final class Descriptor: Sendable {
    let value: Int32
    init(_ value: Int32) { self.value = value }
    deinit { close(value) }
}

/// The socket's address. A state folder may be deeper than the 107 bytes that one takes, so it is reached through an open
/// folder.
private final class Place {
    static let name = "control.sock"
    let real: String
    private let folder: Int32

    init(_ path: String) throws(WorkerFailure) {
        real = "\(path)/\(Self.name)"
        folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else {
            if errno == ENOENT { throw WorkerFailure("not_running", "no worker runs in \(path)") }
            throw ControlSocket.failure("could not be opened", path)
        }
    }

    deinit { close(folder) }

    func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("/proc/self/fd/\(folder)/\(Self.name)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
